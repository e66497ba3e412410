#pragma once

/* The files of a snapshot as one pax archive, compressed with zstd, and its proof. */

#include <stdint.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/error.h"
#include "watchdog/snapshot/store.h"
#include "watchdog/snapshot/work.h"

struct tar_file {
    uint64_t size; /* on disk */
    char sha256[DIGEST_TEXT_SIZE];
};

/* Writes all trees and configuration files of @snapshot to @path, which must not exist, metadata from the
 * manifests, and syncs it. -EBADMSG when a copy in the snapshot is not what its manifest says. */
int tar_write(const struct snapshot *snapshot, const char *path, struct work *work, struct tar_file *ret,
              struct error *err);

/* Reads the archive at @path through and compares every entry with the manifests of @snapshot: names, types,
 * owners, modes, times, contents. -EBADMSG names the first that differs. */
int tar_check(const struct snapshot *snapshot, const char *path, struct work *work, struct error *err);
