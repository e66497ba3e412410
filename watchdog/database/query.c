/* Statements. See query.h. */

#include "watchdog/database/query.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* For the cancellation of what has passed its deadline, and for the server's answer to that. */
#define CANCEL_TIME (1500 * USEC_PER_MSEC)

void cleanup_connection(PGconn **connection) {
    PQfinish(*connection);
}

void cleanup_result(PGresult **result) {
    PQclear(*result);
}

/* PQcancel() waits without an end for a server that is stopped, so a child does it, which can be killed
 * (libpq documents it as safe in a signal handler, and so after fork()). */
static void cancel(PGconn *connection) {
    PGcancel *request = PQgetCancel(connection);
    if (!request)
        return;
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        char reason[256];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            PQcancel(request, reason, sizeof(reason));
        _exit(0);
    }
    if (child > 0) {
        _cleanup_close_ int ended = pidfd_open(child, 0);
        struct pollfd wait = { .fd = ended, .events = POLLIN };
        if (ended < 0 || poll(&wait, 1, (int)(CANCEL_TIME / USEC_PER_MSEC)) != 1)
            kill(child, SIGKILL);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    PQfreeCancel(request);
}

/* The statement's first two words: what it is, and nothing that could be a secret. */
static char *statement_words(const char *sql) {
    size_t size = 0;
    for (int words = 0; words < 2 && sql[size]; words++) {
        size += strspn(sql + size, " ");
        size += strcspn(sql + size, " (");
    }
    return xstrndup(sql, size);
}

static int connection_lost(PGconn *connection, const char *sql, struct error *err) {
    _cleanup_free_ char *words = statement_words(sql);
    const char *message = PQerrorMessage(connection);
    return error_set(err, ECONNRESET, "the connection to the database server was lost during \"%s\": %.*s",
                     words, (int)strcspn(message, "\n"), message);
}

/* Waits for the socket. Returns 1, or 0 at the deadline. */
static int wait_for(PGconn *connection, short events, usec_t deadline) {
    struct pollfd socket = { .fd = PQsocket(connection), .events = events };
    while (poll(&socket, 1, deadline_poll(deadline)) <= 0)
        if (deadline_left(deadline) == 0)
            return 0;
    return 1;
}

/* Sends what libpq holds back. Returns 1, 0 at the deadline, -1 when the connection is lost. */
static int flush(PGconn *connection, usec_t deadline) {
    int left;
    while ((left = PQflush(connection)) == 1) {
        if (!wait_for(connection, POLLIN | POLLOUT, deadline))
            return 0;
        if (!PQconsumeInput(connection))
            return -1;
    }
    return left == 0 ? 1 : -1;
}

/* All results of the statement, the first error among them, else the last. Returns as flush(). */
static int collect(PGconn *connection, usec_t deadline, PGresult **ret) {
    _cleanup_result_ PGresult *kept = NULL;
    for (;;) {
        while (PQisBusy(connection)) {
            if (!wait_for(connection, POLLIN, deadline))
                return 0;
            if (!PQconsumeInput(connection))
                return -1;
        }
        PGresult *result = PQgetResult(connection);
        if (!result)
            break;
        if (kept && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
            PQclear(result);
        } else {
            PQclear(kept);
            kept = result;
        }
    }
    *ret = take_ptr(kept);
    return 1;
}

static int sqlstate_number(const char *sqlstate) {
    static const struct {
        const char *prefix;
        int number;
    } states[] = {
        { "42501", EPERM },   { "3D000", ENOENT }, { "42P01", ENOENT }, { "42704", ENOENT },
        { "42P04", EEXIST },  { "42710", EEXIST }, { "55006", EBUSY },  { "55P03", EBUSY },
        { "53100", ENOSPC },  { "0A", ENOTSUP },   { "57014", ETIME },  { "57P", ECONNRESET },
        { "08", ECONNRESET }, { "40P01", EBUSY },
    };
    for (size_t i = 0; i < ELEMENTS(states); i++)
        if (string_starts_with(sqlstate, states[i].prefix))
            return states[i].number;
    return EPROTO;
}

static int result_error(const PGresult *result, struct error *err) {
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    if (!message) {
        const char *whole = PQresultErrorMessage(result);
        return error_set(err, sqlstate ? sqlstate_number(sqlstate) : ECONNRESET, "the database server: %.*s",
                         (int)strcspn(whole, "\n"), whole);
    }
    return error_set(err, sqlstate_number(sqlstate ? sqlstate : ""), "the database server: %s%s%s%s%s%s%s",
                     message, detail || hint ? " (" : "", detail ? detail : "", detail && hint ? " " : "",
                     hint ? hint : "", detail || hint ? ")" : "", "");
}

static int expired(PGconn *connection, const char *sql, struct error *err) {
    _cleanup_free_ char *words = statement_words(sql);
    _cleanup_result_ PGresult *ignored = NULL;
    cancel(connection);
    bool answered = collect(connection, deadline_in(CANCEL_TIME), &ignored) == 1;
    return error_set(err, ETIME, "\"%s\" took longer than its deadline and was cancelled%s", words,
                     answered ? "" : ", the database server does not answer to that either");
}

static int run_query(PGconn *connection, usec_t deadline, PGresult **ret, char ret_sqlstate[6],
                     struct error *err, const char *sql, const char *const *values, size_t count) {
    if (deadline_left(deadline) == 0) {
        _cleanup_free_ char *words = statement_words(sql);
        return error_set(err, ETIME, "no time is left for \"%s\"", words);
    }
    _cleanup_result_ PGresult *result = NULL;
    if (!PQsendQueryParams(connection, sql, (int)count, NULL, values, NULL, NULL, 0))
        return connection_lost(connection, sql, err);
    int r = flush(connection, deadline);
    if (r > 0)
        r = collect(connection, deadline, &result);
    if (r == 0)
        return expired(connection, sql, err);
    if (r < 0 || !result)
        return connection_lost(connection, sql, err);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        snprintf(ret_sqlstate, 6, "%s", sqlstate ? sqlstate : "");
        return result_error(result, err);
    }
    if (ret)
        *ret = take_ptr(result);
    return 0;
}

int server_query_state(PGconn *connection, usec_t deadline, PGresult **ret, char ret_sqlstate[6],
                       struct error *err, const char *sql, const char *const *values, size_t count) {
    ret_sqlstate[0] = '\0';
    return run_query(connection, deadline, ret, ret_sqlstate, err, sql, values, count);
}

int server_query(PGconn *connection, usec_t deadline, PGresult **ret, struct error *err, const char *sql,
                 const char *const *values, size_t count) {
    char sqlstate[6];
    return run_query(connection, deadline, ret, sqlstate, err, sql, values, count);
}

int server_execute(PGconn *connection, usec_t deadline, struct error *err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *sql = xvasprintf(format, arguments);
    va_end(arguments);
    return server_query(connection, deadline, NULL, err, sql, SQL_NONE);
}

int server_begin(PGconn *connection, usec_t deadline, struct error *err) {
    return server_query(connection, deadline, NULL, err, "BEGIN", SQL_NONE);
}

int server_end(PGconn *connection, usec_t deadline, int r, struct error *err) {
    if (r < 0) {
        /* best effort: a session that ends rolls back too */
        usec_t soon = deadline_in(CANCEL_TIME);
        server_query(connection, soon, NULL, NULL, "ROLLBACK", SQL_NONE);
        return r;
    }
    _cleanup_result_ PGresult *result = NULL;
    int ended = server_query(connection, deadline, &result, err, "COMMIT", SQL_NONE);
    if (ended < 0)
        return ended;
    if (!string_equal(PQcmdStatus(result), "COMMIT"))
        return error_set(err, EPROTO,
                         "the database server rolled a transaction back instead of committing "
                         "it");
    return r;
}

char *sql_identifier(PGconn *connection, const char *name) {
    char *quoted = PQescapeIdentifier(connection, name, strlen(name));
    /* only for text that is no valid UTF-8: quoted as bytes, the server then says what is wrong with it */
    struct buffer plain = { 0 };
    if (quoted) {
        buffer_append(&plain, quoted, strlen(quoted));
        PQfreemem(quoted);
        return buffer_take(&plain);
    }
    buffer_append(&plain, "\"", 1);
    for (const char *at = name; *at; at++)
        buffer_append(&plain, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
    buffer_append(&plain, "\"", 1);
    return buffer_take(&plain);
}

char *sql_literal(PGconn *connection, const char *text) {
    char *quoted = PQescapeLiteral(connection, text, strlen(text));
    struct buffer plain = { 0 };
    if (quoted) {
        buffer_append(&plain, quoted, strlen(quoted));
        PQfreemem(quoted);
        return buffer_take(&plain);
    }
    buffer_append(&plain, "E'", 2);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (isalnum(*at))
            buffer_append(&plain, at, 1);
        else
            buffer_printf(&plain, "\\%03o", *at);
    buffer_append(&plain, "'", 1);
    return buffer_take(&plain);
}

const char *sql_text(const PGresult *result, int row, int column) {
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

int64_t sql_integer(const PGresult *result, int row, int column) {
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

bool sql_boolean(const PGresult *result, int row, int column) {
    return PQgetvalue(result, row, column)[0] == 't';
}
