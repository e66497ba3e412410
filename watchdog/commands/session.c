/* What a command that works on an application begins with. See session.h. */

#include "watchdog/commands/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "probes/set.h"
#include "watchdog/base/durable.h"
#include "watchdog/commands/services.h"
#include "watchdog/commands/tell.h"
#include "watchdog/notify/channels.h"
#include "watchdog/notify/spool.h"

#define SLOT_PAUSE USEC_PER_SEC
#define SLOT_EXTENSION USEC_PER_MINUTE

void session_done(struct session *session) {
    watcher_done(&session->watcher);
    settings_free(session->settings);
    state_free(session->state);
    if (session->app)
        tell_spooled(session->options, session->app, !session->options->unit);
    free(session->app);
}

static bool has_open_transaction(const struct state *state) {
    _cleanup_free_ char *path = state_path(state, "transaction.json");
    return access(path, F_OK) == 0;
}

/* A refusal that no record tells of, since there could be none: once a day, without a person who waits for
 * it. */
static void tell_of_refusal(const struct session *session, const struct error *why) {
    _cleanup_free_ char *directory = xasprintf("%s/%s", session->options->state_directory, session->app);
    char when[TIMESTAMP_SIZE];
    timestamp_format(when, clock_realtime());
    when[strcspn(when, "T")] = '\0';
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_message_ struct message *message = message_new(session->app, MESSAGE_FAILED, when);
    message->open = session->state && has_open_transaction(session->state);
    message->detail = xasprintf("no upgrade could be begun: %s", error_text(why));
    if (spool_put(directory, message, &err) < 0)
        command_warn("nobody can be told: %s", error_text(&err));
}

/* In a unit the line goes to the journal once, with its fields; a person at a terminal is told there. */
enum exit_code session_fail(struct session *session, enum exit_code code, const struct error *err) {
    _cleanup_free_ char *app = NULL;
    if (!session->watcher.terminal.silent || !journal_available())
        return (enum exit_code)command_fail(session->options, code, err);
    (void)settings_app_name(session->options->app, &app, NULL);
    const struct journal journal = { .app = app };
    journal_send(&journal, EVENT_FAILURE, &(struct journal_fields){ .reason = error_text(err) }, "%s",
                 error_text(err));
    journal_settle();
    if (code == EXIT_REFUSED && session->app && !session->options->unit)
        tell_of_refusal(session, err);
    return code;
}

int session_configure(struct session *session, const struct options *options, struct error *err) {
    *session = (struct session){ .options = options };
    watcher_init(&session->watcher, options->json);
    session->watcher.options = options;
    int r = settings_load(options->config_directory, options->app, &session->settings, err);
    if (r < 0)
        return r;
    session->app = xstrdup(session->settings->app);
    _cleanup_probe_set_ struct probe_set *set = NULL;
    r = probe_set_new(session->settings, &set, err);
    if (r >= 0)
        r = channels_check(session->settings, err);
    return r < 0 ? r : services_check(session->settings, err);
}

/* systemd waits as long as it hears that somebody does (sd_notify(3), EXTEND_TIMEOUT_USEC). After a recovery
 * its watchdog runs already: this loop is the main one then, and goes on by itself. */
static void wait_on(struct session *session, const struct error *why) {
    const char *app = session->settings->app;
    journal_status("%s: waits for its turn: %s", app, error_text(why));
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)SLOT_EXTENSION);
    (void)sd_notify(0, "WATCHDOG=1");
}

int session_take_slot(struct session *session, struct error *err) {
    usec_t deadline = deadline_in(SESSION_SLOT_TIME);
    bool told = false;
    for (;;) {
        _cleanup_error_ struct error busy = ERROR_NONE;
        int r = state_lock_slot(session->state, session->settings->application.slots, &busy);
        if (r != -EBUSY)
            return r < 0 ? error_move(err, &busy) : 0;
        if (!told)
            terminal_tell(&session->watcher.terminal, TONE_UNSURE, "waiting for its turn (Slots=): %s",
                          error_text(&busy));
        told = true;
        wait_on(session, &busy);
        if (!deadline_sleep(deadline, SLOT_PAUSE))
            return error_set(err, EBUSY, "its turn (Slots=) did not come in 12 hours: %s", error_text(&busy));
    }
}

int session_open(struct session *session, bool slot, struct error *err, enum exit_code *ret_code) {
    *ret_code = EXIT_REFUSED;
    int r = state_open(session->options->state_directory, session->settings->app, true, &session->state, err);
    session->watcher.measure.state = session->state;
    if (r >= 0 && slot && !has_open_transaction(session->state))
        r = session_take_slot(session, err);
    if (r >= 0)
        r = state_lock(session->state, deadline_in(SESSION_LOCK_TIME), err);
    if (r == -EBUSY)
        *ret_code = EXIT_LOCKED;
    return r;
}

int session_begin(struct session *session, const struct options *options, struct error *err,
                  enum exit_code *ret_code) {
    *ret_code = EXIT_CONFIGURATION;
    int r = session_configure(session, options, err);
    return r < 0 ? r : session_open(session, false, err, ret_code);
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
