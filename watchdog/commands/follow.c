/* A unit followed on the terminal. See follow.h. */

#include "watchdog/commands/follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/watcher.h"

#define TICK (250 * USEC_PER_MSEC)
#define START_TIME (30 * USEC_PER_SEC) /* for systemd to begin with a start it has accepted */
#define DRAIN_TIME USEC_PER_SEC        /* for the last records to reach the journal */

struct follower {
    const struct options *options;
    const char *app;
    const struct unit *unit;
    struct state *state;
    sd_journal *journal; /* NULL: there is none to read */
    int signals;
    struct watcher watcher;
    char before[33]; /* the unit's invocation before this one */
    char *id;        /* of the transaction; NULL: none yet */
};

static void follower_done(struct follower *self) {
    watcher_done(&self->watcher);
    sd_journal_close(self->journal);
    if (self->signals >= 0)
        close(self->signals);
    state_free(self->state);
    free(self->id);
}

/* From here on Ctrl-C and a lost terminal are read, and do not end the process in the middle of a line. */
static int take_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The journal of the unit, from now on. The match is a field that journald itself sets: nobody else's records
 * are shown. */
static sd_journal *open_journal(const struct unit *unit) {
    sd_journal *journal = NULL;
    _cleanup_free_ char *match = xasprintf("_SYSTEMD_UNIT=%s", unit->name);
    if (sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY) >= 0 &&
        sd_journal_add_match(journal, match, 0) >= 0 && sd_journal_seek_tail(journal) >= 0) {
        /* From the tail nothing is ever reached where nothing is there yet: the unit's first run. */
        if (sd_journal_previous(journal) <= 0)
            (void)sd_journal_seek_head(journal);
        return journal;
    }
    sd_journal_close(journal);
    return NULL;
}

static char *field(sd_journal *journal, const char *name) {
    const void *data;
    size_t size, skip = strlen(name) + 1;
    if (sd_journal_get_data(journal, name, &data, &size) < 0 || size < skip)
        return NULL;
    return xstrndup((const char *)data + skip, size - skip);
}

static bool is_event(const char *message_id, enum event event) {
    return string_equal(message_id, events[event].message_id);
}

/* Phases as phases, what the program says besides as lines; outcomes are told at the end, in full. */
static void show_record(struct follower *self) {
    struct terminal *terminal = &self->watcher.terminal;
    _cleanup_free_ char *message = field(self->journal, "MESSAGE"), *id = field(self->journal, "UPGRADE_ID"),
                        *kind = field(self->journal, "MESSAGE_ID"),
                        *phase = field(self->journal, "UPGRADE_PHASE"),
                        *outcome = field(self->journal, "UPGRADE_OUTCOME"),
                        *priority = field(self->journal, "PRIORITY"),
                        *who = field(self->journal, "SYSLOG_IDENTIFIER");
    int level = priority ? atoi(priority) : LOG_INFO;
    if (id)
        replace_string(self->id, xstrdup(id));
    if (!message || outcome || !string_equal(who, "upgrade-watchdog"))
        return;
    if (kind && is_event(kind, EVENT_PHASE)) {
        if (phase)
            terminal_phase(terminal, phase);
    } else if (level <= LOG_NOTICE || !kind) {
        terminal_tell(terminal, level <= LOG_WARNING ? TONE_UNSURE : TONE_PLAIN, "%s", message);
    }
}

static void show_records(struct follower *self) {
    if (!self->journal)
        return;
    (void)sd_journal_process(self->journal);
    while (sd_journal_next(self->journal) > 0)
        show_record(self);
}

/* "qaid: backup, dump of \"qaid\", 3.1 MB": what stands behind the phase. */
static void show_status(struct follower *self, const char *text) {
    const char *what = strstr(text, ", ");
    if (what)
        terminal_progress(&self->watcher.terminal, what + 2, 0, 0);
    terminal_tick(&self->watcher.terminal);
}

/* Waits a moment for a record or a signal. Returns whether the person has left. */
static bool pause_is_ended(struct follower *self) {
    struct pollfd fds[2] = { { .fd = self->signals, .events = POLLIN }, { .fd = -1 } };
    if (self->journal)
        fds[1] = (struct pollfd){ .fd = sd_journal_get_fd(self->journal), .events = POLLIN };
    (void)poll(fds, 2, (int)(TICK / USEC_PER_MSEC));
    return fds[0].revents & POLLIN;
}

static enum exit_code detached(struct follower *self) {
    terminal_tell(&self->watcher.terminal, TONE_UNSURE,
                  "%s goes on without this terminal. To follow it again: journalctl -fu %s\n"
                  "How it ended: upgrade-watchdog status %s",
                  self->app, self->unit->name, self->app);
    return (enum exit_code)EXIT_DETACHED;
}

/* The record of the transaction, closed or still open; NULL where the unit made none. */
static struct record *load_record(struct follower *self) {
    struct record *record = NULL;
    if (self->id && (state_load_closed(self->state, self->id, &record, NULL) >= 0 ||
                     state_load(self->state, &record, NULL) >= 0))
        return record;
    return NULL;
}

static enum exit_code failed(struct follower *self, enum exit_code code, const struct error *err) {
    return (enum exit_code)command_fail(self->options, code, err);
}

static enum exit_code tell_end(struct follower *self, const struct unit_state *end) {
    _cleanup_error_ struct error err = ERROR_NONE;
    for (usec_t deadline = deadline_in(DRAIN_TIME); deadline_left(deadline) > 0;) {
        show_records(self);
        if (pause_is_ended(self))
            break;
    }
    if (request_remove(self->app, NULL) > 0) { /* a timer was quicker, in the same moment */
        error_set(&err, EBUSY,
                  "%s ran for somebody else, and what was asked for here was not begun: once more, please",
                  self->unit->name);
        return failed(self, EXIT_LOCKED, &err);
    }
    _cleanup_record_ struct record *record = load_record(self);
    if (end->code != CLD_EXITED) {
        error_set(&err, EIO, "%s was killed (signal %d) and does not start again: upgrade-watchdog status %s",
                  self->unit->name, end->status, self->app);
        return failed(self, EXIT_INCOMPLETE, &err);
    }
    if (record) {
        watcher_result(&self->watcher, record);
    } else if (end->status != EXIT_DONE) {
        error_set(&err, EIO, "%s ended with exit status %d: journalctl -u %s", self->unit->name, end->status,
                  self->unit->name);
        return failed(self, (enum exit_code)end->status, &err);
    } else if (self->options->json) {
        output_json(json_null(), NULL);
    } else {
        terminal_print(&self->watcher.terminal, TONE_PLAIN, "%s: there was nothing to do", self->app);
    }
    return (enum exit_code)end->status;
}

/* The transaction's name, also where the journal does not tell it. */
static void learn_id(struct follower *self) {
    _cleanup_record_ struct record *record = NULL;
    if (!self->id && state_load(self->state, &record, NULL) >= 0)
        self->id = xstrdup(record->id);
}

/* Until the unit has ended for good: one that systemd starts again after a crash is followed on. */
static enum exit_code watch(struct follower *self) {
    usec_t begin_until = deadline_in(START_TIME);
    for (;;) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_unit_state_ struct unit_state now = { 0 };
        if (pause_is_ended(self))
            return detached(self);
        show_records(self);
        if (unit_look(self->unit, &now, &err) < 0)
            return failed(self, EXIT_INCOMPLETE, &err);
        show_status(self, now.text);
        bool begun = !string_equal(now.invocation, self->before) && *now.invocation;
        if (begun)
            learn_id(self);
        if (begun && !unit_state_busy(&now))
            return tell_end(self, &now);
        if (!begun && !unit_state_busy(&now) && deadline_left(begin_until) == 0) {
            (void)request_remove(self->app, NULL);
            error_set(&err, EIO, "systemd did not start %s: systemctl status %s", self->unit->name,
                      self->unit->name);
            return failed(self, EXIT_INCOMPLETE, &err);
        }
    }
}

enum exit_code follow(const struct options *options, const char *app, const struct unit *unit,
                      const struct request *request) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_unit_state_ struct unit_state now = { 0 };
    struct follower self = { .options = options, .app = app, .unit = unit, .signals = -1 };
    enum exit_code code = EXIT_REFUSED;
    watcher_init(&self.watcher, options->json);
    int r = unit_look(unit, &now, &err);
    if (r >= 0 && unit_state_busy(&now)) {
        code = EXIT_LOCKED;
        r = error_set(&err, EBUSY, "%s runs already: journalctl -fu %s", unit->name, unit->name);
    }
    if (r >= 0)
        r = state_open(options->state_directory, app, true, &self.state, &err);
    if (r >= 0) {
        memcpy(self.before, now.invocation, sizeof(self.before));
        self.journal = open_journal(unit);
        self.signals = take_signals();
        r = request_write(app, request, &err);
    }
    if (r >= 0 && (r = unit_start(unit, true, &err)) < 0)
        (void)request_remove(app, NULL);
    code = r < 0 ? failed(&self, code, &err) : watch(&self);
    follower_done(&self);
    return code;
}
