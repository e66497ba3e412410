/* history: outcomes, newest first. */

#include "watchdog/audit/history.h"

#include <stdlib.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/summary.h"
#include "watchdog/commands/table.h"

#define EXIT_FAILED 1

static int later_first(const void *a, const void *b) {
    return strcmp(json_get_string(*(json_t *const *)b, "id", ""),
                  json_get_string(*(json_t *const *)a, "id", ""));
}

/* A new array of the same objects, newest first over all applications. */
static json_t *sorted(const json_t *list) {
    size_t count = json_array_size(list);
    json_t **items = xcalloc(count, sizeof(*items));
    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(list, i);
    qsort(items, count, sizeof(*items), later_first);
    json_t *result = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append(result, items[i]);
    free(items);
    return result;
}

static int collect(const struct options *options, json_t **ret, struct error *err) {
    _cleanup_strings_ char **applications = NULL, **warnings = NULL;
    _cleanup_json_ json_t *all = json_array();
    int r = 0;
    if (options->app) {
        char *name = NULL;
        r = settings_app_name(options->app, &name, err);
        if (r >= 0)
            strings_append(&applications, name);
        free(name);
    } else {
        r = history_applications(options->state_directory, &applications, err);
    }
    for (size_t i = 0; r >= 0 && applications && applications[i]; i++) {
        _cleanup_json_ json_t *list = NULL;
        r = history_read(options->state_directory, applications[i], 0, &list, &warnings, err);
        if (r >= 0)
            json_array_extend(all, list);
    }
    for (size_t i = 0; warnings && warnings[i]; i++)
        command_warn("%s", warnings[i]);
    if (r >= 0)
        *ret = sorted(all);
    return r;
}

int command_history(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *list = NULL;
    if (collect(options, &list, &err) < 0)
        return command_fail(options, EXIT_FAILED, &err);
    if (options->json)
        return command_json(options, 0, list);
    _cleanup_terminal_ struct terminal terminal;
    _cleanup_table_ struct table table;
    static const char *const headers[] = { "STARTED", "APP", "ID", "OUTCOME", "CHANGE", "REASON", NULL };
    command_terminal(options, &terminal);
    table_init(&table, headers);
    size_t i;
    const json_t *row;
    json_array_foreach(list, i, row) {
        _cleanup_free_ char *change = summary_change(row);
        const char *outcome = json_get_string(row, "outcome", "?");
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "started", "?"));
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "app", "?"));
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "id", "?"));
        table_cell(&table, summary_tone(outcome), "%s", outcome);
        table_cell(&table, TONE_PLAIN, "%s", change);
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "reason", ""));
    }
    table_print(&table, &terminal);
    if (json_array_size(list) == 0)
        terminal_print(&terminal, TONE_PLAIN, "no transaction yet");
    return 0;
}
