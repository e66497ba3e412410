/* Databases in the catalogs. See catalog.h. */

#include "watchdog/database/catalog.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "watchdog/base/json.h"

void database_done(struct database *database) {
    char **texts[] = { &database->name,       &database->owner,
                       &database->tablespace, &database->encoding,
                       &database->collate,    &database->ctype,
                       &database->provider,   &database->locale,
                       &database->icu_rules,  &database->collation_version,
                       &database->comment };
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        free(*texts[i]);
    for (size_t i = 0; i < database->grants_count; i++) {
        free(database->grants[i].grantee);
        free(database->grants[i].grantor);
        free(database->grants[i].privilege);
    }
    for (size_t i = 0; i < database->settings_count; i++) {
        free(database->settings[i].role);
        free(database->settings[i].name);
        free(database->settings[i].value);
    }
    free(database->grants);
    free(database->settings);
    *database = (struct database){ 0 };
}

void databases_free(struct database *databases, size_t count) {
    for (size_t i = 0; i < count; i++)
        database_done(&databases[i]);
    free(databases);
}

/* One row as JSON, in the very form of database_from_json(). A column that the server's version does not have
 * is null by way of to_jsonb(). */
static const char query[] =
    "SELECT json_build_object("
    " 'oid', d.oid::bigint, 'name', d.datname, 'owner', pg_get_userbyid(d.datdba),"
    " 'tablespace', (SELECT spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace),"
    " 'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype,"
    " 'provider', CASE j->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,"
    " 'locale', coalesce(j->>'datlocale', j->>'daticulocale'), 'icu_rules', j->>'daticurules',"
    " 'collation_version', j->>'datcollversion', 'comment', shobj_description(d.oid, 'pg_database'),"
    " 'acl', CASE WHEN d.datacl IS NOT NULL THEN coalesce((SELECT json_agg(json_build_object("
    "   'grantee', CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END,"
    "   'grantor', pg_get_userbyid(a.grantor), 'privilege', a.privilege_type, 'grantable', a.is_grantable)"
    "   ORDER BY a.position) FROM aclexplode(d.datacl) WITH ORDINALITY"
    "   AS a(grantor, grantee, privilege_type, is_grantable, position)), '[]') END,"
    " 'settings', coalesce((SELECT json_agg(json_build_object("
    "   'role', CASE s.setrole WHEN 0 THEN '' ELSE pg_get_userbyid(s.setrole) END,"
    "   'name', split_part(c.line, '=', 1), 'value', substr(c.line, strpos(c.line, '=') + 1))"
    "   ORDER BY s.setrole, c.position) FROM pg_db_role_setting s,"
    "   unnest(s.setconfig) WITH ORDINALITY AS c(line, position) WHERE s.setdatabase = d.oid), '[]'),"
    " 'connection_limit', d.datconnlimit, 'allows_connections', d.datallowconn,"
    " 'is_template', d.datistemplate,"
    " 'size', CASE WHEN has_database_privilege(d.oid, 'CONNECT')"
    "   OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(d.oid) ELSE 0 END)"
    " FROM pg_database d, LATERAL to_jsonb(d) AS j"
    " WHERE CASE WHEN $1::oid IS NOT NULL THEN d.oid = $1::oid"
    "  WHEN $2::text IS NOT NULL THEN d.datname::text = $2::text"
    "  ELSE d.datname NOT IN ('template0', 'template1') END"
    " ORDER BY d.datname";

static int look(PGconn *connection, const char *oid, const char *name, usec_t deadline, struct database **ret,
                size_t *ret_count, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    int r = server_query(connection, deadline, &result, err, query, SQL_VALUES(oid, name));
    size_t count = r < 0 ? 0 : (size_t)PQntuples(result), done = 0;
    struct database *databases = xcalloc(count, sizeof(*databases));
    for (; r >= 0 && done < count; done++) {
        _cleanup_json_ json_t *row = NULL;
        const char *text = PQgetvalue(result, (int)done, 0);
        r = json_parse(text, strlen(text), "a row of pg_database", &row, err);
        if (r >= 0)
            r = database_from_json(row, &databases[done], err);
    }
    if (r < 0) {
        databases_free(databases, done);
        return error_prefix(err, "cannot read the databases");
    }
    *ret = databases;
    *ret_count = count;
    return 0;
}

int databases_list(PGconn *connection, usec_t deadline, struct database **ret, size_t *ret_count,
                   struct error *err) {
    return look(connection, NULL, NULL, deadline, ret, ret_count, err);
}

static int look_one(PGconn *connection, const char *oid, const char *name, usec_t deadline,
                    struct database *ret, struct error *err) {
    struct database *found = NULL;
    size_t count = 0;
    int r = look(connection, oid, name, deadline, &found, &count, err);
    if (r < 0)
        return r;
    if (count == 1)
        *ret = found[0];
    free(found);
    if (count == 0)
        return name ? error_set(err, ENOENT, "there is no database \"%s\"", name)
                    : error_set(err, ENOENT, "there is no database with the OID %s", oid);
    return 0;
}

int database_by_name(PGconn *connection, const char *name, usec_t deadline, struct database *ret,
                     struct error *err) {
    return look_one(connection, NULL, name, deadline, ret, err);
}

int database_by_oid(PGconn *connection, uint32_t oid, usec_t deadline, struct database *ret,
                    struct error *err) {
    _cleanup_free_ char *text = xasprintf("%" PRIu32, oid);
    return look_one(connection, text, NULL, deadline, ret, err);
}

int database_name(PGconn *connection, uint32_t oid, usec_t deadline, char **ret, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *text = xasprintf("%" PRIu32, oid);
    int r = server_query(connection, deadline, &result, err,
                         "SELECT datname FROM pg_database WHERE oid = $1::oid", SQL_VALUES(text));
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_set(err, ENOENT, "there is no database with the OID %" PRIu32, oid);
    *ret = xstrdup(sql_text(result, 0, 0));
    return 0;
}

int database_oid(PGconn *connection, const char *name, usec_t deadline, uint32_t *ret, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    int r = server_query(connection, deadline, &result, err,
                         "SELECT oid FROM pg_database WHERE datname::text = $1", SQL_VALUES(name));
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return error_set(err, ENOENT, "there is no database \"%s\"", name);
    *ret = (uint32_t)sql_integer(result, 0, 0);
    return 0;
}

int database_drop(PGconn *connection, uint32_t oid, const char *name, usec_t deadline, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *text = xasprintf("%" PRIu32, oid), *quoted = sql_identifier(connection, name);
    int r = server_query(connection, deadline, &result, err,
                         "SELECT oid, datname, datistemplate FROM pg_database"
                         " WHERE oid = $1::oid OR datname::text = $2",
                         SQL_VALUES(text, name));
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return 0;
    if (PQntuples(result) > 1 || (uint32_t)sql_integer(result, 0, 0) != oid ||
        !string_equal(sql_text(result, 0, 1), name))
        return error_set(err, EEXIST,
                         "the database \"%s\" is not dropped: its OID is not %" PRIu32
                         ", or that one has another name",
                         name, oid);
    if (sql_boolean(result, 0, 2))
        r = server_execute(connection, deadline, err, "ALTER DATABASE %s IS_TEMPLATE false", quoted);
    if (r >= 0)
        r = server_execute(connection, deadline, err, "DROP DATABASE %s", quoted);
    return r < 0 ? error_prefix(err, "cannot drop the database \"%s\"", name) : 1;
}
