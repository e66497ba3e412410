/* What a database cannot inherit: privileges, settings, comment. See catalog.h. */

#include "watchdog/database/dress.h"

#include <errno.h>
#include <string.h>

int database_comment(PGconn *connection, const char *name, const char *comment, usec_t deadline,
                     struct error *err) {
    _cleanup_free_ char *quoted = sql_identifier(connection, name);
    _cleanup_free_ char *text = comment ? sql_literal(connection, comment) : xstrdup("NULL");
    int r = server_execute(connection, deadline, err, "COMMENT ON DATABASE %s IS %s", quoted, text);
    return r < 0 ? error_prefix(err, "cannot set the comment of the database \"%s\"", name) : 0;
}

/* The word goes into a statement as it is, and it may come from a file. */
static int check_privilege(const struct database_grant *grant, struct error *err) {
    static const char *const known[] = { "CONNECT", "CREATE", "TEMPORARY" };
    for (size_t i = 0; i < ELEMENTS(known); i++)
        if (string_equal(known[i], grant->privilege))
            return 0;
    return error_set(err, EBADMSG, "\"%s\" is no privilege on a database", grant->privilege);
}

static int grant_one(PGconn *connection, const char *quoted, const char *owner,
                     const struct database_grant *grant, usec_t deadline, struct error *err) {
    _cleanup_free_ char *grantor = sql_identifier(connection, grant->grantor);
    _cleanup_free_ char *grantee =
        *grant->grantee ? sql_identifier(connection, grant->grantee) : xstrdup("PUBLIC");
    bool foreign = !string_equal(grant->grantor, owner);
    int r = check_privilege(grant, err);
    /* what a superuser grants counts as granted by the owner */
    if (r >= 0 && foreign)
        r = server_execute(connection, deadline, err, "SET LOCAL ROLE %s", grantor);
    if (r >= 0)
        r = server_execute(connection, deadline, err, "GRANT %s ON DATABASE %s TO %s%s", grant->privilege,
                           quoted, grantee, grant->grantable ? " WITH GRANT OPTION" : "");
    if (r >= 0 && foreign)
        r = server_execute(connection, deadline, err, "RESET ROLE");
    return r < 0 ? error_prefix(err, "cannot grant %s to \"%s\"", grant->privilege,
                                *grant->grantee ? grant->grantee : "PUBLIC")
                 : 0;
}

static int dress_privileges(PGconn *connection, const char *quoted, const struct database *recorded,
                            usec_t deadline, struct error *err) {
    if (!recorded->has_acl)
        return 0;
    _cleanup_free_ char *owner = sql_identifier(connection, recorded->owner);
    int r = server_execute(connection, deadline, err, "REVOKE ALL ON DATABASE %s FROM PUBLIC, %s CASCADE",
                           quoted, owner);
    /* the owner's first: those who grant on must have been given the right to */
    for (int foreign = 0; foreign < 2; foreign++)
        for (size_t i = 0; r >= 0 && i < recorded->grants_count; i++)
            if (string_equal(recorded->grants[i].grantor, recorded->owner) == !foreign)
                r = grant_one(connection, quoted, recorded->owner, &recorded->grants[i], deadline, err);
    return r;
}

static bool is_list_setting(const char *name) {
    /* PostgreSQL's GUC_LIST_QUOTE, as pg_dump has them (variable_is_guc_list_quote()): the catalog holds a
     * list of identifiers, each quoted where it must be */
    static const char *const lists[] = { "local_preload_libraries",   "search_path",
                                         "session_preload_libraries", "shared_preload_libraries",
                                         "temp_tablespaces",          "unix_socket_directories" };
    for (size_t i = 0; i < ELEMENTS(lists); i++)
        if (strcasecmp(lists[i], name) == 0)
            return true;
    return false;
}

/* One element of such a list; *at moves behind it and its comma. Returns its text, NULL when it is no list.
 */
static char *list_element(const char **at) {
    struct buffer element = { 0 };
    const char *p = *at + strspn(*at, " \t");
    if (*p == '"') {
        for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
            buffer_append(&element, p, 1);
            p += *p == '"';
        }
        if (*p != '"') {
            buffer_done(&element);
            return NULL;
        }
        p++;
    } else {
        size_t size = strcspn(p, ", \t");
        buffer_append(&element, p, size);
        p += size;
    }
    p += strspn(p, " \t");
    if (*p == ',')
        p++;
    else if (*p) {
        buffer_done(&element);
        return NULL;
    }
    *at = p;
    return buffer_take(&element);
}

char *setting_value_sql(PGconn *connection, const char *name, const char *value) {
    if (!is_list_setting(name))
        return sql_literal(connection, value);
    struct buffer sql = { 0 };
    for (const char *at = value; *at;) {
        _cleanup_free_ char *element = list_element(&at);
        if (!element) {
            buffer_done(&sql);
            return sql_literal(connection, value);
        }
        _cleanup_free_ char *literal = sql_literal(connection, element);
        buffer_printf(&sql, "%s%s", sql.size ? ", " : "", literal);
    }
    return sql.size ? buffer_take(&sql) : xstrdup("''");
}

static int dress_setting(PGconn *connection, const char *quoted, const struct database_setting *setting,
                         usec_t deadline, struct error *err) {
    _cleanup_free_ char *name = sql_identifier(connection, setting->name);
    _cleanup_free_ char *value = setting_value_sql(connection, setting->name, setting->value);
    _cleanup_free_ char *role = *setting->role ? sql_identifier(connection, setting->role) : NULL;
    int r = role ? server_execute(connection, deadline, err, "ALTER ROLE %s IN DATABASE %s SET %s TO %s",
                                  role, quoted, name, value)
                 : server_execute(connection, deadline, err, "ALTER DATABASE %s SET %s TO %s", quoted, name,
                                  value);
    return r < 0 ? error_prefix(err, "cannot set \"%s\"", setting->name) : 0;
}

int database_dress(PGconn *connection, const char *name, const struct database *recorded, usec_t deadline,
                   struct error *err) {
    _cleanup_free_ char *quoted = sql_identifier(connection, name);
    int r = dress_privileges(connection, quoted, recorded, deadline, err);
    for (size_t i = 0; r >= 0 && i < recorded->settings_count; i++)
        r = dress_setting(connection, quoted, &recorded->settings[i], deadline, err);
    return r < 0 ? error_prefix(err, "cannot make the database \"%s\" as \"%s\" was", name, recorded->name)
                 : 0;
}

static bool same_grants(const struct database *a, const struct database *b) {
    if (a->has_acl != b->has_acl || a->grants_count != b->grants_count)
        return false;
    for (size_t i = 0; i < a->grants_count; i++) {
        bool found = false;
        for (size_t k = 0; k < b->grants_count && !found; k++)
            found = string_equal(a->grants[i].grantee, b->grants[k].grantee) &&
                    string_equal(a->grants[i].grantor, b->grants[k].grantor) &&
                    string_equal(a->grants[i].privilege, b->grants[k].privilege) &&
                    a->grants[i].grantable == b->grants[k].grantable;
        if (!found)
            return false;
    }
    return true;
}

static bool same_settings(const struct database *a, const struct database *b) {
    if (a->settings_count != b->settings_count)
        return false;
    for (size_t i = 0; i < a->settings_count; i++) {
        bool found = false;
        for (size_t k = 0; k < b->settings_count && !found; k++)
            found = string_equal(a->settings[i].role, b->settings[k].role) &&
                    string_equal(a->settings[i].name, b->settings[k].name) &&
                    string_equal(a->settings[i].value, b->settings[k].value);
        if (!found)
            return false;
    }
    return true;
}

char *database_difference(const struct database *a, const struct database *b) {
    const struct {
        const char *name;
        bool same;
    } parts[] = {
        { "owner", string_equal(a->owner, b->owner) },
        { "tablespace", string_equal(a->tablespace, b->tablespace) },
        { "encoding", string_equal(a->encoding, b->encoding) },
        { "locale", string_equal(a->collate, b->collate) && string_equal(a->ctype, b->ctype) &&
                        string_equal(a->provider, b->provider) && string_equal(a->locale, b->locale) &&
                        string_equal(a->icu_rules, b->icu_rules) },
        { "collation version", string_equal(a->collation_version, b->collation_version) },
        { "comment", string_equal(a->comment, b->comment) },
        { "acl", same_grants(a, b) },
        { "settings", same_settings(a, b) },
        { "connection limit", a->connection_limit == b->connection_limit },
        { "template", a->is_template == b->is_template },
    };
    _cleanup_strings_ char **different = NULL;
    for (size_t i = 0; i < ELEMENTS(parts); i++)
        if (!parts[i].same)
            strings_append(&different, parts[i].name);
    return strings_join(different, ", ");
}
