#pragma once

/*
 * A data directory (or a single file) copied into a snapshot, compared with it, and put back.
 *
 * One tree of a snapshot is a directory with `content` (the copy, readable by a person with cp) and
 * `manifest.jsonl`. The manifest is written last, and taken away before `content` changes: a tree without one
 * is not whole. tree_copy() works while the application runs; tree_second_pass(), when nothing does, makes
 * it exact; tree_restore() makes the live directory exact again, in place.
 *
 * No symbolic link is followed, nothing outside of the root is reached, and a file system mounted inside the
 * root is refused with -EXDEV before anything is touched (a bind mount of the same device is part of it).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/snapshot/manifest.h"
#include "watchdog/snapshot/work.h"

struct tree_source {
    const char *name;      /* the Data= value: what messages and the snapshot call it */
    const char *host_path; /* absolute; a directory or a regular file. The path itself may lead over links */
};

/* The name of the directory that holds the tree of a Data= value: its bytes, with `/` and what a shell minds
 * as %XX. Owned by the caller. */
char *tree_directory_name(const char *name);

/* Copies the source into @directory, which is made (0700) or, where a dead run left it, emptied. A file that
 * has the same inode, size, owner, mode, mtime and ctime in the manifest of @previous (directory of the same
 * tree in an earlier snapshot, on the same file system; NULL: none) becomes a hard link to the copy there.
 * What vanishes meanwhile is left out, what changes is copied as found and marked unstable. Everything is
 * synced, then the manifest is written. @ret may be NULL. -EINVAL when @directory lies in the source, -ENOENT
 * when the source is not there, -EXDEV, -ETIME, -ENOSPC; the sentence names the file. */
int tree_copy(const struct tree_source *source, const char *directory, const char *previous,
              const struct tree_run *run, struct manifest **ret, struct error *err);

/* Bytes on the disk that tree_copy() would take now: what it would link to @previous is left out. -EXDEV,
 * -ETIME, -ENOENT. */
int tree_estimate(const char *host_path, const char *previous, const struct tree_run *run,
                  uint64_t *ret_bytes, struct error *err);

struct tree_changes {
    size_t copied, removed, linked; /* names */
    uint64_t bytes;                 /* copied */
};

/* Brings the copy in @directory to what the source is now, when nothing writes to it any more: looks at every
 * name once, and copies what is new, differs, or has a ctime later than 2 s before the start of the first
 * pass. Then walks the source once more; -ESTALE with the name of a file that changed meanwhile (something
 * still writes) or, of the root, that is another directory or place than the first pass saw; -ENXIO when the
 * file system that it was on is not mounted: an empty mount point is no emptied data. Synced when it returns.
 * Killed in the middle it leaves a tree without a manifest: such a tree is of no use any more, and -ENOENT is
 * what a second call returns. */
int tree_second_pass(const struct tree_source *source, const char *directory, const struct tree_run *run,
                     struct tree_changes *ret_changes, struct manifest **ret, struct error *err);

enum tree_difference_kind {
    TREE_ADDED = 1, /* live only */
    TREE_MISSING,   /* in the snapshot only */
    TREE_CHANGED,   /* other contents, type or hard links */
    TREE_METADATA,  /* owner, mode, times, extended attributes or flags */
};

struct tree_difference {
    char *path;
    enum tree_difference_kind kind;
    char *what; /* for a person: "mode 0644, was 0600" */
};
void tree_differences_free(struct tree_difference *list, size_t count);

/* What differs between the manifest and the files at @host_path. ctime and inode say what need not be read;
 * contents are compared by their hash where these differ. Times of access do not count, and neither do the
 * sockets that the manifest lists as skipped. Returns 0, *ret_count 0: they are the same. A @host_path that
 * is gone is one difference of the root. */
int tree_compare(const struct manifest *manifest, const char *host_path, const struct tree_run *run,
                 struct tree_difference **ret, size_t *ret_count, struct error *err);

struct tree_restore {
    const char *directory;  /* of the tree in the snapshot */
    const char *host_path;  /* what is put back */
    const char *quarantine; /* of this attempt, made if something is displaced: must not hold anything yet */
    const char *id;         /* the transaction's: temporary names are .upgrade-watchdog-ID-N */
};

struct tree_restored {
    size_t restored;  /* names put back: contents, type or links */
    size_t metadata;  /* names whose metadata alone was put back */
    size_t displaced; /* names moved to quarantine */
};

/* Makes the files at @host_path what the snapshot says. Unchanged entries keep their inodes. What is changed
 * or added moves to QUARANTINE/content/ with its path; QUARANTINE/displaced.jsonl says of each name what it
 * was, also of those whose metadata alone was changed, and is on disk before anything moves. Then new copies
 * are made under temporary names, synced, and renamed. Can be killed at any point and called again with
 * another quarantine directory: it ends at the same state, and what was displaced is in one of the
 * quarantines, whole. Synced when it returns. -ENOSPC, -EIO, -EXDEV, -ETIME: repeat when there is room;
 * -EEXIST when the quarantine holds something; -ENXIO, -ESTALE when @host_path is not the place that was
 * copied (its file system is not mounted, a link leads elsewhere): nothing is made or moved there; -EBADMSG
 * when a copy in the snapshot is not what its manifest says (found before it is put). */
int tree_restore(const struct tree_restore *restore, const struct tree_run *run, struct tree_restored *ret,
                 struct error *err);

/* Whether the place of the tree in @directory is still what tree_restore() asks for, before anything is
 * stopped for it: -ENXIO, -ESTALE. */
int tree_can_restore(const char *directory, const char *host_path, struct error *err);

struct tree_fault {
    char *path;
    char *what; /* "contents are not those of the manifest", "is missing" */
};
void tree_faults_free(struct tree_fault *list, size_t count);

/* Reads every copied file of a tree and compares with the manifest. Returns 0 and what is wrong, *ret_count 0
 * when nothing is; -errno when it could not look. A manifest that is damaged is a fault of its own name. */
int tree_verify(const char *directory, const struct tree_run *run, struct tree_fault **ret, size_t *ret_count,
                struct error *err);
