/* Rounds: children, pipes, deadlines. See round.h. */

#include "probes/round.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "probes/look.h"
#include "probes/masking.h"
#include "probes/memory.h"
#include "watchdog/base/aside.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"

#define CHILDREN_LIMIT 6
#define CHILD_MEMORY ((size_t)2 * 1024 * 1024 * 1024)
#define MESSAGE_LIMIT ((size_t)128 * 1024 * 1024)
#define BEGIN_TIME (10 * USEC_PER_SEC)

/* A child and what it looks at: the probes of one lane, or the host. */
struct lane {
    size_t number; /* the set's number of lanes: the host */
    bool wanted;   /* there is something to look at still */
    pid_t pid;     /* 0: no child runs */
    int fd;
    struct buffer input;
    size_t current; /* index of the probe that is looked at; the number of probes: none yet */
    usec_t deadline;
    const char *babble; /* what was wrong with what it said */
};

struct round {
    const struct probe_set *set;
    const struct probe_view *view;
    struct probe_memory *memory;
    usec_t deadline;
    bool *due, *looked;
    json_t **answers, **explained; /* per probe, of this round */
    struct lane *lanes;
    size_t lanes_count;
    size_t children;
    bool fatal;
    char *trouble, *busy;
};

void probe_round_done(struct probe_round *round) {
    for (size_t i = 0; i < round->count; i++)
        probe_report_done(&round->reports[i]);
    free(round->reports);
    free(round->trouble);
    free(round->busy);
    *round = (struct probe_round){ 0 };
}

static bool is_host(const struct round *round, const struct lane *lane) {
    return lane->number == round->set->lanes;
}

/* A runaway program wants all memory: it gets an abort in its child. */
static void limit_child(void) {
    const struct rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    aside_bound_memory(CHILD_MEMORY);
}

static _Noreturn void become(struct round *round, const struct lane *lane, int fd, pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < 32; number++)
        if (number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    /* jq's "debug" and libraries' complaints may show what is secret */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    limit_child();
    struct look_job job = { .set = round->set,
                            .view = round->view,
                            .memory = round->memory,
                            .due = round->due,
                            .looked = round->looked,
                            .lane = lane->number,
                            .deadline = round->deadline,
                            .fd = fd };
    if (is_host(round, lane))
        look_at_host(&job);
    look_at_lane(&job);
}

static int start(struct round *round, struct lane *lane, struct error *err) {
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return error_errno(err, errno, "cannot make a pipe for a round of probes");
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(round, lane, pipes[1], parent);
    int number = errno;
    close(pipes[1]);
    if (pid < 0) {
        close(pipes[0]);
        return error_errno(err, number, "cannot start a child for a round of probes");
    }
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    usec_t deadline = deadline_in(BEGIN_TIME);
    lane->pid = pid;
    lane->fd = pipes[0];
    lane->current = round->set->count;
    lane->deadline = deadline < round->deadline ? deadline : round->deadline + LOOK_GRACE;
    lane->babble = NULL;
    lane->input.size = 0;
    round->children++;
    return 0;
}

static void take_report(struct round *round, size_t index, struct probe_report *report) {
    report->looked = true;
    report_mask(round->set, round->view, round->memory, report);
    memory_store(round->memory, index, report, round->view);
    round->looked[index] = true;
    json_decref(round->answers[index]);
    round->answers[index] = json_incref(report->answer);
    json_decref(round->explained[index]);
    round->explained[index] = json_incref(report->explained);
    if (report->result == PROBE_FAIL && report->fatal && !report->advisory)
        round->fatal = true;
    probe_report_done(report);
}

static void blame(struct round *round, size_t index, const char *why) {
    const struct probe *probe = &round->set->probes[index];
    struct probe_report report = { .probe = xstrdup(probe->name), .advisory = probe->advisory };
    report.evidence = xstrdup("");
    probe_unknown(&report, "%s", why);
    take_report(round, index, &report);
}

static int take_message(struct round *round, struct lane *lane, const char *text, size_t size) {
    _cleanup_json_ json_t *message = NULL;
    if (json_parse(text, size, "a message", &message, NULL) < 0)
        return -EBADMSG;
    const json_t *begin = json_object_get(message, "begin"), *number = json_object_get(message, "index");
    if (is_host(round, lane)) {
        const char *trouble = json_get_string(message, "trouble", NULL);
        const char *busy = json_get_string(message, "busy", NULL);
        replace_string(round->trouble, trouble ? xstrdup(trouble) : NULL);
        replace_string(round->busy, busy ? xstrdup(busy) : NULL);
        lane->wanted = false;
        return 0;
    }
    size_t index = (size_t)json_integer_value(begin ? begin : number);
    if (!json_is_integer(begin ? begin : number) || index >= round->set->count)
        return -EBADMSG;
    if (begin) {
        usec_t deadline = deadline_in(round->set->probes[index].timeout);
        lane->current = index;
        lane->deadline = (deadline < round->deadline ? deadline : round->deadline) + LOOK_GRACE;
        return 0;
    }
    struct probe_report report;
    if (report_from_pipe(json_object_get(message, "report"), &report, NULL) < 0)
        return -EBADMSG;
    replace_string(report.probe, xstrdup(round->set->probes[index].name));
    take_report(round, index, &report);
    lane->current = round->set->count;
    usec_t deadline = deadline_in(BEGIN_TIME);
    lane->deadline = (deadline < round->deadline ? deadline : round->deadline) + LOOK_GRACE;
    return 0;
}

/* Reads what is there. Returns false at the end of the pipe, or when the child babbles. */
static bool drain(struct round *round, struct lane *lane) {
    char block[65536];
    ssize_t size = read(lane->fd, block, sizeof(block));
    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    if (size == 0)
        return false;
    /* only what is new can hold the end of a message */
    size_t searched = lane->input.size;
    buffer_append(&lane->input, block, (size_t)size);
    char *begin = lane->input.text, *end = begin + lane->input.size, *newline;
    char *from = begin + searched;
    while ((newline = memchr(from, '\n', (size_t)(end - from)))) {
        if (take_message(round, lane, begin, (size_t)(newline - begin)) < 0) {
            lane->babble = "said what cannot be understood";
            return false;
        }
        begin = from = newline + 1;
    }
    memmove(lane->input.text, begin, (size_t)(end - begin) + 1);
    lane->input.size = (size_t)(end - begin);
    /* what was read held captured values, and the next child has this memory */
    explicit_bzero(lane->input.text + lane->input.size, (size_t)(begin - lane->input.text));
    if (lane->input.size > MESSAGE_LIMIT)
        lane->babble = "said too much";
    return !lane->babble;
}

/* Ends the child. Returns its wait status. */
static int reap(struct round *round, struct lane *lane, bool kill_it) {
    int status = 0;
    if (kill_it) {
        process_kill_descendants(lane->pid);
        kill(lane->pid, SIGKILL);
    }
    close(lane->fd);
    while (waitpid(lane->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    buffer_done(&lane->input);
    lane->pid = 0;
    round->children--;
    return status;
}

static bool is_left(const struct round *round, const struct lane *lane, size_t index) {
    return round->set->lane[index] == lane->number && round->due[index] && !round->looked[index];
}

/* The child is gone, or is to go, before it had looked at all: the probe it was at is unknown, the others get
 * a new child. One that did not even begin would not begin in another child either. */
static void child_failed(struct round *round, struct lane *lane, const char *why) {
    if (is_host(round, lane)) {
        if (lane->wanted)
            replace_string(round->trouble, xasprintf("the look at the host %s", why));
        lane->wanted = false;
        return;
    }
    bool began = lane->current < round->set->count;
    lane->wanted = false;
    for (size_t i = 0; i < round->set->count; i++) {
        if (i == lane->current || (!began && is_left(round, lane, i)))
            blame(round, i, why);
        lane->wanted = lane->wanted || is_left(round, lane, i);
    }
}

static void child_ended(struct round *round, struct lane *lane) {
    const char *babble = lane->babble;
    int status = reap(round, lane, babble != NULL);
    bool left = is_host(round, lane) && lane->wanted;
    for (size_t i = 0; i < round->set->count && !is_host(round, lane); i++)
        left = left || is_left(round, lane, i);
    if (!left) {
        lane->wanted = false;
        return;
    }
    _cleanup_free_ char *why =
        babble ? xasprintf("could not be looked at: its child %s", babble)
        : WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
            ? xstrdup(
                  "could not be looked at: its child made a system call that no look needs, and was ended "
                  "for it: its answer may have taken it over")
        : WIFSIGNALED(status)
            ? xasprintf("could not be looked at: its child was ended "
                        "by the signal %d",
                        WTERMSIG(status))
            : xasprintf("could not be looked at: its child ended with %d", WEXITSTATUS(status));
    child_failed(round, lane, why);
}

static void child_late(struct round *round, struct lane *lane) {
    reap(round, lane, true);
    bool round_over = deadline_left(round->deadline) == 0;
    char *why;
    if (lane->current < round->set->count && !round_over) {
        char duration[DURATION_SIZE];
        why = xasprintf("did not end within %s and was stopped",
                        duration_format(duration, round->set->probes[lane->current].timeout));
    } else {
        why = xstrdup("did not end in time and was stopped");
    }
    child_failed(round, lane, why);
    free(why);
}

/* Starts what may run now; after a fatal sign only the look at the host. */
static int start_children(struct round *round, struct error *err) {
    for (size_t i = 0; i < round->lanes_count; i++) {
        struct lane *lane = &round->lanes[i];
        bool stop = (round->fatal && round->view->stop_on_fatal && !is_host(round, lane)) ||
                    deadline_left(round->deadline) == 0;
        if (stop && !lane->pid)
            lane->wanted = false;
        if (!lane->wanted || lane->pid || round->children >= CHILDREN_LIMIT)
            continue;
        int r = start(round, lane, err);
        if (r < 0 && round->children == 0)
            return r;
        if (r < 0)
            break; /* another one's end makes room */
    }
    return 0;
}

static void stop_after_fatal(struct round *round) {
    for (size_t i = 0; i < round->lanes_count; i++)
        if (round->lanes[i].pid && !is_host(round, &round->lanes[i])) {
            reap(round, &round->lanes[i], true);
            round->lanes[i].wanted = false;
        }
}

static void wait_for_children(struct round *round) {
    struct pollfd *polled = xcalloc(round->lanes_count, sizeof(*polled));
    usec_t deadline = USEC_INFINITY;
    for (size_t i = 0; i < round->lanes_count; i++) {
        struct lane *lane = &round->lanes[i];
        polled[i] = (struct pollfd){ lane->pid ? lane->fd : -1, POLLIN, 0 };
        if (lane->pid && lane->deadline < deadline)
            deadline = lane->deadline;
    }
    int ready = poll(polled, round->lanes_count, deadline_poll(deadline));
    for (size_t i = 0; i < round->lanes_count; i++) {
        struct lane *lane = &round->lanes[i];
        if (!lane->pid)
            continue;
        if (ready > 0 && polled[i].revents && !drain(round, lane))
            child_ended(round, lane);
        else if (deadline_left(lane->deadline) == 0)
            child_late(round, lane);
    }
    free(polled);
}

static int run_lanes(struct round *round, struct error *err) {
    int r = start_children(round, err);
    while (r == 0 && round->children > 0) {
        wait_for_children(round);
        if (round->fatal && round->view->stop_on_fatal)
            stop_after_fatal(round);
        r = start_children(round, err);
    }
    for (size_t i = 0; i < round->lanes_count; i++)
        if (round->lanes[i].pid)
            reap(round, &round->lanes[i], true);
    return r;
}

static void add_lane(struct round *round, size_t number) {
    for (size_t i = 0; i < round->lanes_count; i++)
        if (round->lanes[i].number == number)
            return;
    round->lanes[round->lanes_count++] = (struct lane){ .number = number, .wanted = true, .fd = -1 };
}

/* All reports in the order of the configuration; what was not due has its latest result. */
static void collect(struct round *round, struct probe_round *ret) {
    ret->count = round->set->count;
    ret->reports = xcalloc(ret->count, sizeof(*ret->reports));
    for (size_t i = 0; i < ret->count; i++) {
        const struct memory_entry *entry = &round->memory->entries[i];
        struct probe_report *report = &ret->reports[i];
        *report = (struct probe_report){ .probe = xstrdup(round->set->probes[i].name),
                                         .result = entry->last.result,
                                         .fatal = entry->last.fatal,
                                         .slow = entry->last.slow,
                                         .answered = entry->last.answered,
                                         .ready = entry->last.ready,
                                         .looked = round->looked[i],
                                         .advisory = round->set->probes[i].advisory,
                                         .progress = round->set->probes[i].progress,
                                         .fail_after = round->set->probes[i].fail_after,
                                         .fail_share = round->set->probes[i].fail_share,
                                         .sentence = xstrdup(entry->known ? entry->last.sentence
                                                                          : "not looked at yet"),
                                         .evidence = xstrdup(entry->last.evidence),
                                         .measured = json_incref(entry->last.measured),
                                         .took = entry->last.took,
                                         .retry_after = entry->last.retry_after };
        report->answer = json_incref(round->answers[i]);
        report->explained = round->explained[i];
        json_decref(round->answers[i]);
    }
    ret->trouble = take_ptr(round->trouble);
    ret->busy = take_ptr(round->busy);
}

static bool all_passed(const struct round *round) {
    for (size_t i = 0; i < round->set->count; i++)
        if (round->memory->entries[i].last.result != PROBE_PASS && !round->set->probes[i].progress)
            return false;
    return true;
}

/* Only where something did not pass: trouble excuses, and what passed needs no excuse. After the probes,
 * since what began in their midst may be why one failed. */
static int run_host(struct round *round, struct error *err) {
    usec_t least = deadline_in(USEC_PER_SEC);
    round->lanes_count = 0;
    round->deadline = round->deadline > least ? round->deadline : least;
    add_lane(round, round->set->lanes);
    return run_lanes(round, err);
}

static void look_at_clock(struct probe_memory *memory) {
    memory_look_at_clock(&memory->clock, clock_realtime(), clock_boottime(), clock_monotonic());
}

/* After the clock went back, what is new is dated before what is old: the view's times go back with it. */
static struct probe_view set_back(const struct probe_view *view, usec_t back) {
    struct probe_view moved = *view;
    moved.since_realtime = view->since_realtime > back ? view->since_realtime - back : view->since_realtime;
    moved.first_pass_realtime =
        view->first_pass_realtime > back ? view->first_pass_realtime - back : view->first_pass_realtime;
    return moved;
}

/* One that explains itself is looked at with what it comes after, and nothing else. */
static bool is_wanted(const struct probe_set *set, const struct probe_view *view, size_t index) {
    const struct probe *explained = view->explain ? probe_set_find(set, view->explain) : NULL;
    return !explained || explained == &set->probes[index] ||
           probe_set_is_ancestor(set, (size_t)(explained - set->probes), index);
}

int probe_round_run(const struct probe_set *set, const struct probe_view *view, struct probe_memory *memory,
                    usec_t deadline, struct probe_round *ret, struct error *err) {
    look_at_clock(memory);
    const struct probe_view moved = set_back(view, memory->clock.back);
    struct round round = { .set = set,
                           .view = &moved,
                           .memory = memory,
                           .deadline = deadline,
                           .due = xcalloc(set->count, sizeof(bool)),
                           .looked = xcalloc(set->count, sizeof(bool)),
                           .answers = xcalloc(set->count, sizeof(json_t *)),
                           .explained = xcalloc(set->count, sizeof(json_t *)),
                           .lanes = xcalloc(set->count + 1, sizeof(struct lane)) };
    usec_t now = clock_boottime();
    memory_fit(memory, set);
    for (size_t i = 0; i < set->count; i++) {
        round.due[i] = is_wanted(set, view, i) && memory_is_due(memory, set, i, &moved, now);
        if (round.due[i])
            add_lane(&round, set->lane[i]);
    }
    int r = run_lanes(&round, err);
    look_at_clock(memory);
    if (r == 0 && !all_passed(&round))
        r = run_host(&round, err);
    if (!round.trouble && memory_clock_trouble(&memory->clock, clock_boottime()) && !all_passed(&round))
        round.trouble = xstrdup(memory_clock_trouble(&memory->clock, clock_boottime()));
    if (r == 0)
        collect(&round, ret);
    for (size_t i = 0; i < set->count && r < 0; i++) {
        json_decref(round.answers[i]);
        json_decref(round.explained[i]);
    }
    free(round.trouble);
    free(round.busy);
    free(round.due);
    free(round.looked);
    free(round.answers);
    free(round.explained);
    free(round.lanes);
    return r;
}
