#pragma once

/* What all commands share: how they end, and how the configuration is read. */

#include "watchdog/audit/read-back.h"
#include "watchdog/commands/options.h"
#include "watchdog/commands/terminal.h"
#include "watchdog/config/settings.h"

/* Says on standard error what went wrong, with --json as {"error": …} on standard output too. Returns
 * @status. */
int command_fail(const struct options *options, int status, const struct error *err);

/* Reads the configuration of options->app. Returns 0, or the exit status after having said what is wrong. */
int command_settings(const struct options *options, struct settings **ret);

/* The name of options->app, for commands that need no configuration. As command_settings(). */
int command_app(const struct options *options, char **ret);

/* Where outcomes are read back from: this machine's journal; NULL with a state directory of one's own, which
 * the journal knows nothing of. */
const struct read_back *command_journal(const struct options *options);

/* Prints a warning on standard error. */
void command_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the command's result as JSON. Returns @status, or 1 when it could not be written. */
int command_json(const struct options *options, int status, const json_t *value);

/* Where the person sees progress: standard output, or standard error with --json. */
void command_terminal(const struct options *options, struct terminal *ret);
