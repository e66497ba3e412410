/*
 * [Watch] Progress=: lines that show a migration at work. No kind of a section, but looked at like one: in a
 * child of the round, and its pass says that there is progress, nothing about the release.
 */

#include "probes/progress.h"

#include "probes/docker.h"
#include "probes/log-reading.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"

#define LOOK_TIME (10 * USEC_PER_SEC)

/* Whether a new line of the container's log matches. What cannot be read shows nothing. */
static bool shows_progress(const struct probe_look *look, const struct container *container,
                           const struct patterns *patterns, json_t *state) {
    static const struct patterns none;
    struct log_reading reading;
    log_reading_init(&reading);
    reading.judge.fail = &none;
    reading.judge.pass = patterns;
    log_read_new(look, container, json_object_get(look->state, container->id), &reading, NULL);
    bool shows = reading.judge.passed;
    reading.judge.passed = false; /* a sign is one only while it is new */
    json_object_set_new(state, container->id, log_reading_state(&reading));
    log_reading_done(&reading);
    return shows;
}

static bool is_of_release(const struct probe_view *view, const struct container *container) {
    for (size_t i = 0; i < view->expected_count; i++)
        if (!view->expected[i].is_database && probe_docker_counts(view, container, view->expected[i].service))
            return true;
    return false;
}

static void look_at_all(const struct probe_look *look, const struct patterns *patterns,
                        struct probe_report *report) {
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct container *containers;
    size_t count;
    const char *service = NULL;
    if (probe_docker_containers(look, &containers, &count, &err) < 0) {
        probe_unknown(report, "Docker cannot be asked: %s", error_text(&err));
        return;
    }
    report->state = json_object();
    for (size_t i = 0; i < count; i++)
        if (is_of_release(look->view, &containers[i]) &&
            shows_progress(look, &containers[i], patterns, report->state))
            service = containers[i].service;
    if (service)
        probe_pass(report, "the log of \"%s\" shows a migration at work", service);
    else
        probe_fail(report, "no new line shows a migration at work");
}

static void run(const struct probe_look *look, struct probe_report *report) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct patterns patterns = { 0 };
    int r = 0;
    for (char **text = look->view->settings->watch.progress; text && *text && r == 0; text++)
        r = patterns_add(&patterns, *text, &err);
    patterns_ready(&patterns);
    if (r == 0)
        look_at_all(look, &patterns, report);
    else
        probe_unknown(report, "%s", error_text(&err));
    patterns_done(&patterns);
}

const struct probe_kind probe_progress = {
    .name = "progress",
    .timeout = LOOK_TIME,
    .sandbox = SANDBOX_LOOK,
    .run = run,
};
