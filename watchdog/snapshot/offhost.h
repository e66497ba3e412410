#pragma once

/*
 * A finished snapshot copied to a directory on another disk, and checked there.
 *
 *   DIRECTORY/APP/ID/           ID.partial while it is written
 *     databases/...             as in the snapshot
 *     files.tar.zst             pax archive: NAME/path of each Data= value, configuration/N-BASENAME; with
 *                               owners, ACLs, extended attributes, holes and hard links
 *     snapshot.json             of the snapshot, and under "off_host" the checksums of these files
 *
 * `tar --zstd --acls --xattrs --xattrs-include='*' -xpf files.tar.zst` gives the files back on any machine.
 */

#include <stdbool.h>
#include <stdint.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/snapshot/store.h"
#include "watchdog/snapshot/tree.h"

/* Could something be written there, and is it a second place? @directory is absolute and must be there (an
 * unmounted disk is not made up as a directory); on the file system of @state, the state directory, it is an
 * unmounted disk's empty mount point, or no second place at all: -EXDEV. Makes nothing. @ret_available (may
 * be NULL): bytes. -ENOENT, -ENOTDIR, -EROFS, -EACCES. */
int offhost_look(const char *directory, const char *state, uint64_t *ret_available, struct error *err);

/* Copies @snapshot, syncs, reads every byte back and compares it with what was read here (checksums, and each
 * file in the archive with its manifest), then gives it its name. One that is there already is checked and
 * kept. @ret_bytes: written. */
int offhost_copy(const struct snapshot *snapshot, const char *directory, const struct tree_run *run,
                 uint64_t *ret_bytes, struct error *err);

/* Reads a copy back and compares it with its own checksums. -EBADMSG names the file. */
int offhost_verify(const char *directory, const char *app, const char *id, const struct tree_run *run,
                   struct error *err);

/* Keeps the newest @keep copies, and drops what dead runs left. */
int offhost_retain(const char *directory, const char *app, unsigned keep, struct error *err);
