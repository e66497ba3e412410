/* The commands that run a transaction: upgrade, rollback. Typed by a person they ask the application's unit,
 * and follow it; in the unit, with --here, or without systemd they do it. */

#include "watchdog/commands/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/commands/follow.h"
#include "watchdog/commands/recover.h"
#include "watchdog/commands/session.h"
#include "watchdog/transaction/by-hand.h"

#define NOT_CONFIRMED "not confirmed: nothing was touched (--yes goes on without a question)"

static enum exit_code upgrade(struct session *session) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_record_ struct record *record = record_new(session->settings->app, KIND_UPGRADE);
    record->again = session->options->again;
    if (session_keep_configuration(session, record, &err) < 0)
        return session_fail(session, EXIT_REFUSED, &err);
    session->watcher.requested = session->options->unit;
    session->watcher.observer.event(&session->watcher, record, "started", "the transaction begins");
    enum exit_code code = supervisor_run(session->state, record, PHASE_PREFLIGHT, &session->watcher.observer);
    watcher_result(&session->watcher, record);
    return code;
}

static enum exit_code upgrade_here(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct session session;
    enum exit_code code = EXIT_CONFIGURATION;
    bool go_on = true;
    int r = session_configure(&session, options, &err);
    if (r >= 0)
        r = session_open(&session, true, &err, &code);
    if (r >= 0) {
        code = EXIT_INCOMPLETE;
        r = session_recover(&session, &go_on, &code, &err);
    }
    if (r > 0 && go_on && (r = session_take_slot(&session, &err)) < 0)
        code = EXIT_LOCKED;
    if (r < 0)
        code = session_fail(&session, code, &err);
    else if (go_on)
        code = upgrade(&session);
    session_done(&session);
    return code;
}

static bool confirmed(const struct session *session, const struct record *record) {
    char answer[16] = "", when[TIMESTAMP_SIZE] = "?";
    if (session->options->yes)
        return true;
    timestamp_format(when, by_hand_moment(record));
    fprintf(stderr,
            "Roll %s back to the snapshot %s of %s?\n"
            "Database, files and images go back to that minute; what was written since is kept in quarantine "
            "only.\n"
            "Type yes to go on: ",
            record->app, record->snapshot, when);
    return isatty(STDIN_FILENO) && fgets(answer, sizeof(answer), stdin) && string_equal(answer, "yes\n");
}

static enum exit_code rollback(struct session *session) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_record_ struct record *record = record_new(session->settings->app, KIND_ROLLBACK);
    int r = by_hand_prepare(session->state, session->settings, session->options->id, record, &err);
    if (r < 0)
        return session_fail(session, EXIT_REFUSED, &err);
    if (!confirmed(session, record)) {
        error_set(&err, ECANCELED, NOT_CONFIRMED);
        return session_fail(session, EXIT_REFUSED, &err);
    }
    if (session_keep_configuration(session, record, &err) < 0 ||
        by_hand_images(session->state, session->settings, record, &err) < 0 ||
        by_hand_keep(session->state, record, &err) < 0)
        return session_fail(session, EXIT_REFUSED, &err);
    session->watcher.requested = session->options->unit;
    session->watcher.observer.event(&session->watcher, record, "started", "a rollback by hand begins");
    enum exit_code code = supervisor_run(session->state, record, PHASE_UNDO_STOP, &session->watcher.observer);
    watcher_result(&session->watcher, record);
    return code;
}

static enum exit_code rollback_here(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct session session;
    enum exit_code code;
    bool go_on = true;
    int r = session_begin(&session, options, &err, &code);
    if (r >= 0) {
        code = EXIT_INCOMPLETE;
        r = session_recover(&session, &go_on, &code, &err);
    }
    if (r < 0)
        code = session_fail(&session, code, &err);
    else if (go_on)
        code = rollback(&session);
    session_done(&session);
    return code;
}

/* What a person has asked for, else an upgrade. A request that cannot be read stands in nobody's way: what is
 * open is finished, and nothing else is begun, since nobody knows what was wanted. */
static enum exit_code run_unit(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_request_ struct request request = { 0 };
    _cleanup_free_ char *app = NULL;
    struct options asked = *options;
    enum exit_code code = (enum exit_code)command_app(options, &app);
    if (code != EXIT_DONE)
        return code;
    if (request_read(app, &request, &err) < 0) {
        command_warn("%s; what is open is finished, no upgrade is begun", error_text(&err));
        request.kind = REQUEST_RECOVER;
    }
    asked.unit = request.kind != REQUEST_NONE; /* somebody asked: to be told when the record is open */
    asked.yes = true;
    asked.id = request.id;
    asked.again = options->again || request.again;
    if (request.kind == REQUEST_ROLLBACK)
        code = rollback_here(&asked);
    else if (request.kind == REQUEST_RECOVER)
        code = recover_here(&asked);
    else
        code = upgrade_here(&asked);
    if (request.kind != REQUEST_NONE)
        (void)request_remove(app, NULL);
    if (code == EXIT_DONE || code == EXIT_REFUSED)
        (void)sd_notify(0, "READY=1"); /* where no transaction was opened: no failed start all the same */
    return code;
}

/* The application's name and its unit. 1: it is to do the work; 0: this process is; else negative, with
 * *ret_code after having said what is wrong. */
static int find_unit(const struct options *options, char **ret_app, struct unit *ret_unit, int *ret_code) {
    _cleanup_error_ struct error err = ERROR_NONE;
    *ret_code = command_app(options, ret_app);
    if (*ret_code != 0)
        return -EINVAL;
    int r = unit_find(options, *ret_app, ret_unit, &err);
    if (r < 0)
        *ret_code = command_fail(options, EXIT_REFUSED, &err);
    return r;
}

int command_upgrade(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_unit_ struct unit unit = { 0 };
    _cleanup_free_ char *app = NULL;
    int code = 0;
    if (options->unit)
        return run_unit(options);
    int r = find_unit(options, &app, &unit, &code);
    if (r <= 0)
        return r < 0 ? code : (int)upgrade_here(options);
    struct session session;
    r = session_configure(&session, options, &err);
    session_done(&session);
    if (r < 0)
        return command_fail(options, EXIT_CONFIGURATION, &err);
    return follow(options, app, &unit, &(struct request){ REQUEST_UPGRADE, .again = options->again });
}

/* What would be gone back to is looked up and confirmed here; the unit is asked for that very snapshot. */
static int ask_rollback(struct session *session, char **ret_id, struct error *err) {
    _cleanup_record_ struct record *record = record_new(session->settings->app, KIND_ROLLBACK);
    int r = state_open(session->options->state_directory, session->settings->app, true, &session->state, err);
    if (r >= 0)
        r = by_hand_prepare(session->state, session->settings, session->options->id, record, err);
    if (r < 0)
        return r;
    if (!confirmed(session, record))
        return error_set(err, ECANCELED, NOT_CONFIRMED);
    *ret_id = xstrdup(record->snapshot);
    return 0;
}

int command_rollback(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_unit_ struct unit unit = { 0 };
    _cleanup_free_ char *app = NULL, *id = NULL;
    int code = 0, r = find_unit(options, &app, &unit, &code);
    if (r <= 0)
        return r < 0 ? code : (int)rollback_here(options);
    struct session session;
    code = EXIT_CONFIGURATION;
    r = session_configure(&session, options, &err);
    if (r >= 0) {
        code = EXIT_REFUSED;
        r = ask_rollback(&session, &id, &err);
    }
    session_done(&session);
    if (r < 0)
        return command_fail(options, code, &err);
    return follow(options, app, &unit, &(struct request){ REQUEST_ROLLBACK, .id = id });
}
