#pragma once

/*
 * Snapshots of one application in its state directory, and how long they stay.
 *
 *   snapshots/ID/                        0700
 *     databases/NAME.dump.zst            written by database/dump
 *     databases/globals.sql              roles, where they could be read
 *     files/NAME/content, manifest.jsonl one directory per Data= value, see tree.h
 *     configuration/N-BASENAME           bytes of the Compose files and .env
 *     snapshot.json                      what is in it, with checksums: written last, and last only
 *   images/sha256-HEX.tar.zst            shared by all snapshots, see images.h
 *
 * A directory without snapshot.json is partial: of a run that is at work, or that died. Whoever holds the
 * application's lock may remove it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/snapshot/tree.h"

#define SNAPSHOT_FORMAT 1

struct snapshot {
    char *id;         /* as the transaction's, e.g. 20261123T031500Z-1f3a */
    char *app;        /* name of the application */
    char *directory;  /* absolute path of snapshots/ID */
    bool complete;    /* snapshot.json is there and whole, and so is each tree's manifest */
    char *problem;    /* why it is not complete; NULL when it is */
    json_t *document; /* contents of snapshot.json; NULL of a listed one that is not complete */
};
void snapshot_free(struct snapshot *snapshot);
void cleanup_snapshot(struct snapshot **snapshot);
#define _cleanup_snapshot_ __attribute__((cleanup(cleanup_snapshot)))
void snapshots_free(struct snapshot **list, size_t count);

/* Begins a snapshot below @state (the application's state directory): makes snapshots/ID, which must not be
 * there complete (-EEXIST); what a dead run left under this id is removed. */
int snapshot_create(const char *state, const char *app, const char *id, struct snapshot **ret,
                    struct error *err);

/* Where the dump of @database (or "globals") has to be written. Owned by the caller. */
char *snapshot_dump_path(const struct snapshot *snapshot, const char *database);
char *snapshot_globals_path(const struct snapshot *snapshot);
/* Where the tree of a Data= value is (for tree_copy, tree_second_pass, tree_restore). Owned by the caller. */
char *snapshot_tree_path(const struct snapshot *snapshot, const char *name);

/* Says what has been written. @size and @sha256 (hexadecimal) are of the file; @details (may be NULL) is kept
 * beside them: uncompressed bytes, rows per table, owner. */
void snapshot_add_dump(struct snapshot *snapshot, const char *database, uint64_t size, const char *sha256,
                       const json_t *details);
void snapshot_add_globals(struct snapshot *snapshot, uint64_t size, const char *sha256);
/* Also after the second pass, which replaces what was said before. */
void snapshot_add_tree(struct snapshot *snapshot, const struct manifest *manifest);
/* Copies a file's bytes (at most 1 MiB) into configuration/. -ENOENT when it is not there. */
int snapshot_add_file(struct snapshot *snapshot, const char *path, struct error *err);
/* @service ran @reference, which is @image_id; its archive is in images/ when @archived. */
void snapshot_add_image(struct snapshot *snapshot, const char *service, const char *reference,
                        const char *image_id, bool archived);
/* Any further fact for a person or a later version; @value is a new reference, taken over. */
void snapshot_set(struct snapshot *snapshot, const char *key, json_t *value);

/* Syncs everything and writes snapshot.json: from now on it is complete. Called again after the second pass
 * and after a verification. */
int snapshot_finish(struct snapshot *snapshot, struct error *err);

/* How it was verified: "checksums" (all read back), "restore" (the dump was restored and counted). Kept until
 * the contents change. Written by the next snapshot_finish(). */
void snapshot_set_verified(struct snapshot *snapshot, const char *how, usec_t realtime);
const char *snapshot_verified(const struct snapshot *snapshot); /* "" when it was not */

/* The newest complete snapshot's directory of this tree, for tree_copy()'s @previous; NULL without one. */
char *snapshots_previous_tree(const char *state, const char *app, const char *id, const char *name);

/* Reads snapshots/ID. -ENOENT: none, or only a partial one; -EBADMSG: snapshot.json is damaged, or a tree has
 * no manifest because its second pass was cut; -ENOTSUP: of a newer format; -EINVAL: @id is no id, or it is
 * of another application. */
int snapshot_load(const char *state, const char *app, const char *id, struct snapshot **ret,
                  struct error *err);

/* All of them, newest first, partial and damaged ones too (complete is false). None: *ret_count 0. */
int snapshots_list(const char *state, const char *app, struct snapshot ***ret, size_t *ret_count,
                   struct error *err);

/* One row of `snapshots --json`: {id, created, complete, verified, verified_at, bytes, shared_bytes,
 * databases, trees, images, off_host}; of one that is not complete {id, complete, problem}. bytes counts
 * dumps and files as they were, shared_bytes those of them that take no room of their own. New reference. */
json_t *snapshot_summary(const struct snapshot *snapshot);

struct snapshot_fault {
    char *file; /* below the snapshot's directory */
    char *what;
};
void snapshot_faults_free(struct snapshot_fault *list, size_t count);

/* Reads everything: dumps, configuration, trees, and the image archives that it names. Returns 0 and what is
 * wrong, *ret_count 0 when nothing is; -errno when it could not look. Whether a dump is one that PostgreSQL
 * reads whole is dump_verify()'s. */
int snapshot_verify(const struct snapshot *snapshot, const char *state, const struct tree_run *run,
                    struct snapshot_fault **ret, size_t *ret_count, struct error *err);

/* Removes it; killed in the middle it leaves a partial one. Returns 0 also when there was none. */
int snapshot_remove(const char *state, const char *id, struct error *err);

/* Drops what is over: partial ones, then the oldest until @keep complete ones are left. A damaged one goes as
 * the complete ones do, one of a newer format never. Never one in @needed
 * (ids, NULL-ended, may be NULL: of records that are open, of a clone that is kept), never the newest
 * verified one, and never one while no newer one has been verified. Removed ids are appended to @removed (may
 * be NULL). */
int snapshots_retain(const char *state, const char *app, unsigned keep, char *const *needed, char ***removed,
                     struct error *err);
