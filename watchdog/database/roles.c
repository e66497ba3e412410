/* Roles read and compared. See roles.h. */

#include "watchdog/database/roles.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/roles-difference.h"

/* pg_authid has the hashes and is for superusers, pg_roles is for all. */
static const char query[] =
    "SELECT json_build_object('passwords', %1$s, 'roles', coalesce((SELECT json_object_agg(a.rolname,"
    " json_build_object('oid', a.oid::bigint, 'superuser', a.rolsuper, 'inherit', a.rolinherit, "
    "'createrole', a.rolcreaterole,"
    "  'createdb', a.rolcreatedb, 'login', a.rolcanlogin, 'replication', a.rolreplication,"
    "  'bypassrls', a.rolbypassrls, 'connection limit', a.rolconnlimit,"
    "  'valid until', CASE WHEN isfinite(a.rolvaliduntil)"
    "   THEN to_char(a.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"
    "   ELSE a.rolvaliduntil::text END,"
    "  'password', CASE WHEN %1$s THEN a.rolpassword END,"
    "  'comment', shobj_description(a.oid, 'pg_authid'),"
    "  'settings', coalesce((SELECT to_json(s.setconfig) FROM pg_db_role_setting s"
    "   WHERE s.setrole = a.oid AND s.setdatabase = 0), '[]')) ORDER BY a.rolname)"
    " FROM %2$s a WHERE a.rolname !~ '^pg_'), '{}'),"
    " 'members', coalesce((SELECT json_agg(json_build_object('role', r.rolname, 'member', m.rolname,"
    "  'grantor', coalesce(g.rolname, ''), 'admin', a.admin_option,"
    "  'inherit', coalesce((to_jsonb(a)->>'inherit_option')::bool, true),"
    "  'set', coalesce((to_jsonb(a)->>'set_option')::bool, true)) ORDER BY r.rolname, m.rolname, g.rolname)"
    " FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member"
    " LEFT JOIN pg_roles g ON g.oid = a.grantor WHERE m.rolname !~ '^pg_'), '[]'))";

static char *query_text(bool superuser) {
    struct buffer sql = { 0 };
    for (const char *at = query; *at;) {
        if (string_starts_with(at, "%1$s"))
            buffer_printf(&sql, "%s", superuser ? "true" : "false");
        else if (string_starts_with(at, "%2$s"))
            buffer_printf(&sql, "%s", superuser ? "pg_authid" : "pg_roles");
        else {
            buffer_append(&sql, at++, 1);
            continue;
        }
        at += 4;
    }
    return buffer_take(&sql);
}

int roles_read(PGconn *connection, usec_t deadline, json_t **ret, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *sql = query_text(string_equal(PQparameterStatus(connection, "is_superuser"), "on"));
    int r = server_query(connection, deadline, &result, err, sql, SQL_NONE);
    if (r < 0)
        return error_prefix(err, "cannot read the roles");
    const char *text = sql_text(result, 0, 0);
    return json_parse(text, strlen(text), "the list of roles", ret, err);
}

static int compare_words(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *role_changes(const json_t *before, const json_t *after, bool passwords) {
    _cleanup_strings_ char **changed = NULL;
    const char *key;
    json_t *value;
    json_object_foreach(
        (json_t *)(uintptr_t)before, key,
        value) if (!string_equal(key, "oid") && (passwords || !string_equal(key, "password")) &&
                   !json_equal(value, json_object_get(after, key))) strings_append(&changed, key);
    if (changed)
        qsort(changed, strings_count(changed), sizeof(*changed), compare_words);
    return strings_join(changed, ", ");
}

const char *role_by_oid(const json_t *roles, const json_t *role) {
    const char *name;
    json_t *value;
    json_object_foreach(
        (json_t *)(uintptr_t)roles, name,
        value) if (json_equal(json_object_get(value, "oid"), json_object_get(role, "oid"))) return name;
    return NULL;
}

const json_t *membership_find(const json_t *members, const json_t *wanted) {
    size_t i;
    json_t *member;
    json_array_foreach(
        members, i,
        member) if (json_equal(json_object_get(member, "role"), json_object_get(wanted, "role")) &&
                    json_equal(json_object_get(member, "member"), json_object_get(wanted, "member")) &&
                    json_equal(json_object_get(member, "grantor"),
                               json_object_get(wanted, "grantor"))) return member;
    return NULL;
}

void tell(json_t *list, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *sentence = xvasprintf(format, arguments);
    va_end(arguments);
    if (json_array_append_new(list, json_text_string(sentence)) < 0)
        abort();
}

bool roles_have_passwords(const json_t *before, const json_t *after) {
    return json_get_boolean(before, "passwords", 0) && json_get_boolean(after, "passwords", 0);
}

/* Memberships of @these that @those do not have. */
static void compare_members(const json_t *these, const json_t *those, const char *words, json_t *list) {
    size_t i;
    json_t *member;
    json_array_foreach(json_get_array(these, "members"), i,
                       member) if (!membership_find(json_get_array(those, "members"), member))
        tell(list, "role \"%s\": %s \"%s\"", json_get_string(member, "member", ""), words,
             json_get_string(member, "role", ""));
}

json_t *roles_difference(const json_t *before, const json_t *after) {
    json_t *list = json_array(), *was = json_get_object(before, "roles"),
           *is = json_get_object(after, "roles"), *role;
    const char *name;
    json_object_foreach(was, name, role) {
        const json_t *now = json_object_get(is, name);
        _cleanup_free_ char *changes =
            now ? role_changes(role, now, roles_have_passwords(before, after)) : NULL;
        const char *renamed = now ? NULL : role_by_oid(is, role);
        if (renamed)
            tell(list, "role \"%s\": renamed to \"%s\"", name, renamed);
        else if (!now)
            tell(list, "role \"%s\": dropped", name);
        else if (*changes)
            tell(list, "role \"%s\": %s changed", name, changes);
    }
    json_object_foreach(is, name, role) if (!json_object_get(was, name)) tell(list, "role \"%s\": new", name);
    compare_members(before, after, "no more a member of", list);
    compare_members(after, before, "now a member of", list);
    size_t i;
    json_t *member;
    json_array_foreach(json_get_array(before, "members"), i, member) {
        const json_t *other = membership_find(json_get_array(after, "members"), member);
        if (other && !json_equal(other, member))
            tell(list, "role \"%s\": its membership in \"%s\" changed", json_get_string(member, "member", ""),
                 json_get_string(member, "role", ""));
    }
    return list;
}
