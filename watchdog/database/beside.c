/* Beside the application's databases. See beside.h. */

#include "watchdog/database/beside.h"

#include <string.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/json.h"

static int read_databases(PGconn *connection, usec_t deadline, json_t *beside, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    json_t *databases = json_object();
    int r =
        server_query(connection, deadline, &result, err, "SELECT datname, oid FROM pg_database", SQL_NONE);
    for (int i = 0; r >= 0 && i < PQntuples(result); i++)
        json_object_set_new(databases, sql_text(result, i, 0), json_integer(sql_integer(result, i, 1)));
    json_object_set_new(beside, "databases", databases);
    return r;
}

/* The names of a query, as a list. */
static int read_names(PGconn *connection, usec_t deadline, const char *query, json_t **ret,
                      struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    int r = server_query(connection, deadline, &result, err, query, SQL_NONE);
    if (r < 0)
        return r;
    *ret = json_array();
    for (int i = 0; i < PQntuples(result); i++)
        json_array_append_new(*ret, json_text_string(sql_text(result, i, 0)));
    return 0;
}

/* Only superusers, and whom they let, may read files of settings. */
static void read_settings(PGconn *connection, usec_t deadline, json_t *beside) {
    _cleanup_result_ PGresult *result = NULL;
    if (server_query(
            connection, deadline, &result, NULL,
            "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf'"
            " AND name IS NOT NULL",
            SQL_NONE) < 0)
        return;
    json_t *settings = json_object();
    for (int i = 0; i < PQntuples(result); i++) {
        char digest[DIGEST_TEXT_SIZE];
        const char *value = sql_text(result, i, 1) ? sql_text(result, i, 1) : "";
        json_object_set_new(settings, sql_text(result, i, 0),
                            json_string(digest_memory(value, strlen(value), digest)));
    }
    json_object_set_new(beside, "settings", settings);
}

int beside_read(PGconn *connection, usec_t deadline, json_t **ret, struct error *err) {
    _cleanup_json_ json_t *beside = json_object();
    json_t *tablespaces = NULL;
    int r = read_databases(connection, deadline, beside, err);
    if (r >= 0)
        r = read_names(connection, deadline, "SELECT spcname FROM pg_tablespace ORDER BY 1", &tablespaces,
                       err);
    if (r < 0)
        return error_prefix(err, "cannot read what there is on the server");
    json_object_set_new(beside, "tablespaces", tablespaces);
    read_settings(connection, deadline, beside);
    *ret = json_incref(beside);
    return 0;
}

int extensions_read(PGconn *connection, usec_t deadline, json_t **ret, struct error *err) {
    int r = read_names(connection, deadline,
                       "SELECT format('%s %s', extname, extversion) FROM pg_extension ORDER BY 1", ret, err);
    return r < 0 ? error_prefix(err, "cannot read the extensions") : 0;
}

static void say(json_t *sentences, char *sentence) {
    json_array_append_new(sentences, json_text_string(sentence));
    free(sentence);
}

static void compare_databases(const json_t *before, const json_t *now, char *const *ours, json_t *sentences) {
    const char *name;
    json_t *oid;
    json_object_foreach((json_t *)now, name,
                        oid) if (!json_object_get(before, name) && !strings_contain(ours, name))
        say(sentences,
            xasprintf("the database \"%s\" was made on the server since the switch: it stays, and is "
                      "in the way of a release that makes it again (DROP DATABASE \"%s\" if nobody "
                      "needs it)",
                      name, name));
    json_object_foreach((json_t *)before, name,
                        oid) if (!json_object_get(now, name) && !strings_contain(ours, name))
        say(sentences,
            xasprintf("the database \"%s\" was on the server at the switch and is gone: it is in no "
                      "snapshot of ours",
                      name));
}

static bool has(const json_t *list, const json_t *value) {
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one) if (json_equal(one, value)) return true;
    return false;
}

json_t *beside_difference(const json_t *before, const json_t *now, char *const *ours) {
    json_t *sentences = json_array();
    const json_t *settings = json_object_get(before, "settings"), *name;
    const char *key;
    json_t *digest;
    size_t i;
    compare_databases(json_object_get(before, "databases"), json_object_get(now, "databases"), ours,
                      sentences);
    json_array_foreach(json_object_get(now, "tablespaces"), i,
                       name) if (!has(json_object_get(before, "tablespaces"), name))
        say(sentences, xasprintf("the tablespace \"%s\" was made on the server since the switch: it stays",
                                 json_string_value(name)));
    if (settings)
        json_object_foreach(json_object_get(now, "settings"), key,
                            digest) if (!json_equal(json_object_get(settings, key), digest))
            say(sentences,
                xasprintf("\"%s\" of the whole server was set by ALTER SYSTEM since the switch: it stays "
                          "(ALTER SYSTEM RESET %s if it is not wanted)",
                          key, key));
    return sentences;
}

json_t *extensions_difference(const json_t *before, const json_t *now, const char *database) {
    json_t *sentences = json_array();
    const json_t *extension;
    size_t i;
    json_array_foreach(now, i, extension) if (!has(before, extension))
        say(sentences,
            xasprintf("the extension %s was made or updated in \"%s\" since the switch: it goes with the "
                      "failed database into quarantine",
                      json_string_value(extension), database));
    return sentences;
}
