/* Getting into a server. See connection.h. */

#include "watchdog/database/connection.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/database/notices.h"

/* Given at the start of the session, they win over what ALTER ROLE and ALTER DATABASE say. */
static const char session_options[] = "-c search_path=pg_catalog "
                                      "-c synchronous_commit=on "
                                      "-c row_security=off "
                                      "-c statement_timeout=0 "
                                      "-c lock_timeout=60s "
                                      "-c idle_in_transaction_session_timeout=0 "
                                      "-c default_transaction_read_only=off "
                                      "-c default_transaction_deferrable=off "
                                      "-c client_min_messages=warning "
                                      "-c standard_conforming_strings=on "
                                      "-c DateStyle=ISO";

/* A server that does not know one of these would refuse the session, were they given above. */
static const char newer_options[] =
    "SELECT set_config(name, '0', false) FROM pg_settings"
    " WHERE name IN ('idle_session_timeout', 'transaction_timeout') AND setting <> '0'";

/* The last "SEVERITY:  SQLSTATE: " in the message; severities are translated, so only its form is looked at.
 */
static const char *find_sqlstate(const char *message) {
    const char *found = NULL;
    for (const char *at = strstr(message, ":  "); at; at = strstr(at + 1, ":  ")) {
        const char *code = at + 3;
        size_t size = 0;
        while (size < 5 && (isdigit((unsigned char)code[size]) || isupper((unsigned char)code[size])))
            size++;
        if (size == 5 && code[5] == ':' && code[6] == ' ')
            found = code;
    }
    return found;
}

void connection_failure(const char *message, char ret_sqlstate[6], char **ret_words) {
    const char *words = find_sqlstate(message);
    ret_sqlstate[0] = '\0';
    if (words) {
        memcpy(ret_sqlstate, words, 5);
        ret_sqlstate[5] = '\0';
        words += 7;
    } else {
        const char *failed = NULL;
        for (const char *at = strstr(message, " failed: "); at; at = strstr(at + 1, " failed: "))
            failed = at + 9;
        words = failed ? failed : message;
    }
    *ret_words = xstrndup(words, strcspn(words, "\n"));
}

static int refusal_of(const char *sqlstate, bool needs_password, enum connection_refusal *ret) {
    static const struct {
        const char *prefix;
        enum connection_refusal refusal;
        int number;
    } states[] = {
        { "28", REFUSAL_AUTHENTICATION, EACCES }, /* invalid authorization, invalid password */
        { "3D000", REFUSAL_FINAL, ENOENT },       /* no such database */
        { "55000", REFUSAL_FINAL, EPERM },        /* not accepting connections: fenced */
        { "42501", REFUSAL_FINAL, EPERM },        /* no CONNECT privilege */
        { "53300", REFUSAL_FINAL, EUSERS },       /* too many clients */
        { "57P", REFUSAL_FINAL, EAGAIN },         /* starts up, shuts down, recovers */
    };
    for (size_t i = 0; i < ELEMENTS(states); i++)
        if (string_starts_with(sqlstate, states[i].prefix)) {
            *ret = states[i].refusal;
            return states[i].number;
        }
    if (*sqlstate) {
        *ret = REFUSAL_FINAL;
        return EPROTO;
    }
    *ret = needs_password ? REFUSAL_AUTHENTICATION : REFUSAL_UNREACHABLE;
    return needs_password ? EACCES : ECONNREFUSED;
}

/* The server never sends a password back; should a library ever, it does not get further than here. */
static int connection_refused(PGconn *connection, const struct connection_target *target,
                              enum connection_refusal *ret_refusal, struct error *err) {
    char sqlstate[6];
    _cleanup_free_ char *words = NULL;
    connection_failure(PQerrorMessage(connection), sqlstate, &words);
    int number = refusal_of(sqlstate, PQconnectionNeedsPassword(connection), ret_refusal);
    bool secret = target->password && *target->password && !strstr(target->user, target->password) &&
                  !strstr(target->database, target->password) && strstr(words, target->password);
    return error_set(err, number, "%s", secret ? "the answer is withheld, it repeats the password" : words);
}

#define PARAMETERS_LIMIT 64

struct parameters {
    const char *keywords[PARAMETERS_LIMIT + 1], *values[PARAMETERS_LIMIT + 1];
    size_t count;
};

static void add(struct parameters *parameters, const char *keyword, const char *value) {
    if (parameters->count == PARAMETERS_LIMIT)
        abort();
    parameters->keywords[parameters->count] = keyword;
    parameters->values[parameters->count++] = value;
}

static PGconn *begin(const struct connection_target *target) {
    struct parameters all = { 0 };
    bool numeric = !target->parameters && target->host[0] != '/';
    add(&all, numeric ? "hostaddr" : "host", target->host);
    add(&all, "port", target->port);
    add(&all, "user", target->user);
    add(&all, "password", target->password);
    add(&all, "passfile",
        "/dev/null/none"); /* ~/.pgpass is not asked; /dev/null brings a warning on stderr */
    add(&all, "dbname", target->database);
    add(&all, "application_name", target->application_name);
    add(&all, "client_encoding", "UTF8");
    add(&all, "options", target->options ? target->options : session_options);
    add(&all, "gssencmode", "disable");
    add(&all, "tcp_user_timeout", "30000");
    add(&all, "keepalives_idle", "10");
    for (char *const *at = target->parameters; at && *at; at += 2)
        add(&all, at[0], at[1]);
    /* expand_dbname 0: a database called "host=elsewhere" is a name */
    PGconn *connection = PQconnectStartParams(all.keywords, all.values, 0);
    if (!connection)
        abort();
    return connection;
}

int connection_open(const struct connection_target *target, usec_t deadline, PGconn **ret,
                    enum connection_refusal *ret_refusal, struct error *err) {
    _cleanup_connection_ PGconn *connection = begin(target);
    PQsetErrorVerbosity(connection, PQERRORS_VERBOSE); /* the only way to its SQLSTATE */
    notices_attach(connection);
    PostgresPollingStatusType status =
        PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        struct pollfd socket = { .fd = PQsocket(connection),
                                 .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT };
        int ready = poll(&socket, 1, deadline_poll(deadline));
        if (ready == 0 && deadline_left(deadline) == 0) {
            *ret_refusal = REFUSAL_FINAL;
            return error_set(err, ETIME, "it did not answer in time (%s)",
                             target->parameters
                                 ? "is there a firewall on the way, or is the database being cloned?"
                                 : "connecting to a database waits while it is being cloned");
        }
        if (ready > 0)
            status = PQconnectPoll(connection);
    }
    if (status == PGRES_POLLING_FAILED)
        return connection_refused(connection, target, ret_refusal, err);
    PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
    int r = PQsetnonblocking(connection, 1) < 0
                ? error_set(err, EPROTO, "libpq refuses non-blocking mode")
                : server_query(connection, deadline, NULL, err, newer_options, SQL_NONE);
    if (r < 0) {
        *ret_refusal = REFUSAL_FINAL;
        return r;
    }
    *ret = take_ptr(connection);
    return 0;
}
