/* The supervisor's worker: a process per phase. See supervisor-self.h. */

#include "watchdog/transaction/supervisor-self.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/transaction/channel.h"
#include "watchdog/transaction/worker.h"

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

void supervisor_drop_worker(struct supervisor *self) {
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

void supervisor_extend(const struct supervisor *self) {
    usec_t extension = deadline_left(self->worker_until) + USEC_PER_MINUTE;
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)extension);
    /* systemd extends the watchdog's timeout with it: without a ping behind it, a main loop that stands still
     * from now on would be noticed at the phase's deadline only. */
    sd_notify(0, "WATCHDOG=1");
}

static void take_record(struct supervisor *self, const json_t *json) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct record *record = NULL;
    int r = record_decode(json, "a worker's record", &record, &err);
    if (r >= 0 && (!string_equal(record->id, self->record->id) || record->phase != self->record->phase))
        r = error_set(&err, EBADMSG, "a worker's record is of another transaction or phase");
    if (r >= 0)
        r = supervisor_take_locks(self, record, &err);
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
                 *probe = json_get_object(message, "probe"), *end = json_get_object(message, "end"),
                 *reports = json_get_array(message, "reports");
    const struct observer *observer = self->observer;
    if (record)
        take_record(self, record);
    if (progress && observer->progress)
        observer->progress(observer->userdata, json_get_string(progress, "text", ""),
                           (uint64_t)json_get_integer(progress, "done", 0),
                           (uint64_t)json_get_integer(progress, "total", 0));
    if (event)
        supervisor_tell(self, json_get_string(event, "kind", "warning"), json_get_string(event, "text", ""));
    if (probe && observer->probe)
        observer->probe(observer->userdata, self->record, json_get_string(probe, "probe", "?"),
                        json_get_string(probe, "result", "unknown"), json_get_string(probe, "sentence", ""));
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
    supervisor_drop_worker(self);
    supervisor_worker_ended(self);
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

void supervisor_begin_worker(struct supervisor *self, enum phase phase, usec_t time) {
    int pair[2];
    usec_t deadline = deadline_in(time);
    _cleanup_free_ char *deadline_text = xasprintf("%llu", (unsigned long long)deadline);
    self->ended = false;
    self->failed = false;
    if (!self->resting)
        replace_string(self->reason, NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        replace_string(self->reason, xasprintf("cannot make a socket: %s", strerror(errno)));
        supervisor_incomplete(self);
        return;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become_worker(self, parent, pair[1], phase_name(phase), deadline_text);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        replace_string(self->reason, xasprintf("cannot start a worker: %s", strerror(errno)));
        supervisor_incomplete(self);
        return;
    }
    self->worker = pid;
    self->fd = pair[0];
    sd_event_add_child(self->event, &self->child, pid, WEXITED, on_child, self);
    sd_event_add_io(self->event, &self->channel, self->fd, EPOLLIN, on_channel, self);
    sd_event_add_time(self->event, &self->timer, CLOCK_BOOTTIME, deadline, 0, on_deadline, self);
    /* Messages before the end: both may be ready at once. */
    sd_event_source_set_priority(self->child, SD_EVENT_PRIORITY_NORMAL + 10);
    self->worker_until = deadline;
    supervisor_extend(self);
}
