/* What a clone is known by. See fingerprint.h. */

#include "watchdog/database/fingerprint.h"

#include <errno.h>
#include <inttypes.h>

#include "watchdog/base/json.h"

/* Autovacuum may make and grow other forks in a fenced database, and cut a main fork's end. */
#define SIZE_SLACK_LEAST ((uint64_t)16 << 20)

void fingerprint_done(struct fingerprint *fingerprint) {
    free(fingerprint->mark);
    *fingerprint = (struct fingerprint){ 0 };
}

json_t *fingerprint_to_json(const struct fingerprint *fingerprint) {
    json_t *object =
        json_pack("{s:I, s:s, s:I, s:I}", "oid", (json_int_t)fingerprint->oid, "mark", fingerprint->mark,
                  "size", (json_int_t)fingerprint->size, "files", (json_int_t)fingerprint->files);
    if (!object)
        abort();
    return object;
}

int fingerprint_from_json(const json_t *value, struct fingerprint *ret, struct error *err) {
    json_int_t oid = json_get_integer(value, "oid", 0), size = json_get_integer(value, "size", -1),
               files = json_get_integer(value, "files", -2);
    const char *mark = json_get_string(value, "mark", NULL);
    if (oid < 1 || oid > UINT32_MAX || size < 0 || files < -1 || !mark || !*mark)
        return error_set(err, EBADMSG,
                         "the fingerprint of a clone is not valid, expected an object with oid, "
                         "mark, size and files");
    *ret = (struct fingerprint){
        .oid = (uint32_t)oid, .mark = xstrdup(mark), .size = (uint64_t)size, .files = files
    };
    return 0;
}

/* The directories of the database in all tablespaces; looked at only where that is allowed. */
static int read_files(PGconn *connection, const char *oid, usec_t deadline, int64_t *ret, struct error *err) {
    static const char query[] =
        "SELECT count(*) FROM (SELECT 'base/' || $1 AS path UNION ALL"
        " SELECT 'pg_tblspc/' || t.oid || '/' || v.name || '/' || $1 FROM pg_tablespace t,"
        " LATERAL pg_ls_dir('pg_tblspc/' || t.oid, true, false) AS v(name)"
        " WHERE t.spcname NOT IN ('pg_default', 'pg_global')) d,"
        " LATERAL pg_ls_dir(d.path, true, false) AS f(name) WHERE f.name ~ '^[0-9]+([.][0-9]+)?$'";
    _cleanup_result_ PGresult *result = NULL;
    int r = server_query(connection, deadline, &result, err, query, SQL_VALUES(oid));
    if (r >= 0)
        *ret = sql_integer(result, 0, 0);
    return r;
}

int fingerprint_read(PGconn *connection, uint32_t oid, usec_t deadline, struct fingerprint *ret,
                     struct error *err) {
    static const char query[] = "SELECT coalesce(shobj_description(oid, 'pg_database'), ''),"
                                " pg_database_size(oid),"
                                " has_function_privilege('pg_ls_dir(text, boolean, boolean)', 'EXECUTE')"
                                " FROM pg_database WHERE oid = $1::oid";
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *text = xasprintf("%" PRIu32, oid);
    int64_t files = -1;
    int r = server_query(connection, deadline, &result, err, query, SQL_VALUES(text));
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_set(err, ENOENT, "there is no database with the OID %s", text);
    if (sql_boolean(result, 0, 2) && (r = read_files(connection, text, deadline, &files, err)) < 0)
        return r;
    *ret = (struct fingerprint){ .oid = oid,
                                 .mark = xstrdup(sql_text(result, 0, 0)),
                                 .size = (uint64_t)sql_integer(result, 0, 1),
                                 .files = files };
    return 0;
}

int fingerprint_check(PGconn *connection, const struct fingerprint *recorded, usec_t deadline,
                      struct error *err) {
    _cleanup_fingerprint_ struct fingerprint found = { 0 };
    int r = fingerprint_read(connection, recorded->oid, deadline, &found, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    if (!string_equal(found.mark, recorded->mark)) {
        error_set(err, ESTALE, "the clone (OID %" PRIu32 ") does not have the mark that it was made with",
                  recorded->oid);
        return 0;
    }
    if (found.files >= 0 && recorded->files >= 0 && found.files != recorded->files) {
        error_set(err, ESTALE, "the clone (OID %" PRIu32 ") has %" PRId64 " files, it had %" PRId64,
                  recorded->oid, found.files, recorded->files);
        return 0;
    }
    uint64_t slack = recorded->size / 10 > SIZE_SLACK_LEAST ? recorded->size / 10 : SIZE_SLACK_LEAST;
    uint64_t change = found.size > recorded->size ? found.size - recorded->size : recorded->size - found.size;
    if (change > slack) {
        error_set(err, ESTALE, "the clone (OID %" PRIu32 ") has %" PRIu64 " bytes, it had %" PRIu64,
                  recorded->oid, found.size, recorded->size);
        return 0;
    }
    return 1;
}
