/* What all commands share. See command.h. */

#include "watchdog/commands/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/base/text.h"
#include "watchdog/transaction/state.h"

#define EXIT_FAILED 1
#define EXIT_CONFIG 3

int command_fail(const struct options *options, int status, const struct error *err) {
    _cleanup_free_ char *text = text_harmless(error_text(err), 1);
    fprintf(stderr, "upgrade-watchdog: %s\n", text);
    if (options->json) {
        _cleanup_json_ json_t *value = json_object();
        json_object_set_new(value, "error", json_text_string(error_text(err)));
        (void)output_json(value, NULL);
    }
    return status;
}

void command_warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    _cleanup_free_ char *harmless = text_harmless(text, 0);
    fprintf(stderr, "upgrade-watchdog: warning: %s\n", harmless);
}

int command_settings(const struct options *options, struct settings **ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = settings_load(options->config_directory, options->app, ret, &err);
    return r < 0 ? command_fail(options, EXIT_CONFIG, &err) : 0;
}

int command_app(const struct options *options, char **ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = settings_app_name(options->app, ret, &err);
    return r < 0 ? command_fail(options, EXIT_CONFIG, &err) : 0;
}

const struct read_back *command_journal(const struct options *options) {
    return string_equal(options->state_directory, STATE_DIRECTORY) ? &read_back_default : NULL;
}

int command_json(const struct options *options, int status, const json_t *value) {
    _cleanup_error_ struct error err = ERROR_NONE;
    (void)options;
    if (output_json(value, &err) >= 0)
        return status;
    fprintf(stderr, "upgrade-watchdog: %s\n", error_text(&err));
    return EXIT_FAILED;
}

void command_terminal(const struct options *options, struct terminal *ret) {
    terminal_init(ret, options->json ? STDERR_FILENO : STDOUT_FILENO);
}
