/* A database in the record. See catalog.h. */

#include "watchdog/database/catalog.h"

#include <errno.h>
#include <stddef.h>

#include "watchdog/base/json.h"

/* The members that are texts: where, and whether they may be null. */
static const struct {
    const char *name;
    size_t offset;
    bool optional;
} texts[] = {
    { "name", offsetof(struct database, name), false },
    { "owner", offsetof(struct database, owner), false },
    { "tablespace", offsetof(struct database, tablespace), false },
    { "encoding", offsetof(struct database, encoding), false },
    { "collate", offsetof(struct database, collate), true },
    { "ctype", offsetof(struct database, ctype), true },
    { "provider", offsetof(struct database, provider), false },
    { "locale", offsetof(struct database, locale), true },
    { "icu_rules", offsetof(struct database, icu_rules), true },
    { "collation_version", offsetof(struct database, collation_version), true },
    { "comment", offsetof(struct database, comment), true },
};

static char **text_at(const struct database *database, size_t i) {
    return (char **)((char *)(uintptr_t)database + texts[i].offset);
}

static void set(json_t *object, const char *name, json_t *value) {
    if (json_object_set_new(object, name, value) < 0)
        abort();
}

json_t *database_to_json(const struct database *database) {
    json_t *object = json_object();
    set(object, "oid", json_integer(database->oid));
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        const char *text = *text_at(database, i);
        set(object, texts[i].name, text ? json_string(text) : json_null());
    }
    json_t *grants = database->has_acl ? json_array() : json_null(), *settings = json_array();
    for (size_t i = 0; i < database->grants_count; i++) {
        const struct database_grant *grant = &database->grants[i];
        json_array_append_new(grants, json_pack("{s:s, s:s, s:s, s:b}", "grantee", grant->grantee, "grantor",
                                                grant->grantor, "privilege", grant->privilege, "grantable",
                                                (int)grant->grantable));
    }
    for (size_t i = 0; i < database->settings_count; i++) {
        const struct database_setting *setting = &database->settings[i];
        json_array_append_new(settings, json_pack("{s:s, s:s, s:s}", "role", setting->role, "name",
                                                  setting->name, "value", setting->value));
    }
    set(object, "acl", grants);
    set(object, "settings", settings);
    set(object, "connection_limit", json_integer(database->connection_limit));
    set(object, "allows_connections", json_boolean(database->allows_connections));
    set(object, "is_template", json_boolean(database->is_template));
    set(object, "size", json_integer((json_int_t)database->size));
    return object;
}

static int bad(struct error *err, const char *member, const char *expected) {
    return error_set(err, EBADMSG, "the description of a database has no valid \"%s\", expected %s", member,
                     expected);
}

static int read_text(const json_t *object, const char *name, bool optional, char **ret, struct error *err) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value))
        return optional && json_is_null(value) ? 0 : bad(err, name, "a text");
    *ret = xstrdup(json_string_value(value));
    return 0;
}

static int read_boolean(const json_t *object, const char *name, bool *ret, struct error *err) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_boolean(value))
        return bad(err, name, "true or false");
    *ret = json_is_true(value);
    return 0;
}

static int read_integer(const json_t *object, const char *name, json_int_t least, json_int_t most,
                        json_int_t *ret, struct error *err) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
        return bad(err, name, "an integer in its range");
    *ret = json_integer_value(value);
    return 0;
}

static int read_grants(const json_t *object, struct database *ret, struct error *err) {
    const json_t *grants = json_object_get(object, "acl"), *value;
    if (json_is_null(grants))
        return 0;
    if (!json_is_array(grants))
        return bad(err, "acl", "a list or null");
    size_t i;
    int r = 0;
    ret->has_acl = true;
    ret->grants = xcalloc(json_array_size(grants), sizeof(*ret->grants));
    json_array_foreach(grants, i, value) {
        struct database_grant *grant = &ret->grants[ret->grants_count++];
        if ((r = read_text(value, "grantee", false, &grant->grantee, err)) < 0 ||
            (r = read_text(value, "grantor", false, &grant->grantor, err)) < 0 ||
            (r = read_text(value, "privilege", false, &grant->privilege, err)) < 0 ||
            (r = read_boolean(value, "grantable", &grant->grantable, err)) < 0)
            return r;
    }
    return 0;
}

static int read_settings(const json_t *object, struct database *ret, struct error *err) {
    const json_t *settings = json_object_get(object, "settings"), *value;
    if (!json_is_array(settings))
        return bad(err, "settings", "a list");
    size_t i;
    int r = 0;
    ret->settings = xcalloc(json_array_size(settings), sizeof(*ret->settings));
    json_array_foreach(settings, i, value) {
        struct database_setting *setting = &ret->settings[ret->settings_count++];
        if ((r = read_text(value, "role", false, &setting->role, err)) < 0 ||
            (r = read_text(value, "name", false, &setting->name, err)) < 0 ||
            (r = read_text(value, "value", false, &setting->value, err)) < 0)
            return r;
    }
    return 0;
}

int database_from_json(const json_t *value, struct database *ret, struct error *err) {
    _cleanup_database_ struct database database = { 0 };
    json_int_t oid, limit, size;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(texts); i++)
        r = read_text(value, texts[i].name, texts[i].optional, text_at(&database, i), err);
    if (r < 0 || (r = read_grants(value, &database, err)) < 0 ||
        (r = read_settings(value, &database, err)) < 0 ||
        (r = read_integer(value, "oid", 1, UINT32_MAX, &oid, err)) < 0 ||
        (r = read_integer(value, "connection_limit", INT32_MIN, INT32_MAX, &limit, err)) < 0 ||
        (r = read_integer(value, "size", 0, INT64_MAX, &size, err)) < 0 ||
        (r = read_boolean(value, "allows_connections", &database.allows_connections, err)) < 0 ||
        (r = read_boolean(value, "is_template", &database.is_template, err)) < 0)
        return r;
    database.oid = (uint32_t)oid;
    database.connection_limit = (int)limit;
    database.size = (uint64_t)size;
    *ret = database;
    database = (struct database){ 0 };
    return 0;
}
