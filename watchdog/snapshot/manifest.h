#pragma once

/*
 * The manifest of a copied tree: one entry per name, everything that a restore puts back.
 *
 * It is the truth about metadata. The copies in a snapshot share inodes with those of earlier snapshots, so
 * their owner, mode and times are only as good as the last snapshot that set them. Paths are bytes; in the
 * file, bytes that are no UTF-8, control characters and `%` stand as %XX.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

#define MANIFEST_DIGEST_SIZE 65 /* SHA-256 in hexadecimal digits and NUL */

/* Flags of inodes that are kept: chattr +i and +a. */
#define MANIFEST_IMMUTABLE 1U
#define MANIFEST_APPEND 2U

struct manifest_xattr {
    char *name; /* with its namespace: user.*, system.posix_acl_access, security.capability */
    void *value;
    size_t size;
};

struct manifest_entry {
    char *path;  /* below the root, no slash at its ends; "" is the root itself */
    mode_t mode; /* type and permissions, as st_mode */
    uid_t uid;
    gid_t gid;
    uint64_t size;      /* of a regular file */
    uint64_t allocated; /* bytes on the disk, of a live name only: the manifest does not keep it */
    uint64_t inode;
    uint64_t links; /* as st_nlink; may count names outside the tree */
    struct timespec mtime, ctime, atime;
    dev_t device;                      /* which device a device node stands for */
    unsigned flags;                    /* MANIFEST_* */
    char *target;                      /* of a symbolic link */
    char *link;                        /* path of the first name of the same inode; NULL for the first */
    char digest[MANIFEST_DIGEST_SIZE]; /* of a regular file without @link */
    struct manifest_xattr *xattrs;     /* sorted by name */
    size_t xattrs_count;
    bool unstable; /* changed while it was being read */
    bool shared;   /* its copy is a hard link to the previous snapshot's */
};

struct manifest {
    char *name;              /* the Data= value that it is of */
    char *host_path;         /* where the files were */
    char *real_path;         /* where that led; NULL: written by a version that did not look */
    char *file_system;       /* and what the file system was mounted on; NULL as above */
    char *mount_point;       /* the innermost mount there, which may be a bind mount; NULL: not known */
    uint64_t mount_inode;    /* of what was mounted there */
    struct timespec started; /* CLOCK_REALTIME at the start of the last pass */
    struct manifest_entry
        *entries; /* in the order of manifest_path_compare(): a directory before what is in it */
    size_t entries_count;
    char **skipped; /* sockets, by path; NULL-ended */
};

/* Orders paths so that a directory comes directly before its contents: as strcmp, but `/` before all. */
int manifest_path_compare(const char *a, const char *b);

/* The entry of @path, or NULL. */
struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path);

/* Takes over what *entry owns and leaves *entry empty. Call manifest_sort() after the last one. */
void manifest_append(struct manifest *manifest, struct manifest_entry *entry);
void manifest_sort(struct manifest *manifest);

/* Sums over regular files, each inode once: contents' bytes, those shared with the previous snapshot. */
uint64_t manifest_bytes(const struct manifest *manifest);
uint64_t manifest_shared_bytes(const struct manifest *manifest);
size_t manifest_unstable(const struct manifest *manifest);

/* Writes it durably to @path: lines of JSON, the last one with a checksum over those before. */
int manifest_write(const struct manifest *manifest, const char *path, struct error *err);

/* Reads it back. -EBADMSG with file and line where it is cut, changed, or says what cannot be: a path that is
 * absolute, has `..`, `.`, an empty part or a NUL, stands twice, or lies in what is no directory; -ENOTSUP
 * for a format of a newer version. */
int manifest_read(const char *path, struct manifest **ret, struct error *err);

void manifest_entry_done(struct manifest_entry *entry);
void manifest_free(struct manifest *manifest);
void cleanup_manifest(struct manifest **manifest);
#define _cleanup_manifest_ __attribute__((cleanup(cleanup_manifest)))
