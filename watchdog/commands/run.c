/* The commands that run a transaction: upgrade, recover, rollback. */

#include "watchdog/commands/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/commands/session.h"
#include "watchdog/transaction/by-hand.h"

static enum exit_code upgrade(struct session *session) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_record_ struct record *record = record_new(session->settings->app, KIND_UPGRADE);
    record->again = session->options->again;
    if (session_keep_configuration(session, record, &err) < 0)
        return session_fail(session, EXIT_REFUSED, &err);
    session->watcher.observer.event(&session->watcher, record, "started", "the transaction begins");
    enum exit_code code = supervisor_run(session->state, record, PHASE_PREFLIGHT, &session->watcher.observer);
    watcher_result(&session->watcher, record);
    return code;
}

int command_upgrade(const struct options *options) {
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
    else if (r == 0 || go_on)
        code = upgrade(&session);
    session_done(&session);
    return code;
}

/* Recovery needs no valid configuration: the transaction has its own. */
int command_recover(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *app = NULL;
    struct session session = { .options = options };
    enum exit_code code = EXIT_DONE;
    bool go_on = false;
    int r = command_app(options, &app);
    if (r != 0)
        return r;
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
        error_set(&err, ECANCELED, "not confirmed: nothing was touched (--yes goes on without a question)");
        return session_fail(session, EXIT_REFUSED, &err);
    }
    if (session_keep_configuration(session, record, &err) < 0 ||
        by_hand_keep(session->state, record, &err) < 0)
        return session_fail(session, EXIT_REFUSED, &err);
    session->watcher.observer.event(&session->watcher, record, "started", "a rollback by hand begins");
    enum exit_code code = supervisor_run(session->state, record, PHASE_UNDO_STOP, &session->watcher.observer);
    watcher_result(&session->watcher, record);
    return code;
}

int command_rollback(const struct options *options) {
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
    else if (r == 0 || go_on)
        code = rollback(&session);
    session_done(&session);
    return code;
}
