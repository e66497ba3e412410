/* Earlier transactions, from the state directory and the journal. See past.h. */

#include "watchdog/audit/past.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/audit/history.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

struct item {
    json_t *record;
    bool kept;
};

static int compare_transactions(const json_t *a, const json_t *b) {
    int r = strcmp(json_get_string(b, "id", ""), json_get_string(a, "id", ""));
    return r ? r : strcmp(json_get_string(a, "app", ""), json_get_string(b, "app", ""));
}

static int newest_first(const void *a, const void *b) {
    const struct item *x = a, *y = b;
    int r = compare_transactions(x->record, y->record);
    return r ? r : y->kept - x->kept;
}

json_t *past_merge(const json_t *kept, const json_t *read_back) {
    size_t first = json_array_size(kept), count = first + json_array_size(read_back);
    struct item *items = xcalloc(count + 1, sizeof(*items));
    json_t *result = json_array();
    for (size_t i = 0; i < count; i++)
        items[i] = i < first ? (struct item){ json_array_get(kept, i), true }
                             : (struct item){ json_array_get(read_back, i - first), false };
    qsort(items, count, sizeof(*items), newest_first);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || compare_transactions(items[i - 1].record, items[i].record) != 0)
            json_array_append(result, items[i].record);
    free(items);
    return result;
}

int past_read(const char *state_directory, const struct read_back *journal, const char *app, json_t **ret,
              char ***warnings, struct error *err) {
    _cleanup_strings_ char **applications = NULL;
    _cleanup_json_ json_t *kept = json_array(), *read_back = NULL;
    int r = 0;
    if (app)
        strings_append(&applications, app);
    else
        r = history_applications(state_directory, &applications, err);
    for (size_t i = 0; r >= 0 && applications && applications[i]; i++) {
        _cleanup_json_ json_t *list = NULL;
        r = history_read(state_directory, applications[i], 0, &list, warnings, err);
        if (r >= 0)
            json_array_extend(kept, list);
    }
    if (r < 0)
        return r;
    read_back = journal ? read_back_outcomes(journal, app, warnings) : NULL;
    *ret = past_merge(kept, read_back);
    return 0;
}

static json_t *find(const json_t *list, const char *id) {
    size_t i;
    json_t *record;
    json_array_foreach(list, i,
                       record) if (string_equal(json_get_string(record, "id", ""), id)) return record;
    return NULL;
}

static int find_named(const char *state_directory, const struct read_back *journal, const char *app,
                      const char *id, json_t **ret, char ***warnings, struct error *err) {
    _cleanup_error_ struct error missing = ERROR_NONE;
    int r = history_find(state_directory, app, id, ret, &missing);
    if (r >= 0 || !journal || r == -EINVAL)
        return r < 0 ? error_move(err, &missing) : r;
    _cleanup_json_ json_t *list = read_back_outcomes(journal, app, warnings);
    json_t *found = find(list, id);
    if (!found)
        return error_move(err, &missing);
    if (r == -EBADMSG)
        strings_append(warnings, error_text(&missing));
    *ret = json_incref(found);
    return 0;
}

/* A record of the state directory that cannot be read may be newer than those that can: none of these passes
 * for the newest then, but one of the journal that is newer still may. */
static int find_newest(const char *state_directory, const struct read_back *journal, const char *app,
                       json_t **ret, char ***warnings, struct error *err) {
    struct read_back newest = journal ? *journal : (struct read_back){ 0 };
    newest.limit = 1;
    _cleanup_strings_ char **damage = NULL;
    _cleanup_json_ json_t *kept = NULL, *read_back = NULL;
    int r = history_read(state_directory, app, 1, &kept, &damage, err);
    if (r < 0)
        return r;
    read_back = journal ? read_back_outcomes(&newest, app, warnings) : NULL;
    _cleanup_json_ json_t *merged = past_merge(kept, read_back);
    json_t *found = json_array_get(merged, 0);
    _cleanup_free_ char *newest_id = history_newest_id(state_directory, app);
    if (damage && (!found || strcmp(json_get_string(found, "id", ""), newest_id ? newest_id : "") < 0))
        return error_set(err, EBADMSG, "%s", damage[0]);
    if (!found)
        return error_set(err, ENOENT, "\"%s\" has no transaction yet", app);
    for (size_t i = 0; damage && damage[i]; i++)
        strings_append(warnings, damage[i]);
    *ret = json_incref(found);
    return 0;
}

int past_find(const char *state_directory, const struct read_back *journal, const char *app, const char *id,
              json_t **ret, char ***warnings, struct error *err) {
    return id ? find_named(state_directory, journal, app, id, ret, warnings, err)
              : find_newest(state_directory, journal, app, ret, warnings, err);
}
