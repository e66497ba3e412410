#pragma once

/*
 * Statements over libpq, each with a deadline: nothing here waits without an end. libpq's own warnings are
 * kept with the connection and never printed.
 */

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"

void cleanup_connection(PGconn **connection);
#define _cleanup_connection_ __attribute__((cleanup(cleanup_connection)))
void cleanup_result(PGresult **result);
#define _cleanup_result_ __attribute__((cleanup(cleanup_result)))

/* Text parameters $1, $2 … of a statement; a NULL among them is SQL's NULL. */
#define SQL_NONE NULL, 0
#define SQL_VALUES(...)                                                                                      \
    (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *)

/* Runs one statement. @ret (may be NULL) gets its result. At the deadline it is cancelled on the server, and
 * the connection is good only for PQfinish(). Returns 0, -ETIME, -ECONNRESET (the session is lost; whether
 * the statement took effect has to be read), or by the server's SQLSTATE: -EPERM (no privilege), -ENOENT (no
 * such database or object), -EEXIST, -EBUSY (in use or locked), -ENOSPC, -ENOTSUP, else -EPROTO; the text is
 * the server's message with its detail and hint. */
int server_query(PGconn *connection, usec_t deadline, PGresult **ret, struct error *err, const char *sql,
                 const char *const *values, size_t count);

/* The same, and says the server's SQLSTATE where it answered with an error; "" where it did not or succeeded.
 */
int server_query_state(PGconn *connection, usec_t deadline, PGresult **ret, char ret_sqlstate[6],
                       struct error *err, const char *sql, const char *const *values, size_t count);

/* The same for a statement put together here, without a result. Names and texts in it must have been quoted
 * with sql_identifier() and sql_literal(). */
int server_execute(PGconn *connection, usec_t deadline, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* BEGIN and its end: COMMIT where @r is 0 or more, else ROLLBACK, leaving *err as it is. A COMMIT that the
 * server answers with ROLLBACK is an error. Returns @r or the error of the COMMIT. */
int server_begin(PGconn *connection, usec_t deadline, struct error *err);
int server_end(PGconn *connection, usec_t deadline, int r, struct error *err);

/* Messages below an error (warnings) that the server sent on this connection, the last 4 KiB, "" when none.
 */
const char *server_notices(PGconn *connection);

/* Quoted for the text of a statement. Owned by the caller. */
char *sql_identifier(PGconn *connection, const char *name);
char *sql_literal(PGconn *connection, const char *text);

/* A value of a result: NULL where it is SQL's NULL; as a number (0 for NULL); as a truth. */
const char *sql_text(const PGresult *result, int row, int column);
int64_t sql_integer(const PGresult *result, int row, int column);
bool sql_boolean(const PGresult *result, int row, int column);
