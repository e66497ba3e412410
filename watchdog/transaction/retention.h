#pragma once

/* How long things stay: snapshots, image archives and our tags, kept clones, quarantined databases and files.
 */

#include "watchdog/transaction/context.h"

/* Drops what is over by Keep=, KeepClone= and Quarantine=. Never what an open record or the newest verified
 * snapshot needs. Repeatable. */
int retention_run(struct context *context, struct error *err);
