/* recover. See recover.h. Without an application it is what upgrade-watchdog-recover.service runs at boot and
 * every few minutes: nothing where nothing is open, and never in the way of a run that lives. */

#include "watchdog/commands/recover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/audit/history.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/follow.h"
#include "watchdog/commands/session.h"
#include "watchdog/commands/tell.h"

/* @json: the result is one JSON value on standard output; @quiet: it is for a list of several, told in words
 * on standard error. */
static enum exit_code recover_one(const struct options *options, bool json, bool quiet) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *app = NULL;
    struct session session = { .options = options };
    enum exit_code code = EXIT_DONE;
    bool go_on = false;
    int r = command_app(options, &app);
    if (r != 0)
        return (enum exit_code)r;
    watcher_init(&session.watcher, json || quiet);
    session.app = xstrdup(app);
    session.watcher.json = json;
    r = state_open(options->state_directory, app, false, &session.state, &err);
    if (r == -ENOENT) {
        error_done(&err);
        r = 0;
    } else if (r >= 0) {
        session.watcher.measure.state = session.state;
        r = state_lock(session.state, deadline_in(SESSION_LOCK_TIME), &err);
        code = r == -EBUSY ? EXIT_LOCKED : EXIT_INCOMPLETE;
        if (r >= 0)
            r = session_recover(&session, &go_on, &code, &err);
    }
    if (r < 0) {
        code = session_fail(&session, code == EXIT_DONE ? EXIT_INCOMPLETE : code, &err);
    } else if (r == 0) {
        code = EXIT_DONE;
        if (json)
            output_json(json_null(), NULL);
        else if (!quiet)
            terminal_print(&session.watcher.terminal, TONE_PLAIN, "%s: there is nothing to recover", app);
    }
    session_done(&session);
    return code;
}

enum exit_code recover_here(const struct options *options) {
    return recover_one(options, options->json, false);
}

/* How one application was found. */
enum finding {
    FINDING_NOTHING,
    FINDING_RUNS,   /* somebody works on it */
    FINDING_PERSON, /* its rollback failed, in this boot already: trying again every few minutes helps nobody
                     */
    FINDING_OPEN,
};

static int look_at(const char *state_directory, const char *app, enum finding *ret, struct error *err) {
    _cleanup_state_ struct state *state = NULL;
    _cleanup_record_ struct record *record = NULL;
    char boot_id[37];
    pid_t pid;
    *ret = FINDING_NOTHING;
    int r = state_open(state_directory, app, false, &state, err);
    if (r >= 0)
        r = state_load(state, &record, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    clock_boot_id(boot_id);
    if (state && state_is_locked(state, &pid))
        *ret = FINDING_RUNS;
    else if (r < 0)
        return r;
    else if (record->outcome == OUTCOME_ROLLBACK_FAILED && string_equal(record->boot_id, boot_id))
        *ret = FINDING_PERSON;
    else
        *ret = FINDING_OPEN;
    error_done(err);
    return 0;
}

/* Asks its unit, which goes on by itself; or does it here, where there is none. Not in a service's process,
 * though: the one that looks for open transactions has a sandbox in which none could be finished. */
static int begin(const struct options *options, const char *app, enum exit_code *ret_code,
                 struct error *err) {
    _cleanup_unit_ struct unit unit = { 0 };
    struct options of_one = *options;
    of_one.app = app;
    *ret_code = EXIT_INCOMPLETE;
    int r = unit_find(&of_one, app, &unit, err);
    if (r == 0 && getenv("INVOCATION_ID") && !options->here)
        return error_set(
            err, ENOENT,
            "%s: an open transaction was found, but upgrade-watchdog@%s.service is not installed or is "
            "masked; upgrade-watchdog recover %s --here finishes it",
            app, app, app);
    if (r == 0) {
        *ret_code = recover_one(&of_one, false, options->json);
        return 0;
    }
    if (r >= 0)
        r = request_write(app, &(struct request){ REQUEST_RECOVER }, err);
    if (r >= 0 && (r = unit_start(&unit, false, err)) < 0)
        (void)request_remove(app, NULL);
    if (r < 0)
        return r;
    command_warn("%s: an open transaction was found; %s finishes it", app, unit.name);
    *ret_code = EXIT_DONE;
    return 0;
}

/* 1 when there was something to do, with what became of it. */
static int see_to(const struct options *options, const char *app, enum exit_code *ret_code,
                  struct error *err) {
    enum finding finding;
    *ret_code = EXIT_INCOMPLETE;
    int r = look_at(options->state_directory, app, &finding, err);
    if (r < 0)
        return r;
    switch (finding) {
    case FINDING_OPEN:
        r = begin(options, app, ret_code, err);
        return r < 0 ? r : 1;
    case FINDING_PERSON: /* was told when it was found out: a timer's look every two minutes says no more */
        if (isatty(STDERR_FILENO))
            command_warn("%s: its rollback is incomplete and a person is needed: upgrade-watchdog status %s",
                         app, app);
        return 1;
    case FINDING_NOTHING:
    case FINDING_RUNS:
        break;
    }
    *ret_code = EXIT_DONE;
    return 0;
}

static enum exit_code recover_all(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strings_ char **names = NULL;
    _cleanup_json_ json_t *list = json_array();
    enum exit_code worst = EXIT_DONE;
    if (history_applications(options->state_directory, &names, &err) < 0)
        return (enum exit_code)command_fail(options, EXIT_INCOMPLETE, &err);
    for (size_t i = 0; names && names[i]; i++) {
        _cleanup_error_ struct error failure = ERROR_NONE;
        enum exit_code code;
        int r = see_to(options, names[i], &code, &failure);
        struct options of_one = *options;
        of_one.app = names[i];
        if (r < 0)
            command_warn("%s", error_text(&failure));
        /* Something is open, and its unit may not have come up: past its start limit it does not. */
        if (r != 0)
            tell_failed(&of_one, names[i]);
        else
            tell_spooled(&of_one, names[i], false);
        if (r != 0) {
            json_t *row = json_object();
            json_object_set_new(row, "app", json_text_string(names[i]));
            json_object_set_new(row, "exit", json_integer(code));
            json_array_append_new(list, row);
        }
        worst = code > worst ? code : worst;
    }
    return options->json ? (enum exit_code)command_json(options, worst, list) : worst;
}

int command_recover(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_unit_ struct unit unit = { 0 };
    _cleanup_free_ char *app = NULL;
    enum finding finding;
    if (!options->app)
        return recover_all(options);
    int r = command_app(options, &app);
    if (r != 0)
        return r;
    r = unit_find(options, app, &unit, &err);
    if (r < 0)
        return command_fail(options, EXIT_INCOMPLETE, &err);
    if (r > 0 && look_at(options->state_directory, app, &finding, NULL) >= 0 && finding != FINDING_NOTHING)
        return follow(options, app, &unit, &(struct request){ REQUEST_RECOVER });
    return recover_here(options);
}
