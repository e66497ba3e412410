/* notify: sends what lies in the spool, or a test. As a unit it is started by OnFailure= too: then it looks
 * first whether the application's unit has ended in a way that no transaction has told of. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "watchdog/audit/history.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/failure.h"
#include "watchdog/commands/table.h"
#include "watchdog/commands/unit.h"
#include "watchdog/notify/delivery.h"
#include "watchdog/notify/send.h"
#include "watchdog/notify/spool.h"
#include "watchdog/transaction/state.h"
#include "watchdog/transaction/supervisor.h"

#define EXIT_NOT_SENT 1
#define SEND_TIME (10 * USEC_PER_MINUTE)
#define CONFIGURATION_LIMIT ((size_t)1024 * 1024)

/* The configuration of the newest transaction: who was to be told then is told that the present one cannot be
 * read. */
static int last_settings(const struct options *options, const char *app, struct settings **ret,
                         struct error *err) {
    _cleanup_json_ json_t *last = NULL;
    _cleanup_free_ char *path = NULL, *text = NULL, *config = NULL;
    size_t size;
    int r = history_find(options->state_directory, app, NULL, &last, err);
    if (r < 0)
        return r;
    path = xasprintf("%s/%s/transactions/%s/app.conf", options->state_directory, app,
                     json_get_string(last, "id", ""));
    config = xasprintf("%s/%s.conf", options->config_directory, app);
    r = file_read(AT_FDCWD, path, CONFIGURATION_LIMIT, &text, &size, err);
    return r < 0 ? r : settings_parse(app, config, text, size, ret, err);
}

/* *ret_wrong: why the configuration cannot be read, where it cannot. */
static int find_settings(const struct options *options, const char *app, struct settings **ret,
                         char **ret_wrong, struct error *err) {
    int r = settings_load(options->config_directory, options->app, ret, err);
    if (r >= 0)
        r = channels_check(*ret, err);
    if (r >= 0)
        return r;
    *ret_wrong = xstrdup(error_text(err));
    settings_free(take_ptr(*ret));
    _cleanup_error_ struct error older = ERROR_NONE;
    if (last_settings(options, app, ret, &older) < 0)
        return r;
    error_done(err);
    return 0;
}

/* Has the unit ended badly, without a transaction having told of it? Then that goes into the spool: once for
 * a transaction that is open, however often it is tried. */
static int look_at_unit(const struct options *options, const char *app, const char *wrong,
                        struct error *err) {
    _cleanup_unit_ struct unit unit = { 0 };
    _cleanup_unit_state_ struct unit_state state = { 0 };
    _cleanup_state_ struct state *of_app = NULL;
    _cleanup_record_ struct record *record = NULL;
    _cleanup_free_ char *detail = NULL;
    int r = unit_find(options, app, &unit, err);
    if (r > 0)
        r = unit_look(&unit, &state, err);
    if (r <= 0 && !unit.name)
        return r;
    if (r >= 0)
        r = state_open(options->state_directory, app, true, &of_app, err);
    if (r < 0)
        return r;
    int loaded = state_load(of_app, &record, NULL);
    bool told = record && record->outcome == OUTCOME_ROLLBACK_FAILED;
    if (!failure_of_unit(unit.name, &state, told, wrong, &detail))
        return 0;
    _cleanup_message_ struct message *message =
        message_new(app, MESSAGE_FAILED, record ? record->id : state.invocation);
    message->detail = take_ptr(detail);
    message->open = loaded != -ENOENT; /* a damaged one too */
    return spool_put(of_app->directory, message, err);
}

static json_t *test_row(const char *channel, int r, const struct error *why) {
    json_t *row = json_object();
    json_object_set_new(row, "channel", json_text_string(channel));
    json_object_set_new(row, "sent", json_boolean(r >= 0));
    json_object_set_new(row, "reason", r < 0 ? json_text_string(error_text(why)) : json_null());
    return row;
}

static void print_rows(const struct options *options, const json_t *rows) {
    static const char *const headers[] = { "BY", "RESULT", "WHY", NULL };
    _cleanup_terminal_ struct terminal terminal;
    _cleanup_table_ struct table table;
    size_t i;
    const json_t *row;
    command_terminal(options, &terminal);
    table_init(&table, headers);
    json_array_foreach(rows, i, row) {
        bool sent = json_get_boolean(row, "sent", 0);
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "channel", ""));
        table_cell(&table, sent ? TONE_GOOD : TONE_BAD, "%s", sent ? "sent" : "not sent");
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "reason", ""));
    }
    table_print(&table, &terminal);
}

/* By each way at once, past the spool: whoever types it waits for the answer. */
static int send_test(const struct options *options, const struct settings *settings) {
    _cleanup_message_ struct message *message = message_new(settings->app, MESSAGE_TEST, "0");
    _cleanup_free_ char *host = send_host();
    _cleanup_json_ json_t *rows = json_array();
    struct channel *channels;
    size_t count;
    bool all = true;
    channels_of(settings, &channels, &count);
    for (size_t i = 0; i < count; i++) {
        _cleanup_error_ struct error why = ERROR_NONE;
        int r = deliver(settings, &channels[i], message, host, &why);
        json_array_append_new(rows, test_row(channels[i].name, r, &why));
        all = all && r >= 0;
    }
    channels_free(channels, count);
    int status = all ? EXIT_DONE : EXIT_NOT_SENT;
    if (options->json)
        return command_json(options, status, rows);
    print_rows(options, rows);
    return status;
}

static int print_result(const struct options *options, const struct send_result *result) {
    _cleanup_terminal_ struct terminal terminal;
    if (options->json) {
        _cleanup_json_ json_t *value = json_object();
        json_object_set_new(value, "sent", json_integer(result->sent));
        json_object_set_new(value, "waiting", json_integer(result->waiting));
        return command_json(options, result->waiting ? EXIT_NOT_SENT : EXIT_DONE, value);
    }
    command_terminal(options, &terminal);
    for (char **failure = result->failures; failure && *failure; failure++)
        terminal_print(&terminal, TONE_UNSURE, "%s", *failure);
    if (!options->unit || result->sent || result->waiting)
        terminal_print(&terminal, TONE_PLAIN, "%u sent, %u waiting", result->sent, result->waiting);
    return result->waiting ? EXIT_NOT_SENT : EXIT_DONE;
}

static int send_waiting(const struct options *options, const char *app, const struct settings *settings,
                        const char *wrong) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct send_result result = { 0 };
    usec_t deadline = deadline_in(SEND_TIME);
    int r = 0;
    /* Twice: a unit that fails while this one is at work does not start it once more. */
    for (int i = 0; i < (options->unit ? 2 : 1) && r >= 0; i++) {
        if (options->unit && look_at_unit(options, app, wrong, &err) < 0)
            command_warn("%s", error_text(&err));
        r = send_spool(options->state_directory, settings, !options->unit, deadline, &result, &err);
    }
    int status = r == -EBUSY ? EXIT_LOCKED : EXIT_NOT_SENT;
    status = r < 0 ? command_fail(options, status, &err) : print_result(options, &result);
    send_result_done(&result);
    return status;
}

int command_notify(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *app = NULL, *wrong = NULL;
    int code = command_app(options, &app);
    if (code != EXIT_DONE)
        return code;
    if (find_settings(options, app, &settings, &wrong, &err) < 0)
        return command_fail(options, EXIT_CONFIGURATION, &err);
    if (options->test && wrong) {
        error_set(&err, EINVAL, "%s", wrong);
        return command_fail(options, EXIT_CONFIGURATION, &err);
    }
    if (options->test && !channels_any(settings)) {
        error_set(&err, EINVAL,
                  "%s: [Notify] names nobody, expected Url=, Mail=, Command= or Ping=", settings->path);
        return command_fail(options, EXIT_CONFIGURATION, &err);
    }
    return options->test ? send_test(options, settings) : send_waiting(options, app, settings, wrong);
}
