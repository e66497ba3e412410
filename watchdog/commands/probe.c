/* probe: every probe once. */

#include <errno.h>

#include "probes/baseline.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/explain.h"
#include "watchdog/commands/look.h"
#include "watchdog/commands/summary.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/looks.h"
#include "watchdog/transaction/supervisor.h"

#define PROBE_TIME (5 * USEC_PER_MINUTE)
/* Times are often written in whole seconds. */
#define BETWEEN_LOOKS (1100 * USEC_PER_MSEC)

static json_t *probes_json(const struct look *look, const struct probe_round *round) {
    json_t *value = json_object(), *reports = json_array();
    for (size_t i = 0; i < round->count; i++) {
        json_t *report = probe_report_to_json(&round->reports[i]);
        if (round->reports[i].explained)
            json_object_set(report, "explained", round->reports[i].explained);
        json_array_append_new(reports, report);
    }
    json_object_set_new(value, "app", json_text_string(look->context.settings->app));
    json_object_set_new(value, "trouble", round->trouble ? json_text_string(round->trouble) : json_null());
    json_object_set_new(value, "probes", reports);
    return value;
}

/* 5: a deciding probe failed; 1: none did, but one could not look, so that an upgrade would not begin. */
static int status_of(const struct probe_round *round) {
    int status = EXIT_DONE;
    for (size_t i = 0; i < round->count; i++) {
        const struct probe_report *report = &round->reports[i];
        if (report->advisory)
            continue;
        if (report->result == PROBE_FAIL)
            return EXIT_ROLLED_BACK;
        if (report->result == PROBE_UNKNOWN)
            status = EXIT_ABORTED;
    }
    return status;
}

/* Only of what was looked at: the explained probe and what it comes after. */
static void keep_looked(struct probe_round *round) {
    size_t kept = 0;
    for (size_t i = 0; i < round->count; i++) {
        if (round->reports[i].looked)
            round->reports[kept++] = round->reports[i];
        else
            probe_report_done(&round->reports[i]);
    }
    round->count = kept;
}

/* Once, and where something will be compared once more, as before an upgrade. */
static int look_around(struct look *look, struct looks *looks, struct probe_round *ret, struct error *err) {
    int r = looks_round(&look->context, looks, PROBE_TIME, ret, err);
    if (r < 0)
        return r;
    looks->baseline = baseline_make(ret->reports, ret->count);
    const char *only = looks->view.explain;
    bool compares =
        only ? baseline_is_compared(looks->baseline, only) : baseline_is_compared_any(looks->baseline);
    if (!compares || (!only && status_of(ret) == EXIT_ROLLED_BACK))
        return 0;
    deadline_sleep(look->context.deadline, BETWEEN_LOOKS);
    looks->view.baseline = looks->baseline;
    probe_memory_look_again(looks->set, looks->memory, looks->baseline);
    probe_round_done(ret);
    return looks_round(&look->context, looks, PROBE_TIME, ret, err);
}

static void print_explained(struct terminal *terminal, const char *name, const json_t *reports) {
    const json_t *report = explain_which(reports, name);
    const char *which = json_get_string(report, "probe", "");
    if (!string_equal(which, name))
        terminal_print(terminal, TONE_UNSURE, "\"%s\" comes after \"%s\", which did not pass:", name, which);
    explain_print(terminal, report);
}

static void print(const struct options *options, const struct probe_round *round, const json_t *reports) {
    _cleanup_terminal_ struct terminal terminal;
    const json_t *report;
    size_t i;
    command_terminal(options, &terminal);
    summary_print_probes(&terminal, reports);
    terminal_print(&terminal, TONE_PLAIN, "%s", "");
    if (options->explain)
        print_explained(&terminal, options->explain, reports);
    else
        json_array_foreach(reports, i, report) explain_seen(&terminal, report);
    if (round->trouble)
        terminal_print(&terminal, TONE_UNSURE, "The host is in trouble: %s", round->trouble);
}

static int check_name(const struct looks *looks, const char *name, struct error *err) {
    struct buffer known = { 0 };
    for (size_t i = 0; i < looks->set->count; i++)
        buffer_printf(&known, "%s\"%s\"", i ? ", " : "", looks->set->probes[i].name);
    int r = name && !probe_set_find(looks->set, name)
                ? error_set(err, EINVAL, "there is no probe \"%s\", expected one of %s", name, known.text)
                : 0;
    buffer_done(&known);
    return r;
}

int command_probe(const struct options *options) {
    _cleanup_look_ struct look look;
    _cleanup_looks_ struct looks *looks = NULL;
    _cleanup_probe_round_ struct probe_round round = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    int status = look_init(&look, options, PROBE_TIME);
    if (status)
        return status;
    if (inspect_application(&look.context, NULL, &err) < 0 ||
        looks_new(&look.context, LOOKS_BASELINE, &looks, &err) < 0)
        return look_fail(&look, &err);
    if (check_name(looks, options->explain, &err) < 0)
        return command_fail(options, EXIT_USAGE, &err);
    looks->view.explain = options->explain;
    if (look_around(&look, looks, &round, &err) < 0)
        return look_fail(&look, &err);
    if (options->explain)
        keep_looked(&round);
    status = status_of(&round);
    _cleanup_json_ json_t *value = probes_json(&look, &round);
    if (options->json)
        return command_json(options, status, value);
    print(options, &round, json_get_array(value, "probes"));
    return status;
}
