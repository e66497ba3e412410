/* recover. See recover.h. Without an application it is what upgrade-watchdog-recover.service runs at boot and
 * every few minutes: nothing where nothing is open, and never in the way of a run that lives. */

#include "watchdog/commands/recover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/audit/history.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/follow.h"
#include "watchdog/commands/session.h"

enum exit_code recover_here(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *app = NULL;
    struct session session = { .options = options };
    enum exit_code code = EXIT_DONE;
    bool go_on = false;
    int r = command_app(options, &app);
    if (r != 0)
        return (enum exit_code)r;
    watcher_init(&session.watcher, options->json);
    r = state_open(options->state_directory, app, false, &session.state, &err);
    if (r == -ENOENT) {
        error_done(&err);
        r = 0;
    } else if (r >= 0) {
        r = state_lock(session.state, deadline_in(SESSION_LOCK_TIME), &err);
        code = r == -EBUSY ? EXIT_LOCKED : EXIT_INCOMPLETE;
        if (r >= 0)
            r = session_recover(&session, &go_on, &code, &err);
    }
    if (r < 0) {
        code = session_fail(&session, code == EXIT_DONE ? EXIT_INCOMPLETE : code, &err);
    } else if (r == 0) {
        code = EXIT_DONE;
        if (options->json)
            output_json(json_null(), NULL);
        else
            terminal_print(&session.watcher.terminal, TONE_PLAIN, "%s: there is nothing to recover", app);
    }
    session_done(&session);
    return code;
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

/* Asks its unit, which goes on by itself; or does it here, where there is none. */
static enum exit_code begin(const struct options *options, const char *app) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_unit_ struct unit unit = { 0 };
    _cleanup_state_ struct state *state = NULL;
    struct options of_one = *options;
    int r = unit_find(options, app, &unit, &err);
    of_one.app = app;
    if (r == 0)
        return recover_here(&of_one);
    if (r >= 0)
        r = state_open(options->state_directory, app, false, &state, &err);
    if (r >= 0)
        r = request_write(state, &(struct request){ REQUEST_RECOVER }, &err);
    if (r >= 0 && (r = unit_start(&unit, false, &err)) < 0)
        (void)request_remove(state, NULL);
    if (r < 0)
        return (enum exit_code)command_fail(options, EXIT_INCOMPLETE, &err);
    command_warn("%s: an open transaction was found; %s finishes it", app, unit.name);
    return EXIT_DONE;
}

static enum exit_code recover_all(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strings_ char **names = NULL;
    enum exit_code worst = EXIT_DONE;
    if (history_applications(options->state_directory, &names, &err) < 0)
        return (enum exit_code)command_fail(options, EXIT_INCOMPLETE, &err);
    for (size_t i = 0; names && names[i]; i++) {
        _cleanup_error_ struct error damage = ERROR_NONE;
        enum exit_code code = EXIT_DONE;
        enum finding finding;
        if (look_at(options->state_directory, names[i], &finding, &damage) < 0) {
            command_warn("%s", error_text(&damage));
            code = EXIT_INCOMPLETE;
        } else if (finding == FINDING_PERSON && isatty(STDERR_FILENO)) { /* told when it was found out */
            command_warn("%s: its rollback is incomplete and a person is needed: upgrade-watchdog status %s",
                         names[i], names[i]);
            code = EXIT_INCOMPLETE;
        } else if (finding == FINDING_OPEN) {
            code = begin(options, names[i]);
        }
        worst = code > worst ? code : worst;
    }
    return worst;
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
