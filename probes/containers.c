/* Kind=containers: every service runs what it should, and keeps running. See containers.h for the rules. */

#include "probes/containers.h"

#include <signal.h>
#include <string.h>

#include "probes/docker.h"
#include "probes/keys.h"
#include "probes/placeholders.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/logs.h"

#define RESTARTS_OF_A_LOOP 3
#define UP_AFTER_RESTART (10 * USEC_PER_SEC)
#define CALM_AFTER_A_LOOP USEC_PER_MINUTE /* Docker waits so long at most before it restarts once more */
/* A daemon that is told to stop ends its containers before it ends itself. */
#define DAEMON_STOP_TIME (30 * USEC_PER_SEC)
#define DAEMON_START_TIME USEC_PER_MINUTE
#define SIGN_TIME (3 * USEC_PER_SEC)
#define LAST_LINES 10
#define LAST_LIMIT ((size_t)4096)
#define WORDS_SHOWN 200
#define STOP_TIME USEC_PER_MINUTE /* a stop takes as long as its stop_grace_period; longer ones are rare */

struct finding {
    enum probe_result result;
    bool fatal;
    char *sentence; /* owned */
    const struct container *container;
};

static struct finding found(enum probe_result result, bool fatal, char *sentence) {
    return (struct finding){ result, fatal, sentence, NULL };
}

static const char *name_of(const struct container *container) {
    return *container->service ? container->service : container->name;
}

static bool is_between(usec_t time, usec_t from, usec_t to) {
    return time && time >= from && time <= to;
}

/* It went down with the daemon (or found itself without one) and was started by the next one. */
static bool was_restarted_by_the_daemon(const struct containers_facts *facts,
                                        const struct container *container) {
    usec_t daemon = facts->daemon_started;
    return daemon > 0 && is_between(container->started, daemon, daemon + DAEMON_START_TIME) &&
           is_between(container->finished + DAEMON_STOP_TIME, daemon, daemon + 2 * DAEMON_STOP_TIME);
}

/* Somebody told Docker to stop it: that is not what a release does. */
static bool was_stopped_by_hand(const struct probe_view *view, const struct container *container) {
    usec_t asked = (usec_t)json_get_integer(json_object_get(view->signs, container->id), "stopped", 0);
    return asked && is_between(container->finished + USEC_PER_SEC, asked, asked + STOP_TIME);
}

/* Before an upgrade nothing is known of its past: a service that is in a crash loop runs between two
 * restarts, too. */
static struct finding judge_calm(const struct containers_facts *facts, const struct container *container) {
    usec_t age = facts->now_realtime > container->started ? facts->now_realtime - container->started : 0;
    usec_t calm = container->restart_count >= RESTARTS_OF_A_LOOP ? CALM_AFTER_A_LOOP : UP_AFTER_RESTART;
    if (container->restart_count == 0 || age >= calm || string_equal(container->health, "healthy") ||
        was_restarted_by_the_daemon(facts, container))
        return found(PROBE_PASS, false, NULL);
    return found(PROBE_FAIL, false,
                 xasprintf("service \"%s\" was restarted %d %s, the last time %llu s ago, exit status %d",
                           name_of(container), (int)container->restart_count,
                           container->restart_count == 1 ? "time" : "times",
                           (unsigned long long)(age / USEC_PER_SEC), container->exit_code));
}

/* How often Docker restarted it: since the switch before the first full pass, since it was last seen well
 * after it. Docker counts from the last start that it did not do by itself, and the switch is such a start.
 */
static int restarts_since(const struct probe_view *view, const struct containers_facts *facts,
                          const struct container *container) {
    if (view->since_realtime == 0 || container->started < view->since_realtime ||
        was_restarted_by_the_daemon(facts, container))
        return 0;
    const json_t *seen = json_object_get(facts->state, container->id);
    json_int_t before = view->first_pass_realtime == 0                   ? 0
                        : json_is_integer(seen)                          ? json_integer_value(seen)
                        : container->started > view->first_pass_realtime ? 0
                                                                         : container->restart_count;
    return container->restart_count > before ? (int)(container->restart_count - before) : 0;
}

static bool went_down_with_the_daemon(const struct containers_facts *facts,
                                      const struct container *container) {
    return facts->daemon_started > 0 && container->started < facts->daemon_started &&
           container->finished + DAEMON_STOP_TIME >= facts->daemon_started;
}

/* Docker's word that somebody stopped it is on its way still, when the look has begun before it came. */
static bool may_be_told_yet(const struct containers_facts *facts, const struct container *container) {
    bool by_signal = container->exit_code == 128 + SIGTERM || container->exit_code == 128 + SIGKILL ||
                     container->exit_code == 128 + SIGINT;
    return by_signal && !*container->error && container->finished &&
           facts->now_realtime < container->finished + SIGN_TIME;
}

static struct finding judge_ended(const struct probe_view *view, const struct containers_facts *facts,
                                  const struct container *container, bool one_shot) {
    const char *name = name_of(container);
    if (one_shot && container->exit_code == 0)
        return found(PROBE_PASS, false, NULL);
    if (went_down_with_the_daemon(facts, container))
        return found(PROBE_UNKNOWN, false,
                     xasprintf("service \"%s\" is down since Docker or the machine was restarted", name));
    if (was_stopped_by_hand(view, container))
        return found(PROBE_UNKNOWN, false, xasprintf("service \"%s\" was stopped by somebody else", name));
    if (may_be_told_yet(facts, container))
        return found(
            PROBE_UNKNOWN, false,
            xasprintf("service \"%s\" was ended by a signal just now, whose is not known yet", name));
    return found(PROBE_FAIL, true,
                 xasprintf("service \"%s\" ended with exit status %d%s%s", name, container->exit_code,
                           *container->error ? ": " : "", container->error));
}

static struct finding judge_restarts(const struct probe_view *view, const struct containers_facts *facts,
                                     const struct container *container, bool is_down) {
    const char *name = name_of(container);
    int restarts = restarts_since(view, facts, container);
    bool fatal = restarts >= RESTARTS_OF_A_LOOP || view->first_pass_realtime > 0;
    if (restarts > 0 && fatal)
        return found(PROBE_FAIL, true,
                     xasprintf("service \"%s\" was restarted %d %s, exit status %d", name, restarts,
                               restarts == 1 ? "time" : "times", container->exit_code));
    if (is_down)
        return found(PROBE_FAIL, view->first_pass_realtime > 0,
                     xasprintf("service \"%s\" is restarting, exit status %d", name, container->exit_code));
    bool settled = string_equal(container->health, "healthy") ||
                   facts->now_realtime >= container->started + UP_AFTER_RESTART;
    if (restarts > 0 && !settled)
        return found(PROBE_FAIL, false, xasprintf("service \"%s\" was restarted just now", name));
    return found(PROBE_PASS, false, NULL);
}

static struct finding judge_running(const struct probe_view *view, const struct containers_facts *facts,
                                    const struct probe_expected *expected,
                                    const struct container *container) {
    const char *name = name_of(container);
    if (string_equal(container->health, "unhealthy"))
        return found(PROBE_FAIL, true, xasprintf("service \"%s\" is unhealthy", name));
    /* One that was started after the first pass (the gate, at its opening) has had no time to be healthy. */
    bool is_asked = view->twin_is_asked && view->twin && string_equal(view->twin, container->name);
    bool is_new = view->first_pass_realtime && container->started >= view->first_pass_realtime;
    /* Docker asks for health each 30 s by default, and users are shut out so long; the answers that came
     * through the twin say the same. */
    if (string_equal(container->health, "starting") && !is_asked)
        return found(is_new ? PROBE_UNKNOWN : PROBE_FAIL, false,
                     xasprintf("service \"%s\" is still starting", name));
    /* the database's restarts are none of the release's, once it runs again */
    if (expected->is_database)
        return found(PROBE_PASS, false, NULL);
    return view->since_realtime == 0 ? judge_calm(facts, container)
                                     : judge_restarts(view, facts, container, false);
}

static struct finding judge_container(const struct probe_view *view, const struct containers_facts *facts,
                                      const struct probe_expected *expected,
                                      const struct container *container) {
    const char *name = name_of(container), *status = container->status;
    if (expected->image_id && !string_equal(expected->image_id, container->image_id))
        return found(PROBE_FAIL, false,
                     xasprintf("service \"%s\" runs the image %.19s, expected %.19s", name,
                               container->image_id, expected->image_id));
    if (container->oom_killed)
        return found(PROBE_FAIL, true, xasprintf("service \"%s\" ran out of memory (OOM-killed)", name));
    if (!expected->is_database && json_get_integer(json_object_get(view->signs, container->id), "oom", 0) > 0)
        return found(PROBE_FAIL, true,
                     xasprintf("a process of service \"%s\" was killed: out of memory", name));
    if (string_equal(status, "running"))
        return judge_running(view, facts, expected, container);
    if (string_equal(status, "restarting"))
        return judge_restarts(view, facts, container, true);
    if (string_equal(status, "exited") || string_equal(status, "dead"))
        return judge_ended(view, facts, container, expected->one_shot);
    if (string_equal(status, "created") && *container->error)
        return found(PROBE_FAIL, true,
                     xasprintf("service \"%s\" could not be started: %s", name, container->error));
    return found(PROBE_FAIL, false, xasprintf("service \"%s\" is %s", name, status));
}

/* The worst: a fatal sign, a failure, what is not known, in this order. */
static bool is_worse(const struct finding *a, const struct finding *b) {
    static const int rank[] = { [PROBE_PASS] = 0, [PROBE_UNKNOWN] = 1, [PROBE_FAIL] = 2 };
    return rank[a->result] + a->fatal > rank[b->result] + b->fatal;
}

/* Of what the upgrade changes, something has a health check, and that says healthy. */
static bool says_ready(const struct probe_view *view, const struct containers_facts *facts) {
    for (size_t i = 0; i < view->expected_count; i++)
        for (size_t k = 0; view->expected[i].changes && view->expected[i].must_run && k < facts->count; k++)
            if (probe_docker_counts(view, &facts->containers[k], view->expected[i].service) &&
                string_equal(facts->containers[k].health, "healthy"))
                return true;
    return false;
}

static struct finding judge_service(const struct probe_view *view, const struct containers_facts *facts,
                                    const struct probe_expected *expected, json_t *seen, json_t *answer) {
    struct finding worst = found(PROBE_PASS, false, NULL);
    bool any = false;
    for (size_t i = 0; i < facts->count; i++) {
        const struct container *container = &facts->containers[i];
        if (!probe_docker_counts(view, container, expected->service))
            continue;
        any = true;
        struct finding finding = judge_container(view, facts, expected, container);
        finding.container = container;
        json_t *before = json_object_get(facts->state, container->id);
        if (finding.result == PROBE_PASS)
            json_object_set_new(seen, container->id, json_integer(container->restart_count));
        else if (before)
            json_object_set(seen, container->id, before);
        json_object_set_new(answer, container->name,
                            json_pack("{s:s, s:s, s:i}", "service", container->service, "image",
                                      container->image_id, "restarts", container->restart_count));
        if (is_worse(&finding, &worst)) {
            free(worst.sentence);
            worst = finding;
        } else {
            free(finding.sentence);
        }
    }
    if (!any)
        worst = found(PROBE_FAIL, false, xasprintf("service \"%s\" has no container", expected->service));
    if (expected->is_database && worst.result == PROBE_FAIL)
        worst.result = PROBE_UNKNOWN, worst.fatal = false;
    return worst;
}

char *containers_last_words(const char *log) {
    const char *words = NULL;
    size_t size = 0;
    for (const char *at = log; *at; at += strcspn(at, "\r\n"), at += strspn(at, "\r\n")) {
        size_t length = strcspn(at, "\r\n");
        while (length > 0 && strchr(" \t", at[length - 1]))
            length--;
        if (length > 0)
            words = at, size = length;
    }
    return words ? xstrndup(words, size) : NULL;
}

void containers_judge(const struct probe_view *view, const struct containers_facts *facts,
                      struct probe_report *report, const struct container **ret_failed) {
    struct finding worst = found(PROBE_PASS, false, NULL);
    size_t looked_at = 0, others = 0;
    report->state = json_object();
    report->answer = json_object();
    for (size_t i = 0; i < view->expected_count; i++) {
        if (!view->expected[i].must_run)
            continue;
        looked_at++;
        struct finding finding =
            judge_service(view, facts, &view->expected[i], report->state, report->answer);
        bool worse = is_worse(&finding, &worst);
        others += worse ? worst.sentence != NULL : finding.sentence != NULL;
        free(worse ? worst.sentence : finding.sentence);
        worst = worse ? finding : worst;
    }
    _cleanup_free_ char *sentence = worst.sentence;
    _cleanup_free_ char *more = others ? xasprintf(" (and %zu more)", others) : xstrdup("");
    report->measured = json_pack("{s:I}", "services", (json_int_t)looked_at);
    *ret_failed = worst.container;
    report->ready = worst.result == PROBE_PASS && says_ready(view, facts);
    if (worst.result == PROBE_PASS)
        probe_pass(report, "%zu %s as expected", looked_at, looked_at == 1 ? "service runs" : "services run");
    else if (worst.result == PROBE_UNKNOWN)
        probe_unknown(report, "%s%s", sentence, more);
    else if (worst.fatal)
        probe_fatal(report, "%s%s", sentence, more);
    else
        probe_fail(report, "%s%s", sentence, more);
}

static int take_log(void *userdata, enum frame_stream stream, const char *data, size_t size) {
    (void)stream;
    buffer_append(userdata, data, size);
    return 0;
}

/* That it ended is what Docker knows; why is what it said last. Where its log cannot be read, the sentence
 * stays as it is. */
static void tell_last_words(const struct probe_look *look, const struct container *container,
                            struct probe_report *report) {
    _cleanup_buffer_ struct buffer log = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct logs logs = { .container = container->id,
                               .since = look->view->since_realtime,
                               .tail = LAST_LINES,
                               .limit = LAST_LIMIT,
                               .on_data = take_log,
                               .userdata = &log,
                               .deadline = look->deadline };
    if (engine_logs(look->view->engine, &logs, &err) < 0 || log.size == 0)
        return;
    _cleanup_free_ char *words = containers_last_words(log.text);
    if (!words)
        return;
    replace_string(report->evidence, secrets_excerpt(NULL, log.text, log.size, LAST_LIMIT));
    _cleanup_free_ char *shown = secrets_excerpt(NULL, words, strlen(words), WORDS_SHOWN);
    replace_string(report->sentence, xasprintf("%s; the last it said: %s", report->sentence, shown));
}

static void run(const struct probe_look *look, struct probe_report *report) {
    const struct container *failed = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct containers_facts facts = { .now_realtime = clock_realtime(), .state = look->state };
    if (probe_docker_containers(look, &facts.containers, &facts.count, &err) < 0) {
        probe_unknown(report, "Docker cannot be asked: %s", error_text(&err));
        return;
    }
    usec_t daemon = docker_daemon_started(look->view->engine), machine = machine_booted();
    facts.daemon_started = daemon > machine ? daemon : machine;
    containers_judge(look->view, &facts, report, &failed);
    if (failed && report->result == PROBE_FAIL && !failed->oom_killed &&
        (report->fatal || !string_equal(failed->status, "running")))
        tell_last_words(look, failed, report);
}

static const struct probe_key keys[] = { { 0 } };

extern const struct probe_kind probe_containers;
const struct probe_kind probe_containers = {
    .name = "containers",
    .help = "every service runs the image it should, is healthy, and was not restarted or OOM-killed",
    .keys = keys,
    .timeout = 20 * USEC_PER_SEC,
    .sandbox = SANDBOX_LOOK,
    .run = run,
};
