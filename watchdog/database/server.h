#pragma once

/*
 * The server of the application's database: how it is reached, and sessions in it, each with a deadline:
 * connecting to a database hangs while it is being cloned (the server holds a lock on it).
 */

#include "watchdog/config/settings.h"
#include "watchdog/database/query.h"

struct container;
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
 * is "postgres", or "template1" where the application's own is "postgres" or it lets us not in.
 *
 * With [Database] Url= @database is not looked at (NULL): that address, with the credential
 * "database-password" where there is one.
 *
 * A connection to the maintenance database is tried, so that what is wrong is said here; a server that starts
 * or recovers from a crash is waited for. Errors as of server_connect(). */
int server_open(const struct settings *settings, const struct container *database, const char *id,
                usec_t deadline, struct server **ret, struct error *err);
/* The same server for a probe's session: connects to nothing yet, is called @application_name, and its
 * sessions begin with @options (as libpq's "options") in place of those that server_connect() describes.
 * -EINVAL when the container does not run. */
int server_for_probe(const struct settings *settings, const struct container *database,
                     const char *application_name, const char *options, struct server **ret,
                     struct error *err);
void server_free(struct server *server);
void cleanup_server(struct server **server);
#define _cleanup_server_ __attribute__((cleanup(cleanup_server)))

const char *server_user(const struct server *server);
const char *server_maintenance(const struct server *server);
const char *server_application_name(const struct server *server);
/* Of the way that worked last; NULL where that was none or none was needed. A secret. */
const char *server_password(const struct server *server);
const char *server_port(const struct server *server);
const char *server_host(const struct server *server); /* as of struct server_way, or a name */
/* Of an external server: keyword and value in turn for libpq, NULL-ended. NULL: it is a container of the
 * project. */
char *const *server_parameters(const struct server *server);

/* Opens a session in @database (NULL: the maintenance database), in UTF-8, with search_path=pg_catalog,
 * synchronous_commit=on, row_security=off, no timeouts of its own but lock_timeout=60s. A refused way leads
 * to the next one; the error lists each with its reason. Returns 0, -EACCES (no way let us in), -ENOENT (no
 * such database), -EPERM (fenced, or no privilege to connect), -EAGAIN (the server starts, stops or
 * recovers), -EUSERS (it has no connection left), -ECONNREFUSED (nobody answers) or -ETIME. @ret is ended
 * with PQfinish(). */
int server_connect(struct server *server, const char *database, usec_t deadline, PGconn **ret,
                   struct error *err);
