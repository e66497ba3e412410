/* The supervisor. See supervisor.h. All decisions are machine.c's; this file only carries them out. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"
#include "watchdog/notify/channels.h"
#include "watchdog/transaction/inhibitor.h"
#include "watchdog/transaction/supervisor-self.h"
#include "watchdog/transaction/telling.h"

#define REST_TIME (5 * USEC_PER_MINUTE) /* how long recovery tries to reach Docker and the database */
#define REST_TIME_ELSEWHERE                                                                                  \
    USEC_PER_HOUR /* the same for a server that others look after: they have maintenance */
#define TICK USEC_PER_SEC
#define RETRY_PAUSE (2 * USEC_PER_SEC)
#define FREEZE_MARGIN USEC_PER_MINUTE
#define START_TIMEOUT_AUTO (180 * USEC_PER_SEC)

enum exit_code exit_code_of(enum outcome outcome) {
    switch (outcome) {
    case OUTCOME_UPGRADED:
    case OUTCOME_UP_TO_DATE:
        return EXIT_DONE;
    case OUTCOME_REFUSED:
    case OUTCOME_REJECTED:
        return EXIT_REFUSED;
    case OUTCOME_ABORTED:
        return EXIT_ABORTED;
    case OUTCOME_ROLLED_BACK:
        return EXIT_ROLLED_BACK;
    case OUTCOME_NONE:
    case OUTCOME_ROLLBACK_FAILED:
        break;
    }
    return EXIT_INCOMPLETE;
}

void supervisor_tell(struct supervisor *self, const char *kind, const char *text) {
    if (self->observer->event)
        self->observer->event(self->observer->userdata, self->record, kind, text);
}

static bool system_stops(void) {
    sd_bus *bus = NULL;
    _cleanup_free_ char *state = NULL;
    if (access("/run/systemd/system", F_OK) < 0 || sd_bus_open_system(&bus) < 0)
        return false;
    sd_bus_set_method_call_timeout(bus, USEC_PER_SEC);
    sd_bus_get_property_string(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                               "org.freedesktop.systemd1.Manager", "SystemState", NULL, &state);
    sd_bus_flush_close_unref(bus);
    return string_equal(state, "stopping");
}

/* The world as far as the record tells; .fenced only after a rest. */
static struct machine_world world_of(const struct supervisor *self) {
    return (struct machine_world){
        .fenced = self->fenced,
        .first_pass = self->record->first_pass != 0,
        .back_out_from = (enum phase)self->record->back_out_from,
        .attempts = self->attempts,
    };
}

static usec_t phase_time(const struct supervisor *self, enum phase phase) {
    if (machine_phases[phase].deadline)
        return machine_phases[phase].deadline;
    return phase == PHASE_FREEZE ? self->freeze_time : self->watch_time;
}

/* The unit counts as started when the record is open: from then on there is something to recover, and
 * systemd's watchdog runs (systemd.service(5), WatchdogSec=). */
static void tell_ready(struct supervisor *self) {
    if (!self->ready)
        sd_notify(0, "READY=1");
    self->ready = true;
}

static void finish(struct supervisor *self, enum exit_code code) {
    self->exit = code;
    sd_event_exit(self->event, 0);
}

static int save(struct supervisor *self, struct error *err) {
    return state_save(self->state, self->record, err);
}

/* Nothing can be recorded any more: doing without would break the promise, so everything stays for the next
 * start. */
static void cannot_record(struct supervisor *self, struct error *err) {
    supervisor_tell(self, "failure", error_text(err));
    finish(self, EXIT_INCOMPLETE);
}

/* Before the record is closed: whatever dies now, the message is on its way. That it cannot be written
 * changes nothing. */
static void tell_somebody(struct supervisor *self,
                          int (*what)(const struct state *, const struct record *, struct error *)) {
    _cleanup_error_ struct error err = ERROR_NONE;
    if (what(self->state, self->record, &err) < 0) {
        error_prefix(&err, "nobody is told");
        supervisor_tell(self, "warning", error_text(&err));
    }
}

static void note_end(struct supervisor *self, enum phase next);

static void close_transaction(struct supervisor *self, enum outcome outcome) {
    _cleanup_error_ struct error err = ERROR_NONE;
    self->record->outcome = (int)outcome;
    self->record->finished = clock_realtime();
    note_end(self, PHASE_NONE);
    if (self->tells && !self->record->locked_out)
        tell_somebody(self, telling_end);
    if (self->record->bad && state_add_bad(self->state, self->record, &err) < 0) {
        cannot_record(self, &err);
        return;
    }
    if (state_close(self->state, self->record, &err) < 0) {
        cannot_record(self, &err);
        return;
    }
    if (self->observer->end)
        self->observer->end(self->observer->userdata, self->record);
    finish(self, self->record->locked_out ? EXIT_LOCKED : exit_code_of(outcome));
}

static void close_by_phase(struct supervisor *self) {
    switch ((enum phase)self->record->phase) {
    case PHASE_COMMIT:
        close_transaction(self, OUTCOME_UPGRADED);
        break;
    case PHASE_UNDO_START:
        close_transaction(self, OUTCOME_ROLLED_BACK);
        break;
    case PHASE_FORGET: /* refused, up-to-date or aborted: decided when it was entered */
        close_transaction(self,
                          self->record->outcome ? (enum outcome)self->record->outcome : OUTCOME_ABORTED);
        break;
    default:
        close_transaction(self, OUTCOME_ABORTED);
    }
}

static void leave(struct supervisor *self) {
    supervisor_tell(self, "warning", "the transaction stays open, the next start goes on with it");
    if (self->observer->end)
        self->observer->end(self->observer->userdata, self->record);
    finish(self, EXIT_ABORTED);
}

/* A phase of the way back could not be completed: everything is kept, and a person is needed. */
void supervisor_incomplete(struct supervisor *self) {
    _cleanup_error_ struct error err = ERROR_NONE;
    if (self->reason && !self->record->cause)
        self->record->cause = xstrdup(self->reason);
    if (self->record->phase == PHASE_FORGET) {
        record_note(self->record, "not everything could be tidied up: %s", self->reason ? self->reason : "");
        save(self, NULL);
        leave(self);
        self->exit = exit_code_of((enum outcome)self->record->outcome);
        return;
    }
    if (self->record->phase != PHASE_COMMIT)
        self->record->outcome = OUTCOME_ROLLBACK_FAILED;
    record_note(self->record, "%s: %s", phase_name((enum phase)self->record->phase),
                self->reason ? self->reason : "failed");
    if (self->tells && self->record->phase != PHASE_COMMIT)
        tell_somebody(self, telling_end);
    if (save(self, &err) < 0)
        supervisor_tell(self, "failure", error_text(&err));
    if (self->observer->end)
        self->observer->end(self->observer->userdata, self->record);
    finish(self, EXIT_INCOMPLETE);
}

/* What the record says about a phase that ended, before the next one begins. */
static void note_end(struct supervisor *self, enum phase next) {
    struct record *record = self->record;
    enum phase phase = (enum phase)record->phase;
    if (phase != PHASE_NONE && self->phase_begun) {
        double before = json_number_value(json_object_get(record->seconds, phase_name(phase)));
        record_seconds(record, phase_name(phase),
                       clock_boottime() - self->phase_begun + (usec_t)(before * (double)USEC_PER_SEC));
    }
    bool turns_back = next == PHASE_BACK_OUT || next == PHASE_UNDO_STOP || next == PHASE_FORGET;
    if (turns_back && phase != next && !record->failed_phase) {
        record->failed_phase = (int)phase;
        if (self->reason && !record->cause)
            record->cause = xstrdup(self->reason);
    }
    if (next == PHASE_BACK_OUT && phase != PHASE_BACK_OUT)
        record->back_out_from = (int)phase;
    if (next == PHASE_FORGET && !record->outcome)
        record->outcome = phase <= PHASE_RESOLVE && !record->stop_asked && !self->recovering
                              ? OUTCOME_REFUSED
                              : OUTCOME_ABORTED;
}

static void begin_phase(struct supervisor *self, enum phase phase) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct record *record = self->record;
    note_end(self, phase);
    bool again = (enum phase)record->phase == phase;
    self->attempts = again && self->phase_begun ? self->attempts + 1 : 0;
    record->attempts = again ? record->attempts + 1 : 0;
    if (phase == PHASE_UNDO_STOP && !record->undone)
        record->undone = clock_realtime();
    record->phase = (int)phase;
    record->phase_started = clock_realtime();
    if (save(self, &err) < 0) {
        cannot_record(self, &err);
        return;
    }
    if (!self->ready && self->pings && !self->recovering)
        tell_somebody(self, telling_start);
    if (!self->ready && self->observer->opened)
        self->observer->opened(self->observer->userdata, record);
    tell_ready(self);
    self->phase_begun = clock_boottime();
    self->resting = false;
    if (self->observer->phase)
        self->observer->phase(self->observer->userdata, record);
    supervisor_begin_worker(self, phase, phase_time(self, phase));
}

static void begin_rest(struct supervisor *self, bool recovering) {
    self->recovering = recovering;
    self->resting = true;
    supervisor_begin_worker(self, PHASE_REST, machine_phases[PHASE_REST].deadline);
}

static int on_pause_over(sd_event_source *source, uint64_t now, void *userdata) {
    (void)source;
    (void)now;
    struct supervisor *self = userdata;
    self->pause = sd_event_source_disable_unref(self->pause);
    begin_rest(self, self->recovering);
    return 0;
}

/* Again in a moment: Docker may be on its way back. */
static void rest_later(struct supervisor *self) {
    sd_event_add_time_relative(self->event, &self->pause, CLOCK_BOOTTIME, RETRY_PAUSE, 0, on_pause_over,
                               self);
}

static void carry_out(struct supervisor *self, struct machine_move move) {
    switch (move.move) {
    case MOVE_STEP:
    case MOVE_PHASE:
        begin_phase(self, move.phase);
        break;
    case MOVE_CLOSE:
        close_by_phase(self);
        break;
    case MOVE_LEAVE:
        leave(self);
        break;
    case MOVE_INCOMPLETE:
        supervisor_incomplete(self);
        break;
    case MOVE_WAIT:
        break;
    }
}

/* Does the way from here depend on the database's fence, or on a world at rest? Before quiesce nothing was
 * touched. */
static bool needs_rest(enum phase phase) {
    return phase >= PHASE_QUIESCE && phase != PHASE_FORGET;
}

static void after_rest(struct supervisor *self) {
    struct machine_world world = world_of(self);
    enum phase phase = (enum phase)self->record->phase;
    self->resting = false;
    if (self->record->stop_asked && machine_phases[phase].stopped != FATE_GO_ON) {
        world.system_stopping = system_stops();
        carry_out(self, machine_stop(phase, &world));
    } else if (self->recovering) {
        carry_out(self, machine_recover(phase, &world));
    } else {
        carry_out(self, machine_failed(phase, &world));
    }
}

void supervisor_worker_ended(struct supervisor *self) {
    enum phase phase = (enum phase)self->record->phase;
    if (!self->ended) {
        self->failed = true;
        if (!self->reason)
            self->reason =
                xasprintf("the worker of phase %s died", phase_name(self->resting ? PHASE_REST : phase));
    }
    if (self->resting && self->failed && deadline_left(self->rest_until) > 0) {
        if (!string_equal(self->rest_told, self->reason))
            supervisor_tell(self, "warning", self->reason);
        replace_string(self->rest_told, xstrdup(self->reason));
        rest_later(self);
    } else if (self->resting && self->failed) {
        supervisor_incomplete(self);
    } else if (self->resting) {
        after_rest(self);
    } else if (self->failed || (self->record->stop_asked && machine_phases[phase].stopped != FATE_GO_ON)) {
        if (self->failed)
            supervisor_tell(self, "warning", self->reason);
        self->rest_until = deadline_in(self->rest_time);
        if (needs_rest(phase))
            begin_rest(self, false);
        else
            after_rest(self);
    } else {
        carry_out(self, self->move);
    }
}

int supervisor_take_locks(struct supervisor *self, const struct record *record, struct error *err) {
    int r = record->project ? state_lock_project(self->state, record->project, err) : 0;
    if (r >= 0 && record->system_identifier)
        r = state_lock_server(self->state, record->system_identifier, err);
    if (r == -EBUSY)
        self->record->locked_out = true;
    return r;
}

/* SIGTERM and SIGINT. What a phase of the way back began, it ends. */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
    (void)source;
    (void)info;
    struct supervisor *self = userdata;
    enum phase phase = (enum phase)self->record->phase;
    struct machine_world world = world_of(self);
    if (self->record->stop_asked)
        return 0;
    world.system_stopping = system_stops();
    sd_notify(0, "STOPPING=1");
    self->record->stop_asked = true;
    supervisor_tell(self, "warning", world.system_stopping ? "the system is stopping" : "asked to stop");
    struct machine_move move = machine_stop(phase, &world);
    if (move.move == MOVE_WAIT || self->resting) /* the worker that runs is awaited */
        supervisor_extend(self);
    if (move.move == MOVE_WAIT)
        return 0;
    if (!self->record->cause && move.move != MOVE_LEAVE)
        self->record->cause = xstrdup("asked to stop");
    if (self->resting && self->pause == NULL)
        return 0; /* after_rest() sees to it */
    self->pause = sd_event_source_disable_unref(self->pause);
    supervisor_drop_worker(self);
    replace_string(self->reason, xstrdup("asked to stop"));
    self->rest_until = deadline_in(self->rest_time);
    if (move.move == MOVE_LEAVE)
        leave(self);
    else if (needs_rest(phase))
        begin_rest(self, false);
    else
        carry_out(self, move);
    return 0;
}

static int on_tick(sd_event_source *source, uint64_t now, void *userdata) {
    struct supervisor *self = userdata;
    if (self->observer->tick)
        self->observer->tick(self->observer->userdata);
    sd_event_source_set_time(source, now + TICK);
    return sd_event_source_set_enabled(source, SD_EVENT_ON);
}

static int read_times(struct supervisor *self, struct error *err) {
    _cleanup_free_ char *path = state_transaction_path(self->state, self->record->id, "app.conf");
    _cleanup_free_ char *text = NULL;
    _cleanup_settings_ struct settings *settings = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, 1024 * 1024, &text, &size, err);
    if (r >= 0)
        r = settings_parse(self->record->app, self->record->config, text, size, &settings, err);
    if (r < 0)
        return r;
    usec_t start = settings->watch.start_timeout ? settings->watch.start_timeout : START_TIMEOUT_AUTO;
    self->tells = channels_any(settings);
    self->pings = settings->notify.ping != NULL;
    self->rest_time = settings->database.url ? REST_TIME_ELSEWHERE : REST_TIME;
    self->rest_until = deadline_in(self->rest_time);
    self->freeze_time = settings->snapshot.max_freeze + FREEZE_MARGIN;
    /* The clocks of start and window may each stand as long again, twice. */
    self->watch_time = 4 * start + 4 * settings->watch.duration + 5 * USEC_PER_MINUTE;
    return 0;
}

static int prepare(struct supervisor *self, struct error *err) {
    static const int asked[] = { SIGTERM, SIGINT };
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); /* a lost terminal is no wish to stop */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int r = sd_event_new(&self->event);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(asked); i++)
        r = sd_event_add_signal(self->event, NULL, asked[i], on_stop, self);
    if (r >= 0)
        r = sd_event_add_time_relative(self->event, NULL, CLOCK_BOOTTIME, TICK, 0, on_tick, self);
    if (r >= 0)
        r = sd_event_set_watchdog(self->event, true);
    return r < 0 ? error_errno(err, -r, "cannot make an event loop") : read_times(self, err);
}

/* The record says in which boot somebody worked on it last. */
static char *boot_id_now(void) {
    char text[37];
    clock_boot_id(text);
    return xstrdup(text);
}

enum exit_code supervisor_run(struct state *state, struct record *record, enum phase first,
                              const struct observer *observer) {
    struct supervisor self = { .state = state, .record = record, .observer = observer, .fd = -1 };
    _cleanup_error_ struct error err = ERROR_NONE;
    self.exit = EXIT_INCOMPLETE;
    self.rest_time = REST_TIME;
    self.rest_until = deadline_in(REST_TIME);
    self.inhibitor = inhibitor_take(record->app);
    if (prepare(&self, &err) < 0 || supervisor_take_locks(&self, record, &err) < 0) {
        supervisor_tell(&self, "failure", error_text(&err));
        self.exit = record->locked_out ? EXIT_LOCKED : EXIT_INCOMPLETE;
    } else {
        record->outcome =
            first == PHASE_NONE && record->phase != PHASE_FORGET ? OUTCOME_NONE : record->outcome;
        record->stop_asked = false;
        replace_string(record->boot_id, boot_id_now());
        if (first == PHASE_NONE)
            tell_ready(&self);
        if (first != PHASE_NONE)
            begin_phase(&self, first);
        else if (needs_rest((enum phase)record->phase))
            begin_rest(&self, true);
        else {
            struct machine_world world = world_of(&self);
            self.reason = xstrdup("an earlier run died");
            self.recovering = true;
            carry_out(&self, machine_recover((enum phase)record->phase, &world));
        }
        sd_event_loop(self.event);
    }
    supervisor_drop_worker(&self);
    sd_event_source_disable_unref(self.pause);
    sd_event_unref(self.event);
    free(self.reason);
    free(self.rest_told);
    if (self.inhibitor >= 0)
        close(self.inhibitor);
    return self.exit;
}
