/* report: one transaction in full. */

#include <unistd.h>

#include "watchdog/audit/past.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/summary.h"

#define EXIT_FAILED 1

int command_report(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *app = NULL;
    _cleanup_json_ json_t *transaction = NULL;
    _cleanup_strings_ char **warnings = NULL;
    int r = command_app(options, &app);
    if (r)
        return r;
    r = past_find(options->state_directory, command_journal(options), app, options->id, &transaction,
                  &warnings, &err);
    for (size_t i = 0; warnings && warnings[i]; i++)
        command_warn("%s", warnings[i]);
    if (r < 0)
        return command_fail(options, EXIT_FAILED, &err);
    if (options->json)
        return command_json(options, 0, transaction);
    _cleanup_terminal_ struct terminal terminal;
    command_terminal(options, &terminal);
    summary_print(&terminal, transaction);
    _cleanup_free_ char *evidence = xasprintf("%s/%s/transactions/%s", options->state_directory, app,
                                              json_get_string(transaction, "id", ""));
    if (access(evidence, F_OK) == 0)
        terminal_print(&terminal, TONE_FAINT, "%-12s %s", "Evidence", evidence);
    return 0;
}
