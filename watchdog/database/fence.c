/* The fence. See fence.h. */

#include "watchdog/database/fence.h"

#include <errno.h>
#include <inttypes.h>

#define POLL_INTERVAL (50 * USEC_PER_MSEC)

/* Whether the OID has the name, and what its fence is. */
static int read_one(PGconn *connection, const struct database_identity *database, usec_t deadline,
                    bool *ret_standing, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *oid = xasprintf("%" PRIu32, database->oid);
    int r = server_query(connection, deadline, &result, err,
                         "SELECT datname, NOT datallowconn FROM pg_database WHERE oid = $1::oid",
                         SQL_VALUES(oid));
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_set(err, ENOENT, "there is no database with the OID %s, which \"%s\" had", oid,
                         database->name);
    if (!string_equal(sql_text(result, 0, 0), database->name))
        return error_set(err, EEXIST, "the database with the OID %s is called \"%s\", expected \"%s\"", oid,
                         sql_text(result, 0, 0), database->name);
    *ret_standing = sql_boolean(result, 0, 1);
    return 0;
}

int fence_set(PGconn *connection, const struct database_identity *databases, size_t count, bool standing,
              usec_t deadline, struct error *err) {
    int r = server_begin(connection, deadline, err);
    if (r < 0)
        return r;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        bool stands = !standing;
        _cleanup_free_ char *name = sql_identifier(connection, databases[i].name);
        if ((r = read_one(connection, &databases[i], deadline, &stands, err)) >= 0 && stands != standing)
            r = server_execute(connection, deadline, err, "ALTER DATABASE %s ALLOW_CONNECTIONS %s", name,
                               standing ? "false" : "true");
    }
    /* what was meant, by OID, before it is committed: a rename in between would have changed another one */
    for (size_t i = 0; r >= 0 && i < count; i++) {
        bool stands = !standing;
        r = read_one(connection, &databases[i], deadline, &stands, err);
        if (r >= 0 && stands != standing)
            r = error_set(err, EEXIST, "the database \"%s\" was changed meanwhile", databases[i].name);
    }
    r = server_end(connection, deadline, r, err);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        bool stands = !standing;
        r = read_one(connection, &databases[i], deadline, &stands, err);
        if (r >= 0 && stands != standing)
            r = error_set(err, EPROTO, "the database \"%s\" does not have the fence as it was set",
                          databases[i].name);
    }
    return r < 0 ? error_prefix(err, standing ? "cannot fence the databases" : "cannot lift the fence") : 0;
}

int fence_read(PGconn *connection, uint32_t oid, usec_t deadline, bool *ret_standing, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *text = xasprintf("%" PRIu32, oid);
    int r = server_query(connection, deadline, &result, err,
                         "SELECT NOT datallowconn FROM pg_database WHERE oid = $1::oid", SQL_VALUES(text));
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_set(err, ENOENT, "there is no database with the OID %s", text);
    *ret_standing = sql_boolean(result, 0, 0);
    return 0;
}

/* The OIDs as an array literal. */
static char *oid_array(const uint32_t *oids, size_t count) {
    struct buffer text = { 0 };
    buffer_append(&text, "{", 1);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&text, "%s%" PRIu32, i ? "," : "", oids[i]);
    buffer_append(&text, "}", 1);
    return buffer_take(&text);
}

/* Ends whoever @query finds (pid, words) until it finds nobody twice. Returns how many were ended. */
static int end_all(PGconn *connection, const char *query, const char *parameter, usec_t deadline,
                   struct error *err) {
    _cleanup_error_ struct error refused = ERROR_NONE;
    _cleanup_free_ char *last = NULL;
    int most = 0;
    for (unsigned empty = 0; empty < 2;) {
        _cleanup_result_ PGresult *result = NULL;
        if (deadline_left(deadline) == 0)
            return error_set(err, ETIME, "%s did not end in time%s%s", last ? last : "a session",
                             refused.number ? ": " : "", refused.number ? error_text(&refused) : "");
        int r = server_query(connection, deadline, &result, err, query, SQL_VALUES(parameter));
        if (r < 0)
            return r;
        int found = PQntuples(result);
        empty = found == 0 ? empty + 1 : 0;
        most = found > most ? found : most;
        for (int i = 0; i < found; i++) {
            replace_string(last, xstrdup(sql_text(result, i, 1)));
            const char *pid = sql_text(result, i, 0);
            /* one that we may not end may end by itself; the deadline tells */
            r = server_query(connection, deadline, NULL, &refused, "SELECT pg_terminate_backend($1::int)",
                             SQL_VALUES(pid));
            if (r == -ECONNRESET)
                return error_move(err, &refused);
        }
        if (found > 0)
            deadline_sleep(deadline, POLL_INTERVAL);
    }
    return most;
}

/* For a person. */
#define SESSION_WORDS                                                                                        \
    "format('the session of %s%s%s (process %s)', coalesce(a.usename, a.backend_type, 'the server'),"        \
    " ' from ' || host(a.client_addr), ' with ' || nullif(a.application_name, ''), a.pid)"

static int no_prepared(PGconn *connection, const char *oids, usec_t deadline, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    int r = server_query(connection, deadline, &result, err,
                         "SELECT p.gid, p.database FROM pg_prepared_xacts p JOIN pg_database d"
                         " ON d.datname = p.database WHERE d.oid = ANY ($1::oid[]) ORDER BY p.prepared",
                         SQL_VALUES(oids));
    if (r < 0)
        return r;
    if (PQntuples(result) > 0)
        return error_set(err, EBUSY,
                         "the prepared transaction \"%s\" holds the database \"%s\": COMMIT PREPARED or "
                         "ROLLBACK PREPARED is needed",
                         sql_text(result, 0, 0), sql_text(result, 0, 1));
    return 0;
}

int sessions_end(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline, struct error *err) {
    /* Who is on the way in has looked at the fence already, but is no session yet: it holds a lock on the
     * database from before that look (PostgreSQL, InitPostgres()). */
    static const char query[] =
        "SELECT a.pid, " SESSION_WORDS " FROM pg_stat_activity a"
        " WHERE a.datid = ANY ($1::oid[]) AND a.pid <> pg_backend_pid()"
        " UNION SELECT l.pid, format('process %s, which is connecting,', l.pid) FROM pg_locks l"
        " WHERE l.locktype = 'object' AND l.database = 0 AND l.classid = 'pg_database'::regclass"
        " AND l.objid = ANY ($1::oid[]) AND l.pid IS NOT NULL AND l.pid <> pg_backend_pid()"
        " AND NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.pid = l.pid)";
    _cleanup_free_ char *list = oid_array(oids, count);
    int r = no_prepared(connection, list, deadline, err);
    if (r >= 0)
        r = end_all(connection, query, list, deadline, err);
    return r < 0 ? error_prefix(err, "cannot empty the databases of sessions") : 0;
}

int sessions_end_ours(PGconn *connection, const char *prefix, usec_t deadline, struct error *err) {
    static const char query[] =
        "SELECT a.pid, " SESSION_WORDS " FROM pg_stat_activity a"
        " WHERE left(a.application_name, length($1)) = $1 AND a.pid <> pg_backend_pid()";
    int r = end_all(connection, query, prefix, deadline, err);
    return r < 0 ? error_prefix(err, "cannot end sessions of an earlier run") : r;
}

int sessions_list(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline, char ***ret,
                  struct error *err) {
    static const char query[] =
        "SELECT " SESSION_WORDS " FROM pg_stat_activity a WHERE a.datid = ANY ($1::oid[])"
        " AND a.pid <> pg_backend_pid() AND a.backend_type <> 'autovacuum worker'"
        " AND left(a.application_name, 16) <> 'upgrade-watchdog' ORDER BY a.backend_start";
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *list = oid_array(oids, count);
    int r = server_query(connection, deadline, &result, err, query, SQL_VALUES(list));
    if (r < 0)
        return error_prefix(err, "cannot list the sessions");
    char **found = NULL;
    for (int i = 0; i < PQntuples(result); i++)
        strings_append(&found, sql_text(result, i, 0));
    *ret = found;
    return 0;
}
