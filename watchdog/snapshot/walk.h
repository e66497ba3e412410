#pragma once

/* Every name below a root, with its metadata, as a manifest without contents. */

#include <stdbool.h>

#include "watchdog/base/error.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/manifest.h"
#include "watchdog/snapshot/work.h"

enum walk_flags {
    WALK_TOLERANT = 1, /* what vanishes meanwhile is left out, else it is -ESTALE */
    WALK_SOCKETS = 2,  /* sockets are entries; else they are only listed as skipped */
};

/* Fills entries (sorted, with link and target, without digest and xattrs) and skipped. -EXDEV where another
 * file system is mounted in the tree, or a btrfs subvolume lies in it. */
int walk(struct beneath *root, unsigned flags, struct work *work, struct manifest *ret, struct error *err);

/* Sets `link` of all entries from their inodes: the first path of an inode has none. */
void walk_link(struct manifest *manifest);
