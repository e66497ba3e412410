/* The fence. See fence.h. */

#include "watchdog/database/fence.h"

#include <errno.h>
#include <inttypes.h>

#include "watchdog/database/prepared.h"

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

char *oid_array(const uint32_t *oids, size_t count) {
    struct buffer text = { 0 };
    buffer_append(&text, "{", 1);
    for (size_t i = 0; i < count; i++)
        buffer_printf(&text, "%s%" PRIu32, i ? "," : "", oids[i]);
    buffer_append(&text, "}", 1);
    return buffer_take(&text);
}

/* Who is there (pid, words) and is to end. */
struct sessions {
    const char *query, *parameter;
    /* Whether only those count that the first look has found. Behind a fence nobody can come in after them,
     * but those who try show up for a moment, and they may be endlessly many. */
    bool first_only;
    char **first;
    char *last;           /* words of the last one that was there */
    struct error refused; /* why one could not be ended */
};

static void sessions_done(struct sessions *sessions) {
    strings_free(sessions->first);
    free(sessions->last);
    error_done(&sessions->refused);
}
#define _cleanup_sessions_ __attribute__((cleanup(sessions_done)))

/* One look: asks each that counts to end. Returns how many there were. */
static int sessions_ask(PGconn *connection, struct sessions *sessions, bool is_first, usec_t deadline,
                        struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    int count = 0, r = server_query(connection, deadline, &result, err, sessions->query,
                                    SQL_VALUES(sessions->parameter));
    for (int i = 0; r >= 0 && i < PQntuples(result); i++) {
        const char *pid = sql_text(result, i, 0);
        if (is_first)
            strings_append(&sessions->first, pid);
        if (sessions->first_only && !strings_contain(sessions->first, pid))
            continue;
        count++;
        replace_string(sessions->last, xstrdup(sql_text(result, i, 1)));
        /* one that we may not end may end by itself; the deadline tells */
        if (server_query(connection, deadline, NULL, &sessions->refused,
                         "SELECT pg_terminate_backend($1::int)", SQL_VALUES(pid)) == -ECONNRESET)
            r = error_move(err, &sessions->refused);
    }
    return r < 0 ? r : count;
}

/* Until nobody is there, or, where others can come, nobody twice. Returns how many there were at most. */
static int sessions_end_all(PGconn *connection, struct sessions *sessions, usec_t deadline,
                            struct error *err) {
    int most = 0;
    unsigned wanted = sessions->first_only ? 1 : 2;
    bool is_first = true;
    for (unsigned empty = 0; empty < wanted;) {
        if (deadline_left(deadline) == 0)
            return error_set(err, ETIME, "%s did not end in time%s%s",
                             sessions->last ? sessions->last : "a session",
                             sessions->refused.number ? ": " : "",
                             sessions->refused.number ? error_text(&sessions->refused) : "");
        int found = sessions_ask(connection, sessions, is_first, deadline, err);
        if (found < 0)
            return found;
        is_first = false;
        most = found > most ? found : most;
        empty = found == 0 ? empty + 1 : 0;
        if (empty < wanted)
            deadline_sleep(deadline, POLL_INTERVAL);
    }
    return most;
}

/* For a person. */
#define SESSION_WORDS                                                                                        \
    "format('the session of %s%s%s (process %s)', coalesce(a.usename, a.backend_type, 'the server'),"        \
    " ' from ' || host(a.client_addr), ' with ' || nullif(a.application_name, ''), a.pid)"

static int no_prepared(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline,
                       struct error *err) {
    struct prepared *list = NULL;
    size_t found = 0;
    int r = prepared_find(connection, oids, count, deadline, &list, &found, err);
    if (r >= 0 && found > 0)
        r = error_set(err, EBUSY,
                      "the prepared transaction \"%s\" holds the database \"%s\": COMMIT PREPARED or "
                      "ROLLBACK PREPARED is needed",
                      list[0].gid, list[0].database);
    prepared_free(list, found);
    return r;
}

int sessions_end(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline, struct error *err) {
    /* Who is on the way in may have passed the fence before it stood, but is no session yet: it holds a lock
     * on the database from before it looks (PostgreSQL, InitPostgres()). The server's own workers
     * (autovacuum) can be ended by superusers alone; CREATE DATABASE and RENAME end them themselves. */
    static const char query[] =
        "SELECT a.pid, " SESSION_WORDS " FROM pg_stat_activity a"
        " WHERE a.datid = ANY ($1::oid[]) AND a.pid <> pg_backend_pid()"
        " AND (a.usesysid IS NOT NULL OR current_setting('is_superuser') = 'on')"
        " UNION SELECT l.pid, format('process %s, which is connecting,', l.pid) FROM pg_locks l"
        " WHERE l.locktype = 'object' AND l.database = 0 AND l.classid = 'pg_database'::regclass"
        " AND l.objid = ANY ($1::oid[]) AND l.pid IS NOT NULL AND l.pid <> pg_backend_pid()"
        " AND NOT EXISTS (SELECT FROM pg_stat_activity s WHERE s.pid = l.pid)";
    _cleanup_free_ char *list = oid_array(oids, count);
    _cleanup_sessions_ struct sessions sessions = { .query = query, .parameter = list, .first_only = true };
    int r = no_prepared(connection, oids, count, deadline, err);
    if (r >= 0)
        r = sessions_end_all(connection, &sessions, deadline, err);
    return r < 0 ? error_prefix(err, "cannot empty the databases of sessions") : 0;
}

int sessions_end_ours(PGconn *connection, const char *prefix, usec_t deadline, struct error *err) {
    static const char query[] =
        "SELECT a.pid, " SESSION_WORDS " FROM pg_stat_activity a"
        " WHERE left(a.application_name, length($1)) = $1 AND a.pid <> pg_backend_pid()";
    _cleanup_sessions_ struct sessions sessions = { .query = query, .parameter = prefix };
    int r = sessions_end_all(connection, &sessions, deadline, err);
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
