/* In the child of a round. See look.h. */

#include "probes/look.h"

#include <errno.h>
#include <string.h>

#include "probes/baseline.h"
#include "probes/docker.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

/* A login is not repeated more often than this to renew a token: applications lock accounts. */
#define RENEW_AFTER (30 * USEC_PER_SEC)
#define HOST_TIME (10 * USEC_PER_SEC)

static void say(const struct look_job *job, json_t *value) {
    _cleanup_json_ json_t *owned = value;
    _cleanup_free_ char *text = json_text(owned);
    if (write_all(job->fd, text, strlen(text)) < 0 || write_all(job->fd, "\n", 1) < 0)
        _exit(1);
}

/* What predecessors captured, and their cookies: later ones of the chain win. */
static void gather_session(const struct look_job *job, size_t index, json_t *captures, json_t *cookies) {
    for (size_t n = 0; n < job->set->count; n++) {
        size_t other = job->set->order[n];
        const json_t *session = job->memory->entries[other].last.session;
        if (!probe_set_is_ancestor(job->set, index, other) || !session)
            continue;
        json_object_update(captures, json_object_get(session, "captures"));
        json_array_extend(cookies, json_object_get(session, "cookies"));
    }
}

/* The predecessor that did not pass in its latest look; NULL: none. */
static const struct probe *what_it_waits_for(const struct look_job *job, size_t index) {
    for (size_t n = 0; n < job->set->count; n++) {
        size_t other = job->set->order[n];
        if (probe_set_is_ancestor(job->set, index, other) &&
            job->memory->entries[other].last.result != PROBE_PASS)
            return &job->set->probes[other];
    }
    return NULL;
}

static void look_once(struct look_job *job, size_t index, struct probe_docker *docker,
                      struct probe_report *report) {
    const struct probe *probe = &job->set->probes[index];
    const struct probe *missing = what_it_waits_for(job, index);
    usec_t begin = clock_boottime(), deadline = begin + probe->timeout;
    _cleanup_json_ json_t *captures = json_object(), *cookies = json_array();
    *report =
        (struct probe_report){ .probe = xstrdup(probe->name), .advisory = probe->advisory, .looked = true };
    say(job, json_pack("{s:I}", "begin", (json_int_t)index));
    gather_session(job, index, captures, cookies);
    const struct probe_look look = { .probe = probe,
                                     .view = job->view,
                                     .docker = docker,
                                     .state = job->memory->entries[index].last.state,
                                     .credentials = job->credentials,
                                     .captures = captures,
                                     .cookies = cookies,
                                     .baseline = baseline_answer(job->view->baseline, probe->name),
                                     .explain = job->view->explain != NULL,
                                     .deadline = deadline < job->deadline ? deadline : job->deadline };
    if (missing)
        probe_unknown(report, "not looked at, since \"%s\" did not pass", missing->name);
    else
        probe->kind->run(&look, report);
    if (!report->sentence)
        probe_unknown(report, "said nothing");
    report->took = clock_boottime() - begin;
}

static void hand_in(struct look_job *job, size_t index, struct probe_report *report) {
    say(job, json_pack("{s:I, s:o}", "index", (json_int_t)index, "report", report_to_pipe(report)));
    memory_store(job->memory, index, report, job->view);
    job->looked[index] = true;
    probe_report_done(report);
}

/* A failure with a token of another round: the application may have forgotten it, as after a restart. Logs in
 * again, and says whether it did. */
static bool renew_session(struct look_job *job, size_t index, struct probe_docker *docker) {
    bool renewed = false;
    usec_t now = clock_boottime();
    for (size_t n = 0; n < job->set->count; n++) {
        size_t other = job->set->order[n];
        const struct memory_entry *entry = &job->memory->entries[other];
        if (!probe_set_is_ancestor(job->set, index, other) || job->looked[other] || !entry->last.session ||
            now < entry->looked_at + RENEW_AFTER)
            continue;
        struct probe_report report;
        look_once(job, other, docker, &report);
        hand_in(job, other, &report);
        renewed = true;
    }
    return renewed;
}

_Noreturn void look_at_lane(struct look_job *job) {
    struct probe_docker docker = { 0 };
    look_confine(job);
    for (size_t n = 0; n < job->set->count; n++) {
        size_t index = job->set->order[n];
        if (job->set->lane[index] != job->lane || !job->due[index] || job->looked[index])
            continue;
        struct probe_report report;
        look_once(job, index, &docker, &report);
        if (report.result == PROBE_FAIL && renew_session(job, index, &docker)) {
            probe_report_done(&report);
            look_once(job, index, &docker, &report);
        }
        hand_in(job, index, &report);
    }
    _exit(0);
}

static void say_of_host(const struct look_job *job, const char *trouble, const char *busy) {
    say(job, json_pack("{s:o, s:o}", "trouble", trouble ? json_text_string(trouble) : json_null(), "busy",
                       busy ? json_text_string(busy) : json_null()));
}

/* First whether Docker and the database are there at all: when that cannot be found out in time, it is
 * trouble. What comes after it may take too long without being any. */
_Noreturn void look_at_host(struct look_job *job) {
    usec_t deadline = deadline_in(HOST_TIME);
    const struct probe_view *view = job->view;
    char *trouble, *busy = NULL;
    bool slow = false;
    look_confine(job);
    deadline = deadline < job->deadline ? deadline : job->deadline;
    trouble = host_trouble(view, deadline);
    say_of_host(job, trouble, NULL);
    for (size_t i = 0; i < job->set->count; i++)
        slow =
            slow || (job->memory->entries[i].last.slow && job->memory->entries[i].last.result == PROBE_FAIL);
    if (!trouble && view->look_at_host) {
        view->look_at_host(view->host, slow, deadline, &trouble, &busy);
        say_of_host(job, trouble, busy);
    }
    _exit(0);
}
