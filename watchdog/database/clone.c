/* Clones. See clone.h. */

#include "watchdog/database/clone.h"

#include <errno.h>
#include <inttypes.h>

#include "watchdog/database/dress.h"

#define SPEED_ASSUMED ((uint64_t)150 * 1000 * 1000) /* bytes/s, for the prediction only */
#define SPEED_SIZE_LEAST ((uint64_t)64 << 20)       /* what is smaller says nothing about speed */

/* A second is for the checkpoint and the catalogs. */
usec_t clone_predict(uint64_t size, uint64_t speed) {
    uint64_t per_second = speed ? speed : SPEED_ASSUMED;
    usec_t whole;
    if (__builtin_mul_overflow(size / per_second + 1, USEC_PER_SEC, &whole))
        return USEC_INFINITY;
    return whole + (usec_t)((double)(size % per_second) / (double)per_second * (double)USEC_PER_SEC);
}

uint64_t clone_speed(uint64_t size, usec_t took) {
    if (size < SPEED_SIZE_LEAST || took < USEC_PER_MSEC)
        return 0;
    return size / (took / USEC_PER_MSEC) * 1000;
}

static int drop_old(PGconn *connection, const char *name, usec_t deadline, struct error *err) {
    uint32_t oid;
    int r = database_oid(connection, name, deadline, &oid, err);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : database_drop(connection, oid, name, deadline, err);
}

static char *statement(PGconn *connection, const struct database *source, const char *name) {
    _cleanup_free_ char *template = sql_identifier(connection, source->name),
                        *clone = sql_identifier(connection, name),
                        *owner = sql_identifier(connection, source->owner);
    struct buffer sql = { 0 };
    buffer_printf(&sql, "CREATE DATABASE %s TEMPLATE %s OWNER %s ALLOW_CONNECTIONS false CONNECTION LIMIT %d",
                  clone, template, owner, source->connection_limit);
    if (PQserverVersion(connection) >= 150000) {
        /* the default copies through the WAL: three times as long, and archived */
        buffer_printf(&sql, " STRATEGY file_copy");
        if (source->collation_version) {
            /* without it an error on a host whose image has changed its C library since (FACTS) */
            _cleanup_free_ char *version = sql_literal(connection, source->collation_version);
            buffer_printf(&sql, " COLLATION_VERSION %s", version);
        }
    }
    return buffer_take(&sql);
}

/* Version 18 on: files that share their blocks, where the file system can; else it copies all the same. A
 * kernel or file system that can do neither makes the statement fail: then it is done again by plain copying.
 */
static int create_by(PGconn *connection, const char *sql, usec_t deadline, struct error *err) {
    _cleanup_error_ struct error failure = ERROR_NONE;
    bool sharing =
        PQserverVersion(connection) >= 180000 &&
        server_query(connection, deadline, NULL, NULL, "SET file_copy_method = clone", SQL_NONE) >= 0;
    int r = server_query(connection, deadline, NULL, &failure, sql, SQL_NONE);
    if (sharing && (r == -EPROTO || r == -ENOTSUP)) {
        error_done(&failure);
        r = server_query(connection, deadline, NULL, &failure, "SET file_copy_method = copy", SQL_NONE);
        if (r >= 0)
            r = server_query(connection, deadline, NULL, &failure, sql, SQL_NONE);
    }
    return r < 0 ? error_move(err, &failure) : 0;
}

/* The statement goes on in the server when we are dead: there it has an end of its own. */
static int create(PGconn *connection, const char *sql, usec_t deadline, struct error *err) {
    usec_t left = deadline_left(deadline);
    int r = server_execute(connection, deadline, err, "SET statement_timeout = %" PRIu64,
                           left / USEC_PER_MSEC < INT32_MAX / 2 ? left / USEC_PER_MSEC + 1000 : (uint64_t)0);
    if (r >= 0)
        r = create_by(connection, sql, deadline, err);
    if (r >= 0)
        r = server_query(connection, deadline, NULL, err, "SET statement_timeout = 0", SQL_NONE);
    return r;
}

static int check_source(PGconn *connection, const struct database *source, usec_t deadline,
                        struct error *err) {
    _cleanup_free_ char *name = NULL;
    int r = database_name(connection, source->oid, deadline, &name, err);
    if (r < 0)
        return r;
    if (!string_equal(name, source->name))
        return error_set(err, EEXIST, "its OID %" PRIu32 " now has the name \"%s\"", source->oid, name);
    if (source->connection_limit < -1)
        return error_set(err, EINVAL, "it is marked invalid: an interrupted DROP DATABASE has left it");
    return 0;
}

/* All that makes it recognisable comes in one transaction: before it the database has no mark. */
static int finish(PGconn *connection, const struct database *source, const char *name, const char *mark,
                  usec_t deadline, struct error *err) {
    int r = server_begin(connection, deadline, err);
    if (r < 0)
        return r;
    r = database_dress(connection, name, source, deadline, err);
    if (r >= 0)
        r = database_comment(connection, name, mark, deadline, err);
    return server_end(connection, deadline, r, err);
}

/* What was asked for, read back. */
static int verify(PGconn *connection, const struct database *source, const char *name, const char *mark,
                  usec_t deadline, struct fingerprint *ret, struct error *err) {
    _cleanup_database_ struct database clone = { 0 }, expected = *source;
    int r = database_by_name(connection, name, deadline, &clone, err);
    expected.comment = (char *)(uintptr_t)mark;
    expected.is_template = false;
    /* where none was recorded (by an image without versions of collations), the server records today's */
    if (!source->collation_version)
        expected.collation_version = clone.collation_version;
    _cleanup_free_ char *difference = r < 0 ? NULL : database_difference(&expected, &clone);
    expected = (struct database){ 0 }; /* borrowed, all of it */
    if (r < 0)
        return r;
    if (*difference)
        return error_set(err, EPROTO, "it does not have the same %s", difference);
    if (clone.allows_connections)
        return error_set(err, EPROTO, "it is not fenced");
    return fingerprint_read(connection, clone.oid, deadline, ret, err);
}

int clone_create(PGconn *connection, const struct database *source, const char *name, const char *mark,
                 usec_t deadline, struct fingerprint *ret, struct error *err) {
    int r = check_source(connection, source, deadline, err);
    if (r >= 0)
        r = drop_old(connection, name, deadline, err);
    if (r >= 0) {
        _cleanup_free_ char *sql = statement(connection, source, name);
        r = create(connection, sql, deadline, err);
    }
    if (r >= 0)
        r = finish(connection, source, name, mark, deadline, err);
    if (r >= 0)
        r = verify(connection, source, name, mark, deadline, ret, err);
    return r < 0 ? error_prefix(err, "cannot clone the database \"%s\" to \"%s\"", source->name, name) : 0;
}

int leftovers_find(PGconn *connection, usec_t deadline, struct leftover **ret, size_t *ret_count,
                   struct error *err) {
    static const char allowed[] =
        "SELECT has_function_privilege('pg_ls_dir(text)', 'EXECUTE')"
        " AND has_function_privilege('pg_ls_dir(text, boolean, boolean)', 'EXECUTE')"
        " AND has_function_privilege('pg_stat_file(text, boolean)', 'EXECUTE')";
    /* the directories first: a database that is dropped in between is then no leftover */
    static const char query[] =
        "WITH d AS MATERIALIZED (SELECT 'base/' || b.name AS path, b.name FROM pg_ls_dir('base') AS b(name)"
        " UNION ALL SELECT 'pg_tblspc/' || t.oid || '/' || v.name || '/' || b.name, b.name"
        " FROM pg_tablespace t, LATERAL pg_ls_dir('pg_tblspc/' || t.oid, true, false) AS v(name),"
        " LATERAL pg_ls_dir('pg_tblspc/' || t.oid || '/' || v.name, true, false) AS b(name)"
        " WHERE t.spcname NOT IN ('pg_default', 'pg_global'))"
        " SELECT d.path, (SELECT coalesce(sum((pg_stat_file(d.path || '/' || f.name, true)).size), 0)"
        " FROM pg_ls_dir(d.path, true, false) AS f(name)) FROM d"
        " WHERE d.name ~ '^[0-9]+$' AND d.name::bigint NOT IN (SELECT oid::bigint FROM pg_database)"
        " ORDER BY d.path";
    _cleanup_result_ PGresult *may = NULL, *result = NULL;
    int r = server_query(connection, deadline, &may, err, allowed, SQL_NONE);
    bool looked = r >= 0 && sql_boolean(may, 0, 0);
    if (looked)
        r = server_query(connection, deadline, &result, err, query, SQL_NONE);
    if (r < 0)
        return error_prefix(err, "cannot look for what a killed clone left");
    *ret_count = looked ? (size_t)PQntuples(result) : 0;
    *ret = xcalloc(*ret_count, sizeof(**ret));
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct leftover){ xstrdup(sql_text(result, (int)i, 0)),
                                       (uint64_t)sql_integer(result, (int)i, 1) };
    return 0;
}

void leftovers_free(struct leftover *leftovers, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(leftovers[i].path);
    free(leftovers);
}
