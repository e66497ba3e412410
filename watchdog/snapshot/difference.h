#pragma once

/* What stands between a manifest and live files: the list that a comparison shows and a restore works off. */

#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/error.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/manifest.h"
#include "watchdog/snapshot/tree.h"
#include "watchdog/snapshot/work.h"

struct difference {
    struct manifest_entry *wanted;  /* of the manifest; NULL: added */
    struct manifest_entry *live;    /* of the walk, xattrs read where they were needed; NULL: missing */
    enum tree_difference_kind kind; /* 0: none */
    char *what;
};

struct differences {
    struct difference *list; /* ordered by path; only those with a kind */
    size_t count;
};

/* Compares. @live is a walk with WALK_SOCKETS below @root (both have to outlive the result). Of an added
 * directory only itself is in the list. */
int differences_find(const struct manifest *manifest, struct manifest *live, struct beneath *root,
                     struct work *work, struct differences *ret, struct error *err);
void differences_done(struct differences *differences);

/* The entry that holds digest and xattrs: itself, or the first name of its inode. */
const struct manifest_entry *difference_first(const struct manifest *manifest,
                                              const struct manifest_entry *entry);

/* Whether @path lies in the directory @directory. */
bool path_is_inside(const char *path, const char *directory);
