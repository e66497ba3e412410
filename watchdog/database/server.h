#pragma once

/*
 * The server of the application's database: how it is reached, connections to it and statements on them, each
 * with a deadline. Nothing here waits without an end: connecting to a database hangs while it is being cloned
 * (the server holds a lock on it), and a statement may wait for a lock.
 */

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"

struct container;
struct engine;
struct server;

/* application_name of every session of ours is this and the transaction's ID. */
#define SERVER_APPLICATION "upgrade-watchdog/"

/* One way to a server. */
struct server_way {
    const char *name;     /* for errors: "the credential database-password" */
    const char *host;     /* numeric address, or a directory with the server's socket */
    const char *port;     /* "5432" */
    const char *password; /* NULL: none */
};

/* A server that is reached by the first of @ways that it lets us in by. Connects to nothing yet. @user is the
 * role, @id the transaction (NULL: none runs, "check" and the like), @maintenance a database that is never
 * one of the application's. Everything is copied. */
void server_new(const struct server_way *ways, size_t count, const char *user, const char *id,
                const char *maintenance, struct server **ret);

/* The server in @database, a running container of Compose service [Database] Service=, as role User=. Ways,
 * in this order: its first network address with the credential "database-password", with POSTGRES_PASSWORD of
 * its environment, with what POSTGRES_PASSWORD_FILE names inside it; then its socket in /var/run/postgresql
 * or /tmp, through /proc/PID/root. The port is PGPORT of its environment, or 5432. The maintenance database
 * is "postgres", or "template1" where the application's own is "postgres" or there is none.
 *
 * A connection to the maintenance database is tried, so that what is wrong is said here. Errors as of
 * server_connect(). */
int server_open(const struct settings *settings, struct engine *engine, const struct container *database,
                const char *id, usec_t deadline, struct server **ret, struct error *err);
void server_free(struct server *server);
void cleanup_server(struct server **server);
#define _cleanup_server_ __attribute__((cleanup(cleanup_server)))

const char *server_user(const struct server *server);
const char *server_maintenance(const struct server *server);
const char *server_application_name(const struct server *server);
/* Of the way that worked last; NULL where that was none or none was needed. A secret. */
const char *server_password(const struct server *server);
const char *server_port(const struct server *server);

/* Opens a session in @database (NULL: the maintenance database), in UTF-8, with search_path=pg_catalog,
 * synchronous_commit=on, row_security=off, no timeouts of its own but lock_timeout=60s. A refused way leads
 * to the next one; the error lists each with its reason. Returns 0, -EACCES (no way let us in), -ENOENT (no
 * such database), -EPERM (fenced, or no privilege to connect), -EAGAIN (the server starts, stops or is full),
 * -ECONNREFUSED (nobody answers) or -ETIME. @ret is ended with PQfinish(). */
int server_connect(struct server *server, const char *database, usec_t deadline, PGconn **ret,
                   struct error *err);
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
