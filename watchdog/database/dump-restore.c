/* Restoring a dump beside the database. See dump.h. */

#include "watchdog/database/dump.h"

#include <errno.h>
#include <inttypes.h>

#include "watchdog/base/json.h"
#include "watchdog/database/dress.h"
#include "watchdog/database/dump-stream.h"
#include "watchdog/database/fence.h"
#include "watchdog/database/statistics.h"

#define CLEAN_UP_TIME (30 * USEC_PER_SEC)
#define ANALYZE_TIME (2 * USEC_PER_MINUTE)

static void clause(PGconn *connection, struct buffer *sql, const char *keyword, const char *text) {
    if (!text)
        return;
    _cleanup_free_ char *literal = sql_literal(connection, text);
    buffer_printf(sql, " %s %s", keyword, literal);
}

/* Only superusers pass a limit of 0; others share one of two with pg_restore and our own count. */
static char *create_statement(PGconn *connection, const struct database *recorded, const char *into) {
    _cleanup_free_ char *name = sql_identifier(connection, into),
                        *owner = sql_identifier(connection, recorded->owner),
                        *tablespace = sql_identifier(connection, recorded->tablespace);
    /* who names the default, which is template0's, needs a right on it that only superusers have */
    bool elsewhere = !string_equal(recorded->tablespace, "pg_default");
    bool superuser = string_equal(PQparameterStatus(connection, "is_superuser"), "on");
    struct buffer sql = { 0 };
    buffer_printf(&sql, "CREATE DATABASE %s TEMPLATE template0 OWNER %s CONNECTION LIMIT %d", name, owner,
                  superuser ? 0 : 2);
    if (elsewhere)
        buffer_printf(&sql, " TABLESPACE %s", tablespace);
    clause(connection, &sql, "ENCODING", recorded->encoding);
    clause(connection, &sql, "LC_COLLATE", recorded->collate);
    clause(connection, &sql, "LC_CTYPE", recorded->ctype);
    if (PQserverVersion(connection) >= 150000) {
        buffer_printf(&sql, " LOCALE_PROVIDER %s",
                      string_equal(recorded->provider, "icu")       ? "icu"
                      : string_equal(recorded->provider, "builtin") ? "builtin"
                                                                    : "libc");
        clause(connection, &sql, string_equal(recorded->provider, "icu") ? "ICU_LOCALE" : "BUILTIN_LOCALE",
               recorded->locale);
        clause(connection, &sql, "ICU_RULES", recorded->icu_rules);
    }
    return buffer_take(&sql);
}

/* Drops what an attempt has left. */
static int drop_into(PGconn *connection, const char *into, usec_t deadline, struct error *err) {
    uint32_t oid;
    int r = database_oid(connection, into, deadline, &oid, err);
    if (r == -ENOENT)
        return 0;
    const struct database_identity identity = { oid, into };
    if (r >= 0)
        r = fence_set(connection, &identity, 1, true, deadline, err);
    if (r >= 0)
        r = sessions_end(connection, &oid, 1, deadline, err);
    return r < 0 ? r : database_drop(connection, oid, into, deadline, err);
}

/* The first table that has another number of rows than it had, or is not there, or was not. */
static int compare_tables(json_t *expected, json_t *found, struct error *err) {
    const char *table;
    json_t *rows;
    json_object_foreach(expected, table, rows) {
        json_int_t count = json_get_integer(found, table, -1);
        if (count < 0)
            return error_set(err, EBADMSG, "the table %s is missing after the restore", table);
        if (count != json_integer_value(rows))
            return error_set(err, EBADMSG,
                             "the table %s has %" JSON_INTEGER_FORMAT
                             " rows after the restore, it had %" JSON_INTEGER_FORMAT,
                             table, count, json_integer_value(rows));
    }
    json_object_foreach(found, table, rows) if (!json_object_get(expected, table)) return error_set(
        err, EBADMSG, "the table %s was not in the dump", table);
    return 0;
}

static int check_rows(struct server *server, const struct dump *expected, const char *into, usec_t deadline,
                      struct error *err) {
    _cleanup_connection_ PGconn *connection = NULL;
    _cleanup_json_ json_t *found = NULL;
    int r = server_connect(server, into, deadline, &connection, err);
    if (r >= 0)
        r = tables_count(connection, deadline, &found, err);
    if (r >= 0)
        r = compare_tables(expected->tables, found, err);
    if (r < 0)
        return r;
    /* without statistics the first queries can take for ever; but they are no part of the data */
    usec_t left = deadline_left(deadline) / 4;
    server_query(connection, deadline_in(left < ANALYZE_TIME ? left : ANALYZE_TIME), NULL, NULL, "ANALYZE",
                 SQL_NONE);
    return 0;
}

static int dress(PGconn *connection, const struct database *recorded, const char *into, const char *mark,
                 usec_t deadline, struct error *err) {
    _cleanup_free_ char *name = sql_identifier(connection, into);
    int r = server_begin(connection, deadline, err);
    if (r < 0)
        return r;
    r = server_execute(connection, deadline, err, "ALTER DATABASE %s CONNECTION LIMIT %d", name,
                       recorded->connection_limit);
    if (r >= 0)
        r = database_dress(connection, into, recorded, deadline, err);
    if (r >= 0)
        r = database_comment(connection, into, mark, deadline, err);
    return server_end(connection, deadline, r, err);
}

static int verify(PGconn *connection, const struct database *recorded, const char *into, const char *mark,
                  usec_t deadline, struct fingerprint *ret, struct error *err) {
    _cleanup_database_ struct database found = { 0 };
    int r = database_by_name(connection, into, deadline, &found, err);
    if (r < 0)
        return r;
    struct database expected = *recorded; /* borrowed, all of it */
    expected.comment = (char *)(uintptr_t)mark;
    expected.is_template = false;
    expected.collation_version = found.collation_version; /* its indexes were built by today's */
    _cleanup_free_ char *difference = database_difference(&expected, &found);
    if (*difference)
        return error_set(err, EPROTO, "it does not have the same %s", difference);
    return fingerprint_read(connection, found.oid, deadline, ret, err);
}

static int restore(struct programs *programs, struct server *server, PGconn *connection, const char *path,
                   const struct dump *expected, const struct database *recorded, const char *into,
                   const char *mark, const struct dump_progress *progress, usec_t deadline,
                   struct fingerprint *ret, struct error *err) {
    static char *const arguments[] = { "--exit-on-error", "--no-password", NULL };
    _cleanup_free_ char *create = create_statement(connection, recorded, into);
    struct database_identity identity = { 0, into };
    int r = server_query(connection, deadline, NULL, err, create, SQL_NONE);
    if (r >= 0)
        r = database_oid(connection, into, deadline, &identity.oid, err);
    if (r >= 0)
        r = dump_feed(programs, server, path, expected, arguments, into, progress, deadline, err);
    if (r >= 0)
        r = check_rows(server, expected, into, deadline, err);
    if (r >= 0)
        r = fence_set(connection, &identity, 1, true, deadline, err);
    if (r >= 0)
        r = sessions_end(connection, &identity.oid, 1, deadline, err);
    if (r >= 0)
        r = dress(connection, recorded, into, mark, deadline, err);
    return r < 0 ? r : verify(connection, recorded, into, mark, deadline, ret, err);
}

int dump_restore(struct programs *programs, struct server *server, PGconn *connection, const char *path,
                 const struct dump *expected, const struct database *recorded, const char *into,
                 const char *mark, const struct dump_progress *progress, usec_t deadline,
                 struct fingerprint *ret, struct error *err) {
    int r = programs_find(programs, server, deadline, err);
    if (r >= 0)
        r = drop_into(connection, into, deadline, err);
    if (r < 0)
        return error_prefix(err, "cannot restore the dump \"%s\"", path);
    r = restore(programs, server, connection, path, expected, recorded, into, mark, progress, deadline, ret,
                err);
    if (r >= 0)
        return 0;
    /* best effort, on a session of its own: ours may be what failed */
    _cleanup_connection_ PGconn *other = NULL;
    usec_t soon = deadline_in(CLEAN_UP_TIME);
    if (server_connect(server, NULL, soon, &other, NULL) >= 0)
        drop_into(other, into, soon, NULL);
    return error_prefix(err, "cannot restore the dump \"%s\" to the database \"%s\"", path, into);
}
