#pragma once

/* What a transaction leaves in the spool for those who are to be told (watchdog/notify/spool.h). */

#include "watchdog/transaction/state.h"

/* Its beginning, for Ping=. */
int telling_start(const struct state *state, const struct record *record, struct error *err);
/* Its end, or that it could not be ended: as record->outcome says. Nothing for a snapshot. */
int telling_end(const struct state *state, const struct record *record, struct error *err);
