/* status: how an application stands, for a person at nine in the morning. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/audit/history.h"
#include "watchdog/audit/past.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/summary.h"
#include "watchdog/commands/table.h"
#include "watchdog/commands/timer.h"
#include "watchdog/docker/image.h"
#include "watchdog/docker/pins.h"
#include "watchdog/docker/project.h"
#include "watchdog/notify/spool.h"
#include "watchdog/transaction/context.h"
#include "watchdog/transaction/supervisor.h"

#define STATUS_TIME (30 * USEC_PER_SEC)
#define COMPOSE_FILE_LIMIT ((size_t)1024 * 1024)

static json_t *text_or_null(const char *text) {
    return text && *text ? json_text_string(text) : json_null();
}

static json_t *release_row(struct context *context, const struct container *container) {
    struct image image = { 0 };
    json_t *row = json_object();
    int r = engine_image(context->engine, container->image_id, context->deadline, &image, NULL);
    json_object_set_new(row, "service", text_or_null(container->service));
    json_object_set_new(row, "image", text_or_null(container->image_reference));
    json_object_set_new(row, "digest",
                        text_or_null(r < 0 ? NULL : image_digest(&image, container->image_reference)));
    json_object_set_new(row, "version", text_or_null(r < 0 ? NULL : image.version));
    json_object_set_new(row, "status", text_or_null(container->status));
    json_object_set_new(row, "health", text_or_null(container->health));
    if (r >= 0)
        image_done(&image);
    return row;
}

/* What the Compose files say of a service, where a digest pins it. */
static json_t *pin_row(struct context *context, const char *service) {
    char *const *files = compose_files(context->compose);
    for (size_t i = strings_count(files); i > 0; i--) {
        _cleanup_free_ char *text = NULL;
        _cleanup_pin_ struct pin pin = { 0 };
        size_t size;
        if (file_read(AT_FDCWD, files[i - 1], COMPOSE_FILE_LIMIT, &text, &size, NULL) < 0 ||
            pins_read(text, size, service, &pin, NULL) < 0 || (!pin.was && !strstr(pin.image, "@sha256:")))
            continue;
        json_t *row = json_object();
        json_object_set_new(row, "service", text_or_null(service));
        json_object_set_new(row, "image", text_or_null(pin.image));
        json_object_set_new(row, "file", text_or_null(files[i - 1]));
        json_object_set_new(row, "transaction", text_or_null(pin.transaction));
        return row;
    }
    return NULL;
}

/* What runs and what is pinned. Where it cannot be seen, both stay null and the reason is told. */
static void add_release(struct context *context, json_t *value, json_t *warnings) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct container *list = NULL;
    size_t count = 0;
    int r = context_open_compose(context, &err);
    if (r >= 0)
        r = context_containers(context, &list, &count, &err);
    json_object_set_new(value, "release", r < 0 ? json_null() : json_array());
    json_object_set_new(value, "pins", r < 0 ? json_null() : json_array());
    if (r < 0)
        json_array_append_new(warnings, json_text_string(error_text(&err)));
    for (size_t i = 0; i < count; i++) {
        if (list[i].one_off || *list[i].ours || !*list[i].service)
            continue;
        json_array_append_new(json_object_get(value, "release"), release_row(context, &list[i]));
        json_t *pin = pin_row(context, list[i].service);
        if (pin)
            json_array_append_new(json_object_get(value, "pins"), pin);
    }
    containers_free(list, count);
}

static void add_transaction(const struct state *state, json_t *value, json_t *warnings) {
    _cleanup_record_ struct record *record = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    pid_t pid;
    int r = state ? state_load(state, &record, &err) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        json_array_append_new(warnings, json_text_string(error_text(&err)));
    json_object_set_new(value, "running", json_boolean(state && state_is_locked(state, &pid)));
    json_object_set_new(value, "phase",
                        record ? text_or_null(phase_name((enum phase)record->phase)) : json_null());
    json_object_set_new(value, "transaction", record ? record_public(record) : json_null());
}

static void add_last(const struct options *options, const char *app, json_t *value, json_t *warnings) {
    _cleanup_json_ json_t *last = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    char text[TIMESTAMP_SIZE];
    _cleanup_strings_ char **damage = NULL;
    int r = past_find(options->state_directory, command_journal(options), app, NULL, &last, &damage, &err);
    if (r < 0 && r != -ENOENT)
        strings_append(&damage, error_text(&err));
    for (size_t i = 0; damage && damage[i]; i++)
        json_array_append_new(warnings, json_text_string(damage[i]));
    json_object_set(value, "last", r < 0 ? json_null() : last);
    usec_t next = timer_next(app);
    json_object_set_new(value, "next", next ? json_string(timestamp_format(text, next)) : json_null());
}

/* Somebody should have been told, and was not. */
static void add_messages(const struct state *state, json_t *value, json_t *warnings) {
    _cleanup_strings_ char **damaged = NULL;
    struct message **messages = NULL;
    size_t count = 0, failed = 0;
    if (state)
        (void)spool_read(state->directory, &messages, &count, &damaged, NULL);
    for (size_t i = 0; i < count; i++)
        failed += messages[i]->attempts > 0;
    messages_free(messages, count);
    for (char **warning = damaged; warning && *warning; warning++)
        json_array_append_new(warnings, json_text_string(*warning));
    if (failed)
        json_array_append_new(
            warnings,
            json_sprintf("%zu message%s could not be sent yet; why: upgrade-watchdog notify %s --test",
                         failed, failed == 1 ? "" : "s", json_get_string(value, "app", "APP")));
}

/* One application. A configuration that is wrong is told, and what needs none is there all the same. */
static json_t *status_of(const struct options *options, const char *argument, const char *app,
                         bool *ret_wrong) {
    struct context context = { .channel = -1, .dry = true, .deadline = deadline_in(STATUS_TIME) };
    _cleanup_error_ struct error err = ERROR_NONE;
    json_t *value = json_object(), *warnings = json_array();
    json_object_set_new(value, "app", json_text_string(app));
    int r = state_open(options->state_directory, app, false, &context.state, &err);
    if (r < 0 && r != -ENOENT)
        json_array_append_new(warnings, json_text_string(error_text(&err)));
    add_transaction(context.state, value, warnings);
    add_messages(context.state, value, warnings);
    context.record = record_new(app, KIND_UPGRADE);
    if (settings_load(options->config_directory, argument, &context.settings, &err) < 0) {
        *ret_wrong = true;
        json_array_append_new(warnings, json_text_string(error_text(&err)));
        json_object_set_new(value, "release", json_null());
        json_object_set_new(value, "pins", json_null());
    } else {
        add_release(&context, value, warnings);
    }
    add_last(options, app, value, warnings);
    json_object_set_new(value, "warnings", warnings);
    context_done(&context);
    return value;
}

static void print_release(struct terminal *terminal, const json_t *release) {
    static const char *const headers[] = { "SERVICE", "STATUS", "VERSION", "IMAGE", NULL };
    _cleanup_table_ struct table table;
    size_t i;
    const json_t *row;
    table_init(&table, headers);
    json_array_foreach(release, i, row) {
        const char *status = json_get_string(row, "status", "?"),
                   *health = json_get_string(row, "health", "");
        bool good = string_equal(status, "running") && !string_equal(health, "unhealthy");
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "service", "?"));
        table_cell(&table, good ? TONE_GOOD : TONE_UNSURE, "%s%s%s", status, *health ? ", " : "", health);
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "version", ""));
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(row, "image", ""));
    }
    table_print(&table, terminal);
}

static void print_status(struct terminal *terminal, const json_t *value) {
    const json_t *transaction = json_get_object(value, "transaction"), *last = json_get_object(value, "last"),
                 *row;
    const char *app = json_get_string(value, "app", "?"), *next = json_get_string(value, "next", NULL);
    bool running = json_get_boolean(value, "running", 0);
    size_t i;
    terminal_print(terminal, TONE_STRONG, "%s", app);
    if (transaction && running) {
        terminal_print(terminal, TONE_UNSURE, "The transaction %s runs, in phase %s.",
                       json_get_string(transaction, "id", "?"), json_get_string(value, "phase", "?"));
    } else if (transaction) {
        terminal_print(terminal, TONE_BAD,
                       "A transaction is unfinished; upgrade-watchdog recover %s goes on with it:", app);
        summary_print(terminal, transaction);
    }
    print_release(terminal, json_get_array(value, "release"));
    json_array_foreach(json_get_array(value, "pins"), i, row) terminal_print(
        terminal, TONE_PLAIN, "Pinned: %s to %s in %s%s%s", json_get_string(row, "service", "?"),
        json_get_string(row, "image", "?"), json_get_string(row, "file", "?"),
        json_get_string(row, "transaction", NULL) ? " by " : "", json_get_string(row, "transaction", ""));
    if (last) {
        const char *outcome = json_get_string(last, "outcome", "?"),
                   *reason = json_get_string(last, "reason", "");
        terminal_print(terminal, summary_tone(outcome), "Last: %s, %s%s%s (upgrade-watchdog report %s %s)",
                       outcome, json_get_string(last, "finished", json_get_string(last, "started", "?")),
                       *reason ? ": " : "", reason, app, json_get_string(last, "id", ""));
    } else {
        terminal_print(terminal, TONE_PLAIN, "Last: no transaction yet");
    }
    terminal_print(terminal, TONE_PLAIN, "Next: %s", next ? next : "no timer runs");
    json_array_foreach(json_get_array(value, "warnings"), i, row)
        terminal_print(terminal, TONE_UNSURE, "Warning: %s", json_string_value(row));
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that have a configuration, and those that have a state. */
static int applications(const struct options *options, char ***ret, struct error *err) {
    _cleanup_strings_ char **names = NULL;
    int r = history_applications(options->state_directory, &names, err);
    if (r < 0)
        return r;
    DIR *directory = opendir(options->config_directory);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char *name = NULL;
        if (string_ends_with(entry->d_name, ".conf") && settings_app_name(entry->d_name, &name, NULL) >= 0 &&
            !strings_contain(names, name))
            strings_append(&names, name);
        free(name);
    }
    if (directory)
        closedir(directory);
    if (names)
        qsort(names, strings_count(names), sizeof(*names), by_name);
    *ret = take_ptr(names);
    return 0;
}

static int status_of_all(const struct options *options, json_t **ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strings_ char **names = NULL;
    bool wrong = false;
    if (applications(options, &names, &err) < 0)
        return command_fail(options, EXIT_ABORTED, &err);
    *ret = json_array();
    for (size_t i = 0; names && names[i]; i++)
        json_array_append_new(*ret, status_of(options, names[i], names[i], &wrong));
    return EXIT_DONE;
}

int command_status(const struct options *options) {
    _cleanup_free_ char *app = NULL;
    _cleanup_json_ json_t *value = NULL;
    bool wrong = false;
    int status = options->app ? command_app(options, &app) : status_of_all(options, &value);
    if (status)
        return status;
    if (app)
        value = status_of(options, options->app, app, &wrong);
    status = wrong ? EXIT_CONFIGURATION : EXIT_DONE;
    if (options->json)
        return command_json(options, status, value);
    _cleanup_terminal_ struct terminal terminal;
    command_terminal(options, &terminal);
    if (app)
        print_status(&terminal, value);
    for (size_t i = 0; !app && i < json_array_size(value); i++) {
        if (i)
            terminal_print(&terminal, TONE_PLAIN, "%s", "");
        print_status(&terminal, json_array_get(value, i));
    }
    if (!app && json_array_size(value) == 0)
        terminal_print(&terminal, TONE_PLAIN, "no application is configured in %s",
                       options->config_directory);
    return status;
}
