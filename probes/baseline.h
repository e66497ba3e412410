#pragma once

/* Reports as JSON: for the transaction's report, and what the baseline keeps to compare with. */

#include "probes/probe.h"

/* {"probe", "result", "fatal", "looked", "advisory", "sentence", "evidence", "measured", "milliseconds"}: no
 * secrets, no answers. New reference. */
json_t *probe_report_to_json(const struct probe_report *report);
/* The same back. Returns 0, or -EBADMSG naming the member. */
int probe_report_from_json(const json_t *value, struct probe_report *ret, struct error *err);

/* What the probes saw on the running release: {"time": …, "probes": {NAME: {"result", "sentence",
 * "milliseconds", "answer"}}}. Never holds captured values. For probe_view.baseline and baseline.json. New
 * reference. */
json_t *baseline_make(const struct probe_report *reports, size_t count);
/* Whether a probe's answer will be compared with the baseline's, so that a second look at the running release
 * is worth its while. */
bool baseline_is_compared(const json_t *baseline, const char *probe);
bool baseline_is_compared_any(const json_t *baseline);
/* Takes over from a later look at the running release, made with @baseline and is_baseline, what changes by
 * itself. */
void baseline_settle(json_t *baseline, const struct probe_report *reports, size_t count);
/* What the baseline kept of a probe's answer; borrowed, NULL: nothing. */
const json_t *baseline_answer(const json_t *baseline, const char *probe);
/* The first deciding report that did not pass, which refuses an upgrade at the baseline; NULL: all passed. */
const struct probe_report *baseline_failed(const struct probe_report *reports, size_t count);
