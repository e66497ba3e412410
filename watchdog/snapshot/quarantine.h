#pragma once

/* Moving aside what a restore displaces. */

#include "watchdog/base/error.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/difference.h"
#include "watchdog/snapshot/manifest.h"
#include "watchdog/snapshot/work.h"

/* Makes @directory, which must not hold anything yet (-EEXIST), and writes displaced.jsonl: every difference
 * with the metadata of what is live now. Durable when it returns. */
int quarantine_begin(const char *directory, const struct differences *differences, struct error *err);

/* Moves every live name of the differences that is added or changed to @directory/content/, an added
 * directory as a whole. On another file system it is copied and synced before anything is removed.
 * @ret_displaced: how many. Durable when it returns. */
int quarantine_move(const char *directory, struct beneath *live, struct manifest *now,
                    const struct differences *differences, struct work *work, size_t *ret_displaced,
                    struct error *err);
