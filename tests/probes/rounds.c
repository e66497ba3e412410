/*
 * rounds CONFIG PROJECT: one round of the configuration's probes for each line of standard input, and its
 * reports as one line on standard output, "baseline" being what is kept of the running release. A line is a
 * JSON object of what struct probe_view wants to know:
 * {"since": seconds, "first_pass": seconds, "gate", "twin", "is_baseline", "is_undone", "settles", "explain",
 * "expected": [{"service", "image_id", "version", "must_run", "one_shot", "changes", "is_database"}]}. The
 * reports of a round with is_baseline are the baseline of those after it; one with settles too looks once
 * more at the same release, whose memory "stays".
 */

#include <stdio.h>
#include <string.h>

#include "probes/baseline.h"
#include "probes/round.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"
#include "watchdog/docker/engine.h"

#define ROUND_TIME USEC_PER_MINUTE

static usec_t time_of(const json_t *line, const char *key) {
    return (usec_t)(json_number_value(json_object_get(line, key)) * (double)USEC_PER_SEC);
}

static struct probe_expected *expected_of(const json_t *line, size_t *ret_count) {
    const json_t *list = json_get_array(line, "expected"), *entry;
    struct probe_expected *expected = xcalloc(json_array_size(list), sizeof(*expected));
    size_t i;
    json_array_foreach(list, i, entry) expected[i] =
        (struct probe_expected){ .service = json_get_string(entry, "service", ""),
                                 .image_id = json_get_string(entry, "image_id", NULL),
                                 .version = json_get_string(entry, "version", NULL),
                                 .must_run = json_get_boolean(entry, "must_run", true),
                                 .one_shot = json_get_boolean(entry, "one_shot", false),
                                 .changes = json_get_boolean(entry, "changes", false),
                                 .is_database = json_get_boolean(entry, "is_database", false) };
    *ret_count = json_array_size(list);
    return expected;
}

static void print_round(const struct probe_round *round, const json_t *baseline) {
    _cleanup_json_ json_t *value = json_object();
    json_t *reports = json_object();
    for (size_t i = 0; i < round->count; i++) {
        json_t *report = probe_report_to_json(&round->reports[i]);
        if (round->reports[i].explained)
            json_object_set(report, "explained", round->reports[i].explained);
        json_object_set_new(reports, round->reports[i].probe, report);
    }
    json_object_set_new(value, "probes", reports);
    json_object_set_new(value, "trouble", round->trouble ? json_text_string(round->trouble) : json_null());
    json_object_set(value, "baseline", baseline ? (json_t *)baseline : json_null());
    _cleanup_free_ char *text = json_text(value);
    puts(text);
    fflush(stdout);
}

static int run(const struct settings *settings, const char *project, struct error *err) {
    _cleanup_probe_set_ struct probe_set *set = NULL;
    _cleanup_engine_ struct engine *engine = NULL;
    struct probe_memory *memory = probe_memory_new();
    _cleanup_json_ json_t *baseline = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    int r = probe_set_new(settings, &set, err);
    if (r == 0)
        r = engine_new(NULL, deadline_in(ROUND_TIME), &engine, err);
    while (r == 0 && getline(&text, &size, stdin) > 0) {
        _cleanup_json_ json_t *line = NULL;
        _cleanup_probe_round_ struct probe_round round = { 0 };
        if ((r = json_parse(text, strlen(text), "the line", &line, err)) < 0)
            break;
        struct probe_view view = { .settings = settings,
                                   .engine = engine,
                                   .project = project,
                                   .since_realtime = time_of(line, "since"),
                                   .first_pass_realtime = time_of(line, "first_pass"),
                                   .gate = json_get_string(line, "gate", NULL),
                                   .twin = json_get_string(line, "twin", NULL),
                                   .is_baseline = json_get_boolean(line, "is_baseline", false),
                                   .is_undone = json_get_boolean(line, "is_undone", false),
                                   .stop_on_fatal = json_get_boolean(line, "stop_on_fatal", false),
                                   .baseline = baseline };
        struct probe_expected *expected = expected_of(line, &view.expected_count);
        view.expected = expected;
        bool settles = view.is_baseline && baseline && json_get_boolean(line, "settles", false);
        view.explain = json_get_string(line, "explain", NULL);
        if (view.is_baseline && !settles)
            view.baseline = NULL;
        if (settles)
            probe_memory_look_again(set, memory, baseline);
        r = probe_round_run(set, &view, memory, deadline_in(ROUND_TIME), &round, err);
        if (r == 0) {
            if (settles) {
                baseline_settle(baseline, round.reports, round.count);
            } else if (view.is_baseline) {
                json_decref(baseline);
                baseline = baseline_make(round.reports, round.count);
            }
            /* what follows may be another release */
            if (view.is_baseline && !json_get_boolean(line, "stays", false)) {
                probe_memory_free(memory);
                memory = probe_memory_new();
            }
            print_round(&round, baseline);
        }
        free(expected);
    }
    probe_memory_free(memory);
    return r;
}

int main(int argc, char **argv) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_settings_ struct settings *settings = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: rounds CONFIG PROJECT\n");
        return 2;
    }
    if (settings_load(SETTINGS_DIRECTORY, argv[1], &settings, &err) < 0 || run(settings, argv[2], &err) < 0) {
        fprintf(stderr, "rounds: %s\n", error_text(&err));
        return 1;
    }
    return 0;
}
