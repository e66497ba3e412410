#pragma once

/* The structure of hard links, compared after everything else. */

#include "watchdog/snapshot/difference.h"

/* Marks as TREE_CHANGED what shares an inode that it must not share, or does not share one that it must:
 * @differences still holds every name, also those without a difference. */
void difference_links(const struct manifest *manifest, struct differences *differences);
