/* probe: every probe once. */

#include "watchdog/base/json.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/look.h"
#include "watchdog/commands/summary.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/looks.h"
#include "watchdog/transaction/supervisor.h"

#define PROBE_TIME (5 * USEC_PER_MINUTE)

static json_t *probes_json(const struct look *look, const struct probe_round *round) {
    json_t *value = json_object();
    json_object_set_new(value, "app", json_text_string(look->context.settings->app));
    json_object_set_new(value, "trouble", round->trouble ? json_text_string(round->trouble) : json_null());
    json_object_set(value, "probes", look->context.record->reports);
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
    if (looks_round(&look.context, looks, PROBE_TIME, &round, &err) < 0)
        return look_fail(&look, &err);
    status = status_of(&round);
    _cleanup_json_ json_t *value = probes_json(&look, &round);
    if (options->json)
        return command_json(options, status, value);
    _cleanup_terminal_ struct terminal terminal;
    command_terminal(options, &terminal);
    summary_print_probes(&terminal, json_get_array(value, "probes"));
    if (round.trouble)
        terminal_print(&terminal, TONE_UNSURE, "The host is in trouble: %s", round.trouble);
    return status;
}
