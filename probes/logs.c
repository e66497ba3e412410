/*
 * Kind=logs: what the services say since the switch. Every line of both streams counts; the position per
 * container goes from look to look. Bounded memory whatever is logged.
 */

#include <errno.h>
#include <string.h>

#include "probes/docker.h"
#include "probes/keys.h"
#include "probes/log-reading.h"
#include "probes/migrations.h"
#include "probes/pattern.h"
#include "probes/placeholders.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"
#include "watchdog/docker/log-driver.h"

#define EVIDENCE_LIMIT 2000
#define LINE_SHOWN 200

struct logs_settings {
    char **services;
    char **fail; /* patterns, or "@name" */
    char *pass;
};

static int key_fail(const char *value, void *target, struct error *err) {
    if (*value != '@')
        return key_patterns(value, target, err);
    if (migration_patterns_find(value + 1))
        return key_texts(value, target, err);
    struct buffer known = { 0 };
    for (const struct pattern_set *set = migration_patterns; set->name; set++)
        buffer_printf(&known, "@%s%s", set->name, set[1].name ? ", " : "");
    error_set(err, EINVAL, "expected a PCRE2 pattern or one of %s, not \"%s\"", known.text, value);
    buffer_done(&known);
    return -EINVAL;
}

/* What is found over all containers. */
struct sum {
    struct patterns fail, pass;
    size_t lines, containers;
    char *waits;     /* a service that has not said what it should */
    char *unknown;   /* why one could not be read to its end */
    json_t *excused; /* what was found while the host was in trouble; owned */
};

/* At the baseline a Pass= that was never said is a mistake in the pattern, unless the beginning of the log is
 * gone. */
static bool begins_at_start(const struct container *container, const struct log_reading *reading) {
    return log_reading_first(reading) <= container->started + USEC_PER_MINUTE;
}

/* A line that was found stays found (but see is_undone in probe.h), also when the probe is only advisory; but
 * not one that was written while the host was in trouble: Docker comes back before the database does. */
static void keep_found(const struct probe_look *look, const struct container *container,
                       const struct judge *judge, struct sum *sum, struct probe_report *report) {
    if (!judge->line || sum->excused || json_object_get(report->state, "found"))
        return;
    const char *evidence = judge->evidence ? judge->evidence : judge->line;
    _cleanup_free_ char *line = secrets_excerpt(NULL, judge->line, strlen(judge->line), LINE_SHOWN),
                        *shown = secrets_excerpt(NULL, evidence, strlen(evidence), EVIDENCE_LIMIT);
    json_t *found = json_pack("{s:o, s:o, s:s}", "line", json_text_string(line), "evidence",
                              json_text_string(shown), "service", container->service);
    _cleanup_free_ char *trouble = host_trouble(look->view, look->deadline);
    if (trouble)
        sum->excused = found;
    else
        json_object_set_new(report->state, "found", found);
}

/* Why not all of it was seen, owned; NULL: it was. */
static char *why_unknown(const struct container *container, const struct log_reading *reading, int result,
                         const struct error *err) {
    _cleanup_free_ char *problem = log_driver_problem(container->inspect);
    if (problem)
        return xasprintf("the log of \"%s\" cannot be read: %s", container->service, problem);
    if (reading->lost)
        return xasprintf("the log of \"%s\": %s", container->service, reading->lost);
    if (result > 0)
        return xasprintf("the log of \"%s\" is longer than could be read yet", container->service);
    if (result < 0)
        return xasprintf("the log of \"%s\" cannot be read: %s", container->service, error_text(err));
    return NULL;
}

static void look_at(const struct probe_look *look, const struct container *container, struct sum *sum,
                    struct probe_report *report, json_t *shapes) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct log_reading reading;
    log_reading_init(&reading);
    reading.judge.fail = &sum->fail;
    reading.judge.pass = &sum->pass;
    reading.judge.harmless = json_object_get(look->baseline, "shapes");
    reading.judge.shapes = shapes;
    int r = shapes
                ? log_read_baseline(look, container, &reading, &err)
                : log_read_new(look, container, json_object_get(look->state, container->id), &reading, &err);
    sum->lines += reading.lines;
    sum->containers++;
    json_object_set_new(report->state, container->id, log_reading_state(&reading));
    keep_found(look, container, &reading.judge, sum, report);
    if (!sum->unknown)
        sum->unknown = why_unknown(container, &reading, r, &err);
    if (!reading.judge.passed && sum->pass.list && !sum->waits &&
        (!shapes || begins_at_start(container, &reading)))
        sum->waits = xstrdup(container->service);
    log_reading_done(&reading);
}

static void conclude(const struct logs_settings *settings, const struct sum *sum,
                     struct probe_report *report) {
    const json_t *found = json_object_get(report->state, "found");
    found = found ? found : sum->excused;
    report->measured =
        json_pack("{s:I, s:I}", "lines", (json_int_t)sum->lines, "containers", (json_int_t)sum->containers);
    if (found) {
        report->evidence = xstrdup(json_get_string(found, "evidence", ""));
        probe_fatal(report, "the log of \"%s\" has: %s", json_get_string(found, "service", ""),
                    json_get_string(found, "line", ""));
    } else if (sum->unknown) {
        probe_unknown(report, "%s", sum->unknown);
    } else if (sum->containers == 0) {
        probe_fail(report, "there is no container whose log could be read");
    } else if (sum->waits) {
        probe_fail(report, "the log of \"%s\" has no line yet that matches \"%s\"", sum->waits,
                   settings->pass);
    } else {
        report->ready = settings->pass != NULL;
        probe_pass(report, "%zu new lines, none matches a failure", sum->lines);
    }
}

/* Whether this container's log is asked for: of the services named, else of all but the database. */
static bool is_asked_for(const struct probe_look *look, const struct container *container) {
    const struct logs_settings *settings = look->probe->settings;
    for (size_t i = 0; i < look->view->expected_count; i++) {
        const struct probe_expected *expected = &look->view->expected[i];
        bool named = settings->services ? strings_contain(settings->services, expected->service)
                                        : !expected->is_database;
        if (named && expected->must_run && probe_docker_counts(look->view, container, expected->service))
            return true;
    }
    return false;
}

static int compile_all(const struct logs_settings *settings, struct sum *sum, struct error *err) {
    int r = settings->pass ? patterns_add(&sum->pass, settings->pass, err) : 0;
    for (char **fail = settings->fail; fail && *fail && r == 0; fail++)
        r = patterns_add(&sum->fail, *fail, err);
    if (r == 0)
        patterns_ready(&sum->fail);
    return r;
}

static void run(const struct probe_look *look, struct probe_report *report) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct sum sum = { 0 };
    const struct container *containers;
    size_t count;
    int r = compile_all(look->probe->settings, &sum, &err);
    if (r == 0)
        r = probe_docker_containers(look, &containers, &count, &err);
    if (r < 0) {
        probe_unknown(report, "the log cannot be looked at: %s", error_text(&err));
    } else {
        json_t *shapes = look->view->is_baseline ? json_object() : NULL;
        report->state = json_object();
        if (json_object_get(look->state, "found") && !look->view->is_undone)
            json_object_set(report->state, "found", json_object_get(look->state, "found"));
        for (size_t i = 0; i < count; i++)
            if (is_asked_for(look, &containers[i]))
                look_at(look, &containers[i], &sum, report, shapes);
        conclude(look->probe->settings, &sum, report);
        if (shapes)
            report->answer = json_pack("{s:o}", "shapes", shapes);
    }
    patterns_done(&sum.fail);
    patterns_done(&sum.pass);
    free(sum.waits);
    free(sum.unknown);
    json_decref(sum.excused);
}

static int check(const struct probe *probe, const struct probe_set *set, const struct settings *settings,
                 struct error *err) {
    (void)set, (void)settings;
    const struct logs_settings *own = probe->settings;
    if (!own->fail && !own->pass)
        return error_set(err, EINVAL, "expected Fail= or Pass=");
    if (own->pass && !own->services)
        return error_set(err, EINVAL, "Pass=: expected Service= with it: which service says it?");
    return 0;
}

static void done(void *settings) {
    struct logs_settings *own = settings;
    strings_free(own->services);
    strings_free(own->fail);
    free(own->pass);
}

static const struct probe_key keys[] = {
    { "Service", key_texts, offsetof(struct logs_settings, services), .repeatable = true,
      .help = "whose log; by default of every service but the database" },
    { "Fail", key_fail, offsetof(struct logs_settings, fail), .repeatable = true,
      .help =
          "a PCRE2 pattern, or @TOOL for the failed migrations of a tool: a new line that matches fails at "
          "once" },
    { "Pass", key_pattern, offsetof(struct logs_settings, pass),
      .help = "a PCRE2 pattern that a line must match before the start is over" },
    { 0 },
};

extern const struct probe_kind probe_logs;
const struct probe_kind probe_logs = {
    .name = "logs",
    .help = "no line since the service's start matches a failure, and a success pattern is seen in time",
    .keys = keys,
    .settings_size = sizeof(struct logs_settings),
    .timeout = 30 * USEC_PER_SEC,
    .sandbox = SANDBOX_LOOK,
    .check = check,
    .run = run,
    .done = done,
};
