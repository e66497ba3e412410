/* history: outcomes, newest first. */

#include "watchdog/audit/changes.h"
#include "watchdog/audit/past.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/summary.h"
#include "watchdog/commands/table.h"

#define EXIT_FAILED 1

static int collect(const struct options *options, json_t **ret, struct error *err) {
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_free_ char *app = NULL;
    int r = options->app ? settings_app_name(options->app, &app, err) : 0;
    if (r >= 0)
        r = past_read(options->state_directory, command_journal(options), app, ret, &warnings, err);
    for (size_t i = 0; warnings && warnings[i]; i++)
        command_warn("%s", warnings[i]);
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
        _cleanup_free_ char *change = changes_text(row, true);
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
