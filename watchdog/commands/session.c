/* What a command that works on an application begins with. See session.h. */

#include "watchdog/commands/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "probes/set.h"
#include "watchdog/base/durable.h"
#include "watchdog/commands/services.h"

void session_done(struct session *session) {
    watcher_done(&session->watcher);
    settings_free(session->settings);
    state_free(session->state);
}

enum exit_code session_fail(struct session *session, enum exit_code code, const struct error *err) {
    return (enum exit_code)command_fail(session->options, code, err);
}

static int open_state(struct session *session, const char *app, struct error *err, enum exit_code *ret_code) {
    *ret_code = EXIT_REFUSED;
    int r = state_open(session->options->state_directory, app, true, &session->state, err);
    if (r < 0)
        return r;
    r = state_lock(session->state, deadline_in(SESSION_LOCK_TIME), err);
    if (r == -EBUSY)
        *ret_code = EXIT_LOCKED;
    return r;
}

int session_begin(struct session *session, const struct options *options, struct error *err,
                  enum exit_code *ret_code) {
    *session = (struct session){ .options = options };
    watcher_init(&session->watcher, options->json);
    *ret_code = EXIT_CONFIGURATION;
    int r = settings_load(options->config_directory, options->app, &session->settings, err);
    if (r < 0)
        return r;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    r = probe_set_new(session->settings, &set, err);
    if (r >= 0)
        r = services_check(session->settings, err);
    return r < 0 ? r : open_state(session, session->settings->app, err, ret_code);
}

int session_keep_configuration(const struct session *session, struct record *record, struct error *err) {
    _cleanup_free_ char *directory = state_transaction_path(session->state, record->id, NULL);
    _cleanup_free_ char *path = state_transaction_path(session->state, record->id, "app.conf");
    _cleanup_free_ char *text = settings_effective(session->settings);
    replace_string(record->config, xstrdup(session->settings->path));
    int r = durable_mkdir(directory, 0700, err);
    return r < 0 ? r : durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

int session_recover(struct session *session, bool *ret_go_on, enum exit_code *ret_code, struct error *err) {
    _cleanup_record_ struct record *record = NULL;
    int r = state_load(session->state, &record, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    if (r < 0)
        return r;
    char *phase = xasprintf("an unfinished transaction, %s, was found in phase %s", record->id,
                            phase_name((enum phase)record->phase));
    session->watcher.observer.event(&session->watcher, record, "recovered", phase);
    free(phase);
    *ret_code = supervisor_run(session->state, record, PHASE_NONE, &session->watcher.observer);
    /* The old release runs on as it did: the command goes on with what it was asked for. Any other end is
     * told first. */
    *ret_go_on = *ret_go_on && (record->outcome == OUTCOME_ABORTED || record->outcome == OUTCOME_REFUSED ||
                                record->outcome == OUTCOME_UP_TO_DATE);
    if (!*ret_go_on)
        watcher_result(&session->watcher, record);
    else
        terminal_tell(&session->watcher.terminal, TONE_UNSURE, "%s: %s", record->id,
                      outcome_name((enum outcome)record->outcome));
    return 1;
}
