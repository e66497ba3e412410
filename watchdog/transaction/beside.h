#pragma once

/* What the candidate makes on the database server beside the application's databases: remembered at the
 * switch, told at a rollback. Losing it loses sentences of the report, nothing else. */

#include "watchdog/transaction/context.h"

/* Into the transaction's directory; sessions to the maintenance database and the application's. */
void beside_remember(struct context *context);
/* Notes what is there now and was not then, before the databases are shut. Not for a rollback by hand, which
 * has no such file. */
void beside_tell(struct context *context);
