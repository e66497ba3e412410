/* Roles put back. See roles.h. */

#include "watchdog/database/roles.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/dress.h"
#include "watchdog/database/roles-difference.h"

static const struct {
    const char *key, *yes, *no;
} attributes[] = {
    { "superuser", "SUPERUSER", "NOSUPERUSER" },
    { "inherit", "INHERIT", "NOINHERIT" },
    { "createrole", "CREATEROLE", "NOCREATEROLE" },
    { "createdb", "CREATEDB", "NOCREATEDB" },
    { "login", "LOGIN", "NOLOGIN" },
    { "replication", "REPLICATION", "NOREPLICATION" },
    { "bypassrls", "BYPASSRLS", "NOBYPASSRLS" },
};

/* The attributes that differ from @now (NULL: all), as options of ALTER ROLE. Owned by the caller. */
static char *role_options(PGconn *connection, const json_t *role, const json_t *now, bool passwords) {
    struct buffer sql = { 0 };
    for (size_t i = 0; i < ELEMENTS(attributes); i++) {
        const json_t *value = json_object_get(role, attributes[i].key);
        if (!now || !json_equal(value, json_object_get(now, attributes[i].key)))
            buffer_printf(&sql, " %s", json_is_true(value) ? attributes[i].yes : attributes[i].no);
    }
    const json_t *limit = json_object_get(role, "connection limit"),
                 *until = json_object_get(role, "valid until"), *password = json_object_get(role, "password");
    if (!now || !json_equal(limit, json_object_get(now, "connection limit")))
        buffer_printf(&sql, " CONNECTION LIMIT %" JSON_INTEGER_FORMAT, json_integer_value(limit));
    if (now ? !json_equal(until, json_object_get(now, "valid until")) : json_is_string(until)) {
        _cleanup_free_ char *literal =
            sql_literal(connection, json_is_string(until) ? json_string_value(until) : "infinity");
        buffer_printf(&sql, " VALID UNTIL %s", literal);
    }
    if (passwords && (!now || !json_equal(password, json_object_get(now, "password")))) {
        /* the server takes a hash for what it is */
        _cleanup_free_ char *literal =
            json_is_string(password) ? sql_literal(connection, json_string_value(password)) : xstrdup("NULL");
        buffer_printf(&sql, " PASSWORD %s", literal);
    }
    return buffer_take(&sql);
}

static int restore_settings(PGconn *connection, const char *quoted, const json_t *role, usec_t deadline,
                            struct error *err) {
    size_t i;
    json_t *line;
    int r = server_execute(connection, deadline, err, "ALTER ROLE %s RESET ALL", quoted);
    json_array_foreach(json_get_array(role, "settings"), i, line) {
        const char *text = json_is_string(line) ? json_string_value(line) : "", *equals = strchr(text, '=');
        if (r < 0 || !equals)
            break;
        _cleanup_free_ char *name = xstrndup(text, (size_t)(equals - text));
        _cleanup_free_ char *identifier = sql_identifier(connection, name);
        _cleanup_free_ char *value = setting_value_sql(connection, name, equals + 1);
        r = server_execute(connection, deadline, err, "ALTER ROLE %s SET %s TO %s", quoted, identifier,
                           value);
    }
    return r;
}

/* One role that was there before; @now NULL: it is not any more. Returns 1 when something was done. */
static int restore_role(PGconn *connection, const char *name, const json_t *role, const json_t *now,
                        bool passwords, usec_t deadline, struct error *err) {
    _cleanup_free_ char *changes = now ? role_changes(role, now, passwords) : NULL;
    if (now && !*changes)
        return 0;
    _cleanup_free_ char *quoted = sql_identifier(connection, name);
    _cleanup_free_ char *options = role_options(connection, role, now, passwords);
    int r = now ? 0 : server_execute(connection, deadline, err, "CREATE ROLE %s", quoted);
    if (r >= 0 && *options)
        r = server_execute(connection, deadline, err, "ALTER ROLE %s%s", quoted, options);
    if (r >= 0 && !json_equal(json_object_get(role, "settings"), json_object_get(now, "settings")) &&
        (now || json_array_size(json_get_array(role, "settings")) > 0))
        r = restore_settings(connection, quoted, role, deadline, err);
    if (r >= 0 && !json_equal(json_object_get(role, "comment"), json_object_get(now, "comment"))) {
        const char *comment = json_get_string(role, "comment", NULL);
        _cleanup_free_ char *literal = comment ? sql_literal(connection, comment) : xstrdup("NULL");
        r = server_execute(connection, deadline, err, "COMMENT ON ROLE %s IS %s", quoted, literal);
    }
    return r < 0 ? error_prefix(err, "cannot put back the role \"%s\"", name) : 1;
}

static int grant_membership(PGconn *connection, const json_t *member, usec_t deadline, struct error *err) {
    const char *grantor = json_get_string(member, "grantor", "");
    _cleanup_free_ char *role = sql_identifier(connection, json_get_string(member, "role", "")),
                        *to = sql_identifier(connection, json_get_string(member, "member", "")),
                        *by = sql_identifier(connection, grantor);
    bool admin = json_get_boolean(member, "admin", 0), inherit = json_get_boolean(member, "inherit", 1),
         set = json_get_boolean(member, "set", 1);
    struct buffer sql = { 0 };
    buffer_printf(&sql, "GRANT %s TO %s", role, to);
    if (PQserverVersion(connection) >= 160000)
        buffer_printf(&sql, " WITH ADMIN %s, INHERIT %s, SET %s", admin ? "true" : "false",
                      inherit ? "true" : "false", set ? "true" : "false");
    else if (admin)
        buffer_printf(&sql, " WITH ADMIN OPTION");
    if (*grantor)
        buffer_printf(&sql, " GRANTED BY %s", by);
    _cleanup_free_ char *text = buffer_take(&sql);
    return server_query(connection, deadline, NULL, err, text, SQL_NONE);
}

static int revoke_membership(PGconn *connection, const json_t *member, usec_t deadline, struct error *err) {
    const char *grantor = json_get_string(member, "grantor", "");
    _cleanup_free_ char *role = sql_identifier(connection, json_get_string(member, "role", "")),
                        *from = sql_identifier(connection, json_get_string(member, "member", "")),
                        *by = sql_identifier(connection, grantor);
    return server_execute(connection, deadline, err, "REVOKE %s FROM %s%s%s CASCADE", role, from,
                          *grantor ? " GRANTED BY " : "", *grantor ? by : "");
}

/* Both roles of it were there before: a membership between others is none of our affair. */
static bool is_old(const json_t *was, const json_t *member) {
    const char *role = json_get_string(member, "role", "");
    return json_object_get(was, json_get_string(member, "member", "")) &&
           (json_object_get(was, role) || string_starts_with(role, "pg_"));
}

static int restore_members(PGconn *connection, const json_t *before, const json_t *after, usec_t deadline,
                           struct error *err) {
    json_t *was = json_get_array(before, "members"), *is = json_get_array(after, "members"), *member;
    const json_t *roles = json_get_object(before, "roles");
    size_t i;
    int r = 0, done = 0;
    json_array_foreach(is, i, member) {
        const json_t *old = membership_find(was, member);
        if (r < 0 || !is_old(roles, member) || (old && json_equal(old, member)))
            continue;
        r = revoke_membership(connection, member, deadline, err);
        done = 1;
    }
    json_array_foreach(was, i, member) {
        const json_t *now = membership_find(is, member);
        if (r < 0 || (now && json_equal(now, member)))
            continue;
        r = grant_membership(connection, member, deadline, err);
        done = 1;
    }
    return r < 0 ? error_prefix(err, "cannot put back the memberships of roles") : done;
}

/* A role that only has another name is the same one: what the databases hold refers to its OID. */
static int rename_back(PGconn *connection, const json_t *before, const json_t *after, usec_t deadline,
                       struct error *err) {
    const json_t *is = json_get_object(after, "roles");
    const char *name;
    json_t *role;
    int r = 0, done = 0;
    json_object_foreach(json_get_object(before, "roles"), name, role) {
        const char *now = json_object_get(is, name) ? NULL : role_by_oid(is, role);
        if (r < 0 || !now)
            continue;
        _cleanup_free_ char *from = sql_identifier(connection, now), *to = sql_identifier(connection, name);
        r = server_execute(connection, deadline, err, "ALTER ROLE %s RENAME TO %s", from, to);
        done = 1;
    }
    return r < 0 ? error_prefix(err, "cannot put back a role's name") : done;
}

/* Hashes are in our statements: the server's log shall not have them. */
static int keep_out_of_log(PGconn *connection, usec_t deadline, struct error *err) {
    static const char *const settings[] = { "SET LOCAL log_statement = 'none'",
                                            "SET LOCAL log_min_duration_statement = -1",
                                            "SET LOCAL log_min_error_statement = 'panic'" };
    int r = 0;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(settings); i++)
        r = server_query(connection, deadline, NULL, err, settings[i], SQL_NONE);
    return r;
}

static int restore(PGconn *connection, const json_t *before, usec_t deadline, json_t **ret_told,
                   struct error *err) {
    _cleanup_json_ json_t *first = NULL, *after = NULL;
    int r = roles_read(connection, deadline, &first, err), done = 0;
    if (r >= 0)
        r = done = rename_back(connection, before, first, deadline, err);
    if (r >= 0)
        r = roles_read(connection, deadline, &after, err);
    if (r < 0)
        return r;
    bool passwords = roles_have_passwords(before, after);
    if (passwords && (r = keep_out_of_log(connection, deadline, err)) < 0)
        return r;
    const char *name;
    json_t *role;
    json_object_foreach(json_get_object(before, "roles"), name, role) {
        const json_t *now = json_object_get(json_get_object(after, "roles"), name);
        r = restore_role(connection, name, role, now, passwords, deadline, err);
        if (r < 0)
            return r;
        done |= r;
    }
    r = restore_members(connection, before, after, deadline, err);
    if (r < 0)
        return r;
    if (ret_told)
        *ret_told = roles_difference(before, first);
    return done | r;
}

int roles_restore(PGconn *connection, const json_t *before, usec_t deadline, json_t **ret_told,
                  struct error *err) {
    if (!json_get_object(before, "roles") || !json_get_array(before, "members"))
        return error_set(err, EBADMSG, "the recorded roles are not valid, expected roles and members");
    _cleanup_json_ json_t *told = NULL;
    int r = server_begin(connection, deadline, err);
    if (r < 0)
        return r;
    r = restore(connection, before, deadline, &told, err);
    r = server_end(connection, deadline, r, err);
    if (r < 0)
        return r;
    if (ret_told)
        *ret_told = take_ptr(told);
    return r;
}
