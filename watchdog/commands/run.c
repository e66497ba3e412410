/* The commands that run a transaction: upgrade, recover, rollback. */

#include "watchdog/commands/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probes/set.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/watcher.h"
#include "watchdog/config/settings.h"
#include "watchdog/snapshot/store.h"
#include "watchdog/transaction/by-hand.h"

#define LOCK_TIME USEC_PER_MINUTE /* for children of a dead run to end */

/* What every command begins with: configuration, state, lock. */
struct session {
    const struct options *options;
    struct watcher watcher;
    struct settings *settings;
    struct state *state;
};

static void session_done(struct session *session) {
    watcher_done(&session->watcher);
    settings_free(session->settings);
    state_free(session->state);
}

static enum exit_code fail(struct session *session, enum exit_code code, const struct error *err) {
    return (enum exit_code)command_fail(session->options, code, err);
}

static int open_state(struct session *session, const char *app, struct error *err, enum exit_code *ret_code) {
    *ret_code = EXIT_REFUSED;
    int r = state_open(session->options->state_directory, app, true, &session->state, err);
    if (r < 0)
        return r;
    r = state_lock(session->state, deadline_in(LOCK_TIME), err);
    if (r == -EBUSY)
        *ret_code = EXIT_LOCKED;
    return r;
}

static int begin(struct session *session, const struct options *options, struct error *err,
                 enum exit_code *ret_code) {
    *session = (struct session){ .options = options };
    watcher_init(&session->watcher, options->json);
    *ret_code = EXIT_CONFIGURATION;
    int r = settings_load(options->config_directory, options->app, &session->settings, err);
    if (r < 0)
        return r;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    r = probe_set_new(session->settings, &set, err);
    return r < 0 ? r : open_state(session, session->settings->app, err, ret_code);
}

/* The configuration as it is now goes with the transaction: recovery does not depend on later edits. */
static int keep_configuration(const struct session *session, struct record *record, struct error *err) {
    _cleanup_free_ char *directory = state_transaction_path(session->state, record->id, NULL);
    _cleanup_free_ char *path = state_transaction_path(session->state, record->id, "app.conf");
    _cleanup_free_ char *text = settings_effective(session->settings);
    replace_string(record->config, xstrdup(session->settings->path));
    int r = durable_mkdir(directory, 0700, err);
    return r < 0 ? r : durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

/* 1 when there was an open transaction, finished now with *ret_code; 0 when there is none. */
static int recover_first(struct session *session, bool *ret_go_on, enum exit_code *ret_code,
                         struct error *err) {
    _cleanup_record_ struct record *record = NULL;
    int r = state_load(session->state, &record, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    if (r < 0)
        return r;
    bool touched = record->phase >= PHASE_QUIESCE && record->phase != PHASE_FORGET;
    char *phase = xasprintf("an unfinished transaction, %s, was found in phase %s", record->id,
                            phase_name((enum phase)record->phase));
    session->watcher.observer.event(&session->watcher, record, "recovered", phase);
    free(phase);
    *ret_code = supervisor_run(session->state, record, PHASE_NONE, &session->watcher.observer);
    /* One thing a run: only where nothing had been touched yet, the command goes on with what it was asked
     * for. */
    *ret_go_on = *ret_go_on && !touched && record->outcome != OUTCOME_NONE && *ret_code != EXIT_INCOMPLETE;
    if (!*ret_go_on)
        watcher_result(&session->watcher, record);
    return 1;
}

static enum exit_code upgrade(struct session *session) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_record_ struct record *record = record_new(session->settings->app, KIND_UPGRADE);
    record->again = session->options->again;
    if (keep_configuration(session, record, &err) < 0)
        return fail(session, EXIT_REFUSED, &err);
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
    int r = begin(&session, options, &err, &code);
    if (r >= 0) {
        code = EXIT_INCOMPLETE;
        r = recover_first(&session, &go_on, &code, &err);
    }
    if (r < 0)
        code = fail(&session, code, &err);
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
        r = state_lock(session.state, deadline_in(LOCK_TIME), &err);
        code = r == -EBUSY ? EXIT_LOCKED : EXIT_INCOMPLETE;
        if (r >= 0)
            r = recover_first(&session, &go_on, &code, &err);
    }
    if (r < 0) {
        code = fail(&session, code == EXIT_DONE ? EXIT_INCOMPLETE : code, &err);
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
        return fail(session, EXIT_REFUSED, &err);
    if (!confirmed(session, record)) {
        error_set(&err, ECANCELED, "not confirmed: nothing was touched (--yes goes on without a question)");
        return fail(session, EXIT_REFUSED, &err);
    }
    if (keep_configuration(session, record, &err) < 0 || by_hand_keep(session->state, record, &err) < 0)
        return fail(session, EXIT_REFUSED, &err);
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
    int r = begin(&session, options, &err, &code);
    if (r >= 0) {
        code = EXIT_INCOMPLETE;
        r = recover_first(&session, &go_on, &code, &err);
    }
    if (r < 0)
        code = fail(&session, code, &err);
    else if (r == 0 || go_on)
        code = rollback(&session);
    session_done(&session);
    return code;
}
