/*
 * Kind=logs: what the services say since the switch. Every line of both streams counts, once: the position
 * per container goes from look to look. Bounded memory whatever is logged.
 */

#include <errno.h>
#include <string.h>

#include "probes/docker.h"
#include "probes/keys.h"
#include "probes/lines.h"
#include "probes/migrations.h"
#include "probes/pattern.h"
#include "probes/placeholders.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"
#include "watchdog/docker/logs.h"

#define EVIDENCE_LIMIT 400
#define READ_LIMIT ((size_t)512 * 1024 * 1024) /* bytes in one look; the next one goes on from there */
#define SHAPES_LIMIT 20000
/* The baseline reads what its containers said first and last: an old container's log can be very long. */
#define BASELINE_FIRST (10 * USEC_PER_MINUTE)
#define BASELINE_LAST USEC_PER_DAY
#define BASELINE_LIMIT ((size_t)128 * 1024 * 1024)
/* The two streams are stamped by two writers, so their lines may be a little out of order. */
#define OVERLAP (5 * USEC_PER_SEC)
#define TAIL_LEAST 1000 /* lines */
#define TAIL_MOST 1000000

struct logs_settings {
    char **services;
    char **fail; /* patterns, or "@name" */
    char *pass;
};

struct patterns {
    struct pattern **list;
    size_t count;
};

static void patterns_done(struct patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++)
        pattern_free(patterns->list[i]);
    free(patterns->list);
}

static int patterns_add(struct patterns *patterns, const char *text, struct error *err) {
    struct pattern *pattern;
    int r = pattern_new(text, &pattern, err);
    if (r < 0)
        return r;
    patterns->list = xrealloc(patterns->list, patterns->count + 1, sizeof(*patterns->list));
    patterns->list[patterns->count++] = pattern;
    return 0;
}

static int patterns_add_named(struct patterns *patterns, const char *text, struct error *err) {
    if (*text != '@')
        return patterns_add(patterns, text, err);
    const struct pattern_set *set = migration_patterns_find(text + 1);
    int r = set ? 0 : error_set(err, EINVAL, "there are no patterns \"%s\"", text);
    for (size_t i = 0; set && set->patterns[i] && r == 0; i++)
        r = patterns_add(patterns, set->patterns[i], err);
    return r;
}

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

/* What one container's log is read into. */
struct reading {
    const struct patterns *fail, *pass;
    const json_t *harmless; /* shapes of the baseline: object, shape → true; NULL none */
    json_t *shapes;         /* the baseline: shapes of matching lines are collected here; else NULL */
    struct line_stream streams[2];
    usec_t reaches; /* the first line must not be later, or there is a gap; 0: it may */
    bool gap;
    bool passed;
    size_t lines; /* new ones */
    char *line;   /* the first that failed */
    struct error err;
};

static int match_any(const struct patterns *patterns, const char *text, size_t size, struct error *err) {
    for (size_t i = 0; i < patterns->count; i++) {
        int r = pattern_match(patterns->list[i], text, size, err);
        if (r != 0)
            return r;
    }
    return 0;
}

static int judge_text(void *userdata, const char *time, const char *text, size_t size) {
    struct reading *reading = userdata;
    (void)time;
    int passes = reading->passed ? 0 : match_any(reading->pass, text, size, &reading->err);
    int fails = passes < 0 ? passes : match_any(reading->fail, text, size, &reading->err);
    if (fails < 0)
        return fails;
    reading->passed = reading->passed || passes > 0;
    if (fails == 0)
        return 0;
    char shape[SHAPE_SIZE];
    line_shape(text, size, shape);
    if (reading->shapes && json_object_size(reading->shapes) < SHAPES_LIMIT)
        json_object_set_new(reading->shapes, shape, json_true());
    else if (!reading->shapes && !reading->line && !json_object_get(reading->harmless, shape))
        reading->line = xstrndup(text, size);
    return 0;
}

/* When the first line was written, 0: there is none. */
static usec_t first_time(const struct reading *reading) {
    usec_t first = 0;
    for (int i = 0; i < 2; i++) {
        usec_t time;
        if (timestamp_parse(reading->streams[i].first, &time) == 0 && (first == 0 || time < first))
            first = time;
    }
    return first;
}

static int judge_line(void *userdata, const char *time, const char *text, size_t size) {
    struct reading *reading = userdata;
    if (reading->lines == 0 && reading->reaches && first_time(reading) > reading->reaches) {
        reading->gap = true;
        return -ECANCELED;
    }
    reading->lines++;
    int r = judge_text(userdata, time, text, size);
    return r < 0 ? r : line_messages(text, size, judge_text, userdata);
}

static int feed(void *userdata, enum frame_stream stream, const char *data, size_t size) {
    struct reading *reading = userdata;
    return lines_feed(&reading->streams[stream == FRAME_ERRORS], data, size, judge_line, reading);
}

static void reading_done(struct reading *reading) {
    lines_done(&reading->streams[0]);
    lines_done(&reading->streams[1]);
    free(reading->line);
    error_done(&reading->err);
}

/* Returns 0, 1 when there is more than the limit, or -errno. */
static int read_part(const struct probe_look *look, struct logs logs, struct reading *reading,
                     struct error *err) {
    logs.timestamps = true;
    logs.on_data = feed;
    logs.userdata = reading;
    logs.deadline = look->deadline;
    int r = engine_logs(look->view->engine, &logs, err);
    for (int i = 0; i < 2 && r >= 0; i++) {
        int ended = lines_end(&reading->streams[i], judge_line, reading);
        r = ended < 0 ? ended : r;
    }
    return r < 0 && reading->err.number ? error_move(err, &reading->err) : r;
}

/* The first minutes and the last day of the container that runs. */
static int read_baseline(const struct probe_look *look, const struct container *container,
                         struct reading *reading, struct error *err) {
    usec_t now = clock_realtime(), began = container_run_began(container), first_end = began + BASELINE_FIRST;
    struct logs logs = { .container = container->id, .since = began, .limit = BASELINE_LIMIT };
    if (first_end < now)
        logs.until = first_end;
    int r = read_part(look, logs, reading, err);
    if (r < 0 || first_end >= now)
        return r < 0 ? r : 0;
    logs.since = now - BASELINE_LAST > first_end ? now - BASELINE_LAST : first_end;
    logs.until = 0;
    r = read_part(look, logs, reading, err);
    return r < 0 ? r : 0;
}

/* Sets the reading to where the last look ended; else to @since. Returns when that was, 0: there is no bound.
 */
static usec_t load_position(struct reading *reading, const json_t *state, usec_t since) {
    usec_t latest = 0;
    char earliest[LOG_TIME_SIZE] = "";
    if (since)
        line_time(since, earliest);
    for (size_t i = 0; i < 2; i++) {
        const char *time = json_get_string(state, i ? "errors" : "output", earliest);
        usec_t realtime;
        lines_done(&reading->streams[i]);
        reading->streams[i] = (struct line_stream){ 0 };
        snprintf(reading->streams[i].last, sizeof(reading->streams[i].last), "%s", time);
        if (timestamp_parse(time, &realtime) == 0 && realtime > latest)
            latest = realtime;
    }
    reading->passed = json_get_boolean(state, "passed", false);
    return latest;
}

static json_t *save_position(const struct reading *reading) {
    return json_pack("{s:s, s:s, s:b, s:I}", "output", reading->streams[0].last, "errors",
                     reading->streams[1].last, "passed", reading->passed, "lines",
                     (json_int_t)reading->lines);
}

/* What is new. Docker finds a time in a log by reading all that is before it, but the end at once: so the end
 * is asked for, about as much as was new the last time, and only where that does not reach back far enough
 * all since then. */
static int read_new(const struct probe_look *look, const struct container *container, const json_t *state,
                    struct reading *reading, struct error *err) {
    usec_t since = look->view->since_realtime, position = load_position(reading, state, since);
    json_int_t expected = 2 * json_get_integer(state, "lines", 0) + TAIL_LEAST;
    struct logs logs = { .container = container->id, .limit = READ_LIMIT };
    /* a container that began after it has nothing before it to reach back to */
    if (position > container->created) {
        logs.tail = expected < TAIL_MOST ? (unsigned)expected : TAIL_MOST;
        reading->reaches = position;
        int r = read_part(look, logs, reading, err);
        if (!reading->gap)
            return r;
        error_done(err);
        load_position(reading, state, since);
        reading->reaches = 0;
    }
    logs.tail = 0;
    logs.since = position > OVERLAP ? position - OVERLAP : 0;
    return read_part(look, logs, reading, err);
}

/* What is found over all containers. */
struct sum {
    struct patterns fail, pass;
    size_t lines, containers;
    char *waits;   /* a service that has not said what it should */
    char *unknown; /* why one could not be read to its end */
};

/* At the baseline a Pass= that was never said is a mistake in the pattern, unless the beginning of the log is
 * gone. */
static bool begins_at_start(const struct container *container, const struct reading *reading) {
    return first_time(reading) <= container->started + USEC_PER_MINUTE;
}

static void look_at(const struct probe_look *look, const struct container *container, struct sum *sum,
                    struct probe_report *report, json_t *shapes) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct reading reading = { .fail = &sum->fail,
                               .pass = &sum->pass,
                               .harmless = json_object_get(look->baseline, "shapes"),
                               .shapes = shapes,
                               .err = ERROR_NONE };
    int r = shapes ? read_baseline(look, container, &reading, &err)
                   : read_new(look, container, json_object_get(look->state, container->id), &reading, &err);
    sum->lines += reading.lines;
    sum->containers++;
    json_object_set_new(report->state, container->id, save_position(&reading));
    if (reading.line && !report->evidence) {
        report->evidence = secrets_excerpt(NULL, reading.line, strlen(reading.line), EVIDENCE_LIMIT);
        json_object_set_new(report->state, "found",
                            json_pack("{s:o, s:s}", "line", json_text_string(report->evidence), "service",
                                      container->service));
    }
    if (r != 0 && !sum->unknown)
        sum->unknown =
            r > 0 ? xasprintf("the log of \"%s\" is longer than could be read yet", container->service)
                  : xasprintf("the log of \"%s\" cannot be read: %s", container->service, error_text(&err));
    if (!reading.passed && sum->pass.count && !sum->waits &&
        (!shapes || begins_at_start(container, &reading)))
        sum->waits = xstrdup(container->service);
    reading_done(&reading);
}

static void conclude(const struct logs_settings *settings, const struct sum *sum,
                     struct probe_report *report) {
    const json_t *line = json_object_get(report->state, "found");
    report->measured =
        json_pack("{s:I, s:I}", "lines", (json_int_t)sum->lines, "containers", (json_int_t)sum->containers);
    if (line) {
        replace_string(report->evidence, xstrdup(json_get_string(line, "line", "")));
        probe_fatal(report, "the log of \"%s\" has: %.200s", json_get_string(line, "service", ""),
                    report->evidence);
    } else if (sum->unknown) {
        probe_unknown(report, "%s", sum->unknown);
    } else if (sum->containers == 0) {
        probe_fail(report, "there is no container whose log could be read");
    } else if (sum->waits) {
        probe_fail(report, "the log of \"%s\" has no line yet that matches \"%s\"", sum->waits,
                   settings->pass);
    } else {
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
        r = patterns_add_named(&sum->fail, *fail, err);
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
        /* A line that was found stays found, also when the probe is only advisory. */
        if (json_object_get(look->state, "found"))
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
    .check = check,
    .run = run,
    .done = done,
};
