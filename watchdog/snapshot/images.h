#pragma once

/*
 * Archives of images: what `docker save` writes, one per image id, compressed, shared by all snapshots.
 *
 * Tags and digests do not protect an image (`prune -a`, a registry that collects what is untagged): its
 * archive does. images/sha256-HEX.tar.zst, and beside it sha256-HEX.json with size and checksum, written
 * after it: an archive without that file is not whole.
 */

#include <stdbool.h>
#include <stdint.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/docker/engine.h"
#include "watchdog/snapshot/tree.h"

struct image_archive {
    char *image_id; /* sha256:HEX */
    char *path;
    uint64_t size;         /* of the archive on disk */
    uint64_t uncompressed; /* of what Docker gave */
    char *sha256;          /* of the archive on disk */
    bool made;             /* by this call; else it was there */
};
void image_archive_done(struct image_archive *archive);

/* Sees to it that there is an archive of @image_id below @state (the application's state directory). One that
 * is there and is what was written is taken; a damaged one is made again. Progress counts uncompressed bytes.
 * -ENOENT when Docker has no such image; -EPROTO when what Docker gave is no whole tar archive. */
int image_archive_make(const char *state, struct engine *engine, const char *image_id,
                       const struct tree_run *run, struct image_archive *ret, struct error *err);

/* What is recorded of the archive of @image_id. -ENOENT: there is none. */
int image_archive_find(const char *state, const char *image_id, struct image_archive *ret, struct error *err);

/* Reads the archive and compares it with its record. -EBADMSG when it differs. */
int image_archive_check(const struct image_archive *archive, const struct tree_run *run, struct error *err);

/* Gives it back to Docker, checked while it is read. Tags are the caller's. -EBADMSG when it is damaged. */
int image_archive_load(const struct image_archive *archive, struct engine *engine, const struct tree_run *run,
                       struct error *err);

/* Removes the archives that are not in @needed (image ids, NULL-ended) and what dead runs left. */
int image_archives_collect(const char *state, char *const *needed, struct error *err);
/* The image ids that any complete snapshot of the application names, appended to @needed. */
int image_archives_needed(const char *state, const char *app, char ***needed, struct error *err);
