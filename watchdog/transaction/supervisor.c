/* The supervisor. See supervisor.h. All decisions are machine.c's; this file only carries them out. */

#include "watchdog/transaction/supervisor.h"

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
#include "watchdog/transaction/channel.h"
#include "watchdog/transaction/worker.h"

#define REST_TIME (5 * USEC_PER_MINUTE) /* how long recovery tries to reach Docker and the database */
#define TICK USEC_PER_SEC
#define RETRY_PAUSE (2 * USEC_PER_SEC)
#define FREEZE_MARGIN USEC_PER_MINUTE
#define START_TIMEOUT_AUTO (180 * USEC_PER_SEC)

struct supervisor {
    struct state *state;
    struct record *record;
    const struct observer *observer;
    usec_t freeze_time, watch_time; /* deadlines that the configuration sets */

    sd_event *event;
    sd_event_source *child, *channel, *timer, *pause;
    pid_t worker;
    int fd; /* -1: no worker */
    struct buffer received;
    usec_t phase_begun; /* clock_boottime() */
    unsigned attempts;  /* of the present phase, in this process, before the present one */

    bool resting;    /* the worker is PHASE_REST, for the record's phase */
    bool recovering; /* what comes after the rest is machine_recover()'s, else machine_failed()'s or _stop()'s
                      */
    usec_t rest_until;
    bool ended; /* the worker's "end" came */
    struct machine_move move;
    bool failed, fenced;
    char *reason;

    enum exit_code exit;
};

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

static void tell(struct supervisor *self, const char *kind, const char *text) {
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

static void finish(struct supervisor *self, enum exit_code code) {
    self->exit = code;
    sd_event_exit(self->event, 0);
}

/* Kills whatever is still a descendant: the process is their subreaper, so none escapes. */
static void reap_descendants(void) {
    for (usec_t deadline = deadline_in(10 * USEC_PER_SEC); deadline_left(deadline) > 0;) {
        _cleanup_free_ char *children = NULL;
        _cleanup_free_ char *path = xasprintf("/proc/self/task/%d/children", getpid());
        if (file_read(AT_FDCWD, path, 1024 * 1024, &children, NULL, NULL) < 0 || !*children)
            return;
        for (char *at = children, *end; *at; at = end) {
            pid_t pid = (pid_t)strtol(at, &end, 10);
            if (end == at)
                break;
            if (pid > 1)
                kill(pid, SIGKILL);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        deadline_sleep(deadline, 5 * USEC_PER_MSEC);
    }
}

static void drop_worker(struct supervisor *self) {
    self->child = sd_event_source_disable_unref(self->child);
    self->channel = sd_event_source_disable_unref(self->channel);
    self->timer = sd_event_source_disable_unref(self->timer);
    if (self->worker > 0) {
        kill(self->worker, SIGKILL);
        waitpid(self->worker, NULL, 0);
    }
    self->worker = 0;
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    buffer_done(&self->received);
    reap_descendants();
}

static int save(struct supervisor *self, struct error *err) {
    return state_save(self->state, self->record, err);
}

/* Nothing can be recorded any more: doing without would break the promise, so everything stays for the next
 * start. */
static void cannot_record(struct supervisor *self, struct error *err) {
    tell(self, "failure", error_text(err));
    finish(self, EXIT_INCOMPLETE);
}

static void note_end(struct supervisor *self, enum phase next);

static void close_transaction(struct supervisor *self, enum outcome outcome) {
    _cleanup_error_ struct error err = ERROR_NONE;
    self->record->outcome = (int)outcome;
    self->record->finished = clock_realtime();
    note_end(self, PHASE_NONE);
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
    tell(self, "warning", "the transaction stays open, the next start goes on with it");
    if (self->observer->end)
        self->observer->end(self->observer->userdata, self->record);
    finish(self, EXIT_ABORTED);
}

/* A phase of the way back could not be completed: everything is kept, and a person is needed. */
static void incomplete(struct supervisor *self) {
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
    if (save(self, &err) < 0)
        tell(self, "failure", error_text(&err));
    if (self->observer->end)
        self->observer->end(self->observer->userdata, self->record);
    finish(self, EXIT_INCOMPLETE);
}

static void begin_worker(struct supervisor *self, enum phase phase, usec_t time);

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
    self->phase_begun = clock_boottime();
    self->resting = false;
    if (self->observer->phase)
        self->observer->phase(self->observer->userdata, record);
    begin_worker(self, phase, phase_time(self, phase));
}

static void begin_rest(struct supervisor *self, bool recovering) {
    self->recovering = recovering;
    self->resting = true;
    begin_worker(self, PHASE_REST, machine_phases[PHASE_REST].deadline);
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
        incomplete(self);
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

static void worker_ended(struct supervisor *self) {
    enum phase phase = (enum phase)self->record->phase;
    if (!self->ended) {
        self->failed = true;
        if (!self->reason)
            self->reason =
                xasprintf("the worker of phase %s died", phase_name(self->resting ? PHASE_REST : phase));
    }
    if (self->resting && self->failed && deadline_left(self->rest_until) > 0) {
        tell(self, "warning", self->reason);
        rest_later(self);
    } else if (self->resting && self->failed) {
        incomplete(self);
    } else if (self->resting) {
        after_rest(self);
    } else if (self->failed || (self->record->stop_asked && machine_phases[phase].stopped != FATE_GO_ON)) {
        if (self->failed)
            tell(self, "warning", self->reason);
        self->rest_until = deadline_in(REST_TIME);
        if (needs_rest(phase))
            begin_rest(self, false);
        else
            after_rest(self);
    } else {
        carry_out(self, self->move);
    }
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata);
static int on_channel(sd_event_source *source, int fd, uint32_t events, void *userdata);

/* One run per project and per database server, whatever the state directory: as soon as they are known. */
static int take_locks(struct supervisor *self, const struct record *record, struct error *err) {
    int r = record->project ? state_lock_project(self->state, record->project, err) : 0;
    if (r >= 0 && record->system_identifier)
        r = state_lock_server(self->state, record->system_identifier, err);
    if (r == -EBUSY)
        self->record->locked_out = true;
    return r;
}

static void take_record(struct supervisor *self, const json_t *json) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct record *record = NULL;
    int r = record_decode(json, "a worker's record", &record, &err);
    if (r >= 0 && (!string_equal(record->id, self->record->id) || record->phase != self->record->phase))
        r = error_set(&err, EBADMSG, "a worker's record is of another transaction or phase");
    if (r >= 0)
        r = take_locks(self, record, &err);
    if (r >= 0)
        r = state_save(self->state, record, &err);
    _cleanup_json_ json_t *answer = json_object();
    if (r < 0) {
        json_object_set_new(answer, "error", json_text_string(error_text(&err)));
        record_free(record);
    } else {
        record->stop_asked = record->stop_asked || self->record->stop_asked;
        /* In place: the caller of supervisor_run() owns the struct. */
        codec_free(record_fields, self->record);
        *self->record = *record;
        free(record);
    }
    channel_send(self->fd, answer, deadline_in(USEC_PER_SEC), NULL);
}

static void take_end(struct supervisor *self, const json_t *end) {
    const char *move = json_get_string(end, "move", "failed");
    const char *reason = json_get_string(end, "reason", NULL);
    enum phase phase = phase_by_name(json_get_string(end, "phase", ""));
    self->ended = true;
    self->fenced = json_get_boolean(end, "fenced", false);
    self->failed = phase == PHASE_NONE;
    if (string_equal(move, "phase"))
        self->move = (struct machine_move){ MOVE_PHASE, phase, 0 };
    else if (string_equal(move, "close"))
        self->move = (struct machine_move){ MOVE_CLOSE, phase, 0 };
    else if (string_equal(move, "incomplete"))
        self->move = (struct machine_move){ MOVE_INCOMPLETE, phase, 0 };
    else
        self->failed = true;
    replace_string(self->reason, reason ? xstrdup(reason) : NULL);
}

static void take_message(struct supervisor *self, const json_t *message) {
    const json_t *record = json_get_object(message, "record"),
                 *progress = json_get_object(message, "progress"), *event = json_get_object(message, "event"),
                 *end = json_get_object(message, "end"), *reports = json_get_array(message, "reports");
    const struct observer *observer = self->observer;
    if (record)
        take_record(self, record);
    if (progress && observer->progress)
        observer->progress(observer->userdata, json_get_string(progress, "text", ""),
                           (uint64_t)json_get_integer(progress, "done", 0),
                           (uint64_t)json_get_integer(progress, "total", 0));
    if (event)
        tell(self, json_get_string(event, "kind", "warning"), json_get_string(event, "text", ""));
    if (reports && observer->reports)
        observer->reports(observer->userdata, reports);
    if (end)
        take_end(self, end);
}

/* All whole messages that have come. A worker that babbles is killed. */
static void take_messages(struct supervisor *self) {
    for (;;) {
        _cleanup_json_ json_t *message = NULL;
        int r = channel_next(&self->received, &message, NULL);
        if (r == 0)
            return;
        if (r < 0) {
            self->ended = false;
            buffer_done(&self->received);
            kill(self->worker, SIGKILL);
            return;
        }
        take_message(self, message);
    }
}

static int on_channel(sd_event_source *source, int fd, uint32_t events, void *userdata) {
    (void)events;
    struct supervisor *self = userdata;
    if (channel_read(fd, &self->received, NULL) < 0)
        sd_event_source_set_enabled(source, SD_EVENT_OFF); /* its end is on_child()'s */
    take_messages(self);
    return 0;
}

static int on_child(sd_event_source *source, const siginfo_t *info, void *userdata) {
    (void)source;
    (void)info;
    struct supervisor *self = userdata;
    channel_read(self->fd, &self->received, NULL);
    take_messages(self);
    self->worker = 0;
    drop_worker(self);
    worker_ended(self);
    return 0;
}

static int on_deadline(sd_event_source *source, uint64_t now, void *userdata) {
    (void)source;
    (void)now;
    struct supervisor *self = userdata;
    replace_string(self->reason,
                   xasprintf("phase %s did not end in its time",
                             phase_name(self->resting ? PHASE_REST : (enum phase)self->record->phase)));
    self->ended = false;
    kill(self->worker, SIGKILL);
    return 0;
}

/* In the child: the program again, with the channel at its place and every other descriptor but the locks
 * gone. */
static void become_worker(const struct supervisor *self, pid_t parent, int fd, const char *phase,
                          const char *deadline) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole group: what it means is the supervisor's to say */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(125);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        (fd == CHANNEL_FD ? fcntl(fd, F_SETFD, 0) : dup2(fd, CHANNEL_FD)) < 0)
        _exit(125);
    unsetenv("NOTIFY_SOCKET"); /* the main loop alone speaks to systemd */
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    char *argv[] = { (char *)"upgrade-watchdog",
                     (char *)WORKER_ARGUMENT,
                     self->state->root,
                     self->state->app,
                     (char *)phase,
                     (char *)deadline,
                     NULL };
    execv("/proc/self/exe", argv);
    _exit(125);
}

static void begin_worker(struct supervisor *self, enum phase phase, usec_t time) {
    int pair[2];
    usec_t deadline = deadline_in(time);
    _cleanup_free_ char *deadline_text = xasprintf("%llu", (unsigned long long)deadline);
    self->ended = false;
    self->failed = false;
    if (!self->resting)
        replace_string(self->reason, NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        replace_string(self->reason, xasprintf("cannot make a socket: %s", strerror(errno)));
        incomplete(self);
        return;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become_worker(self, parent, pair[1], phase_name(phase), deadline_text);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        replace_string(self->reason, xasprintf("cannot start a worker: %s", strerror(errno)));
        incomplete(self);
        return;
    }
    self->worker = pid;
    self->fd = pair[0];
    sd_event_add_child(self->event, &self->child, pid, WEXITED, on_child, self);
    sd_event_add_io(self->event, &self->channel, self->fd, EPOLLIN, on_channel, self);
    sd_event_add_time(self->event, &self->timer, CLOCK_BOOTTIME, deadline, 0, on_deadline, self);
    /* Messages before the end: both may be ready at once. */
    sd_event_source_set_priority(self->child, SD_EVENT_PRIORITY_NORMAL + 10);
    usec_t extension = time + USEC_PER_MINUTE;
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)extension);
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
    tell(self, "warning", world.system_stopping ? "the system is stopping" : "asked to stop");
    struct machine_move move = machine_stop(phase, &world);
    if (move.move == MOVE_WAIT)
        return 0;
    if (!self->record->cause && move.move != MOVE_LEAVE)
        self->record->cause = xstrdup("asked to stop");
    if (self->resting && self->pause == NULL)
        return 0; /* after_rest() sees to it */
    self->pause = sd_event_source_disable_unref(self->pause);
    drop_worker(self);
    replace_string(self->reason, xstrdup("asked to stop"));
    self->rest_until = deadline_in(REST_TIME);
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

enum exit_code supervisor_run(struct state *state, struct record *record, enum phase first,
                              const struct observer *observer) {
    struct supervisor self = { .state = state, .record = record, .observer = observer, .fd = -1 };
    _cleanup_error_ struct error err = ERROR_NONE;
    self.exit = EXIT_INCOMPLETE;
    self.rest_until = deadline_in(REST_TIME);
    if (prepare(&self, &err) < 0 || take_locks(&self, record, &err) < 0) {
        tell(&self, "failure", error_text(&err));
        self.exit = record->locked_out ? EXIT_LOCKED : EXIT_INCOMPLETE;
    } else {
        sd_notify(0, "READY=1");
        record->outcome =
            first == PHASE_NONE && record->phase != PHASE_FORGET ? OUTCOME_NONE : record->outcome;
        record->stop_asked = false;
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
    drop_worker(&self);
    sd_event_source_disable_unref(self.pause);
    sd_event_unref(self.event);
    free(self.reason);
    return self.exit;
}
