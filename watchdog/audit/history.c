/* Closed transactions. See history.h. */

#include "watchdog/audit/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/value.h"

#define SUFFIX ".json"
#define FILE_LIMIT (16 * 1024 * 1024)

int transaction_id_valid(const char *id) {
    static const char form[] = "dddddddd"
                               "T"
                               "dddddd"
                               "Z-hhhh";
    if (strlen(id) != sizeof(form) - 1)
        return 0;
    for (size_t i = 0; form[i]; i++) {
        const char *wanted = form[i] == 'd' ? "0123456789" : form[i] == 'h' ? "0123456789abcdef" : NULL;
        if (wanted ? !strchr(wanted, id[i]) : id[i] != form[i])
            return 0;
    }
    return 1;
}

static char *transactions_path(const char *state_directory, const char *app) {
    return xasprintf("%s/%s/transactions", state_directory, app);
}

static int read_one(const char *directory, const char *id, json_t **ret, struct error *err) {
    _cleanup_free_ char *path = xasprintf("%s/%s" SUFFIX, directory, id), *text = NULL;
    _cleanup_free_ char *what = xasprintf("\"%s\"", path);
    size_t size;
    int r = file_read(AT_FDCWD, path, FILE_LIMIT, &text, &size, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *value = NULL;
    r = json_parse(text, size, what, &value, err);
    if (r < 0)
        return error_prefix(err, "a record of the history is damaged");
    if (!string_equal(json_get_string(value, "id", NULL), id) || !json_get_string(value, "outcome", NULL))
        return error_set(err, EBADMSG,
                         "a record of the history is damaged: %s holds no transaction \"%s\" with an outcome",
                         what, id);
    *ret = take_ptr(value);
    return 0;
}

static int is_record(const struct dirent *entry) {
    if (!string_ends_with(entry->d_name, SUFFIX))
        return 0;
    _cleanup_free_ char *id = xstrndup(entry->d_name, strlen(entry->d_name) - strlen(SUFFIX));
    return transaction_id_valid(id);
}

/* Ids begin with their time: the newest is the last by name. */
static int newest_first(const struct dirent **a, const struct dirent **b) {
    return strcmp((*b)->d_name, (*a)->d_name);
}

int history_read(const char *state_directory, const char *app, size_t limit, json_t **ret, char ***warnings,
                 struct error *err) {
    _cleanup_free_ char *directory = transactions_path(state_directory, app);
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_record, newest_first);
    if (count < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot read the history in \"%s\"", directory);
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        if (limit == 0 || json_array_size(list) < limit) {
            _cleanup_free_ char *id =
                xstrndup(entries[i]->d_name, strlen(entries[i]->d_name) - strlen(SUFFIX));
            _cleanup_error_ struct error damage = ERROR_NONE;
            json_t *record = NULL;
            if (read_one(directory, id, &record, &damage) < 0)
                strings_append(warnings, error_text(&damage));
            else
                json_array_append_new(list, record);
        }
        free(entries[i]);
    }
    free(entries);
    *ret = list;
    return 0;
}

char *history_newest_id(const char *state_directory, const char *app) {
    _cleanup_free_ char *directory = transactions_path(state_directory, app);
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_record, newest_first);
    char *id = count > 0 ? xstrndup(entries[0]->d_name, strlen(entries[0]->d_name) - strlen(SUFFIX)) : NULL;
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return id;
}

int history_find(const char *state_directory, const char *app, const char *id, json_t **ret,
                 struct error *err) {
    if (!id) {
        _cleanup_strings_ char **warnings = NULL;
        _cleanup_json_ json_t *list = NULL;
        int r = history_read(state_directory, app, 1, &list, &warnings, err);
        if (r < 0)
            return r;
        if (warnings) /* an older one must not pass for the newest */
            return error_set(err, EBADMSG, "%s", warnings[0]);
        if (json_array_size(list) == 0)
            return error_set(err, ENOENT, "\"%s\" has no transaction yet", app);
        *ret = json_incref(json_array_get(list, 0));
        return 0;
    }
    if (!transaction_id_valid(id))
        return error_set(err, EINVAL,
                         "\"%s\" is not the id of a transaction, expected one such as "
                         "20261123T031500Z-1f3a (see history)",
                         id);
    _cleanup_free_ char *directory = transactions_path(state_directory, app);
    int r = read_one(directory, id, ret, err);
    return r == -ENOENT ? error_set(err, ENOENT, "\"%s\" has no transaction \"%s\" (see history)", app, id)
                        : r;
}

static int is_application(const struct dirent *entry) {
    return value_is_name(entry->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int history_applications(const char *state_directory, char ***ret, struct error *err) {
    struct dirent **entries = NULL;
    int count = scandir(state_directory, &entries, is_application, by_name);
    if (count < 0 && errno != ENOENT)
        return error_errno(err, errno, "cannot read the state directory \"%s\"", state_directory);
    char **names = NULL;
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_type == DT_DIR || entries[i]->d_type == DT_UNKNOWN)
            strings_append(&names, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    *ret = names;
    return 0;
}
