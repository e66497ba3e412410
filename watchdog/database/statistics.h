#pragma once

/*
 * How much was written to which table: the server's own counters, with exact counts where a table is small
 * enough to be counted. Taken before the switch and before a rollback, the difference is what the rollback
 * loses. The counters also count rolled back transactions, and a crash of the server sets them to zero; exact
 * counts put that right where there are some.
 */

#include <stdint.h>

#include <jansson.h>

#include "watchdog/database/server.h"

/* What counting may cost where users wait for it, and the bytes up to which a table is counted exactly. */
#define STATISTICS_TIME (5 * USEC_PER_SEC)
#define STATISTICS_COUNT_LIMIT ((uint64_t)64 * 1024 * 1024)

/* Reads them for the database of @connection; tables up to @count_limit bytes are counted too. Sessions
 * report what they did at their end at the latest, so read them after the application was stopped, before the
 * fence.
 * @ret: {"public.test_runs": {"added", "changed", "deleted", "rows" (missing where not counted)}}. */
int statistics_read(PGconn *connection, uint64_t count_limit, usec_t deadline, json_t **ret,
                    struct error *err);

/* What changed in between: [{"table", "added", "changed", "deleted"}] by table, only tables where one of them
 * is not 0. New reference. */
json_t *statistics_difference(const json_t *before, const json_t *after);

/* Exact number of rows by "schema.table" of every table that a dump carries, as seen by the transaction that
 * is open (else each table at its own moment). */
int tables_count(PGconn *connection, usec_t deadline, json_t **ret, struct error *err);
