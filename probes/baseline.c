/* Reports as JSON. See baseline.h. */

#include "probes/baseline.h"

#include <errno.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

json_t *probe_report_to_json(const struct probe_report *report) {
    json_t *value = json_object();
    json_object_set_new(value, "probe", json_text_string(report->probe));
    json_object_set_new(value, "result", json_string(probe_result_name(report->result)));
    json_object_set_new(value, "fatal", json_boolean(report->fatal));
    json_object_set_new(value, "slow", json_boolean(report->slow));
    json_object_set_new(value, "answered", json_boolean(report->answered));
    json_object_set_new(value, "ready", json_boolean(report->ready));
    json_object_set_new(value, "looked", json_boolean(report->looked));
    json_object_set_new(value, "advisory", json_boolean(report->advisory));
    json_object_set_new(value, "sentence", json_text_string(report->sentence ? report->sentence : ""));
    json_object_set_new(value, "evidence", json_text_string(report->evidence ? report->evidence : ""));
    json_object_set_new(value, "measured",
                        report->measured ? json_deep_copy(report->measured) : json_object());
    json_object_set_new(value, "milliseconds", json_integer((json_int_t)(report->took / USEC_PER_MSEC)));
    return value;
}

static int result_from(const char *name, enum probe_result *ret) {
    for (int result = PROBE_UNKNOWN; result <= PROBE_FAIL; result++)
        if (string_equal(probe_result_name((enum probe_result)result), name)) {
            *ret = (enum probe_result)result;
            return 0;
        }
    return -EBADMSG;
}

int probe_report_from_json(const json_t *value, struct probe_report *ret, struct error *err) {
    const char *probe = json_get_string(value, "probe", NULL);
    json_int_t milliseconds = json_get_integer(value, "milliseconds", 0);
    enum probe_result result;
    if (!probe)
        return error_set(err, EBADMSG, "\"probe\" of a probe's report is no text");
    if (result_from(json_get_string(value, "result", NULL), &result) < 0)
        return error_set(err, EBADMSG,
                         "\"result\" of the report of the probe \"%s\" is not \"pass\", \"fail\" or "
                         "\"unknown\"",
                         probe);
    *ret = (struct probe_report){ .probe = xstrdup(probe),
                                  .result = result,
                                  .fatal = json_get_boolean(value, "fatal", false),
                                  .slow = json_get_boolean(value, "slow", false),
                                  .answered = json_get_boolean(value, "answered", false),
                                  .ready = json_get_boolean(value, "ready", false),
                                  .looked = json_get_boolean(value, "looked", false),
                                  .advisory = json_get_boolean(value, "advisory", false),
                                  .sentence = xstrdup(json_get_string(value, "sentence", "")),
                                  .evidence = xstrdup(json_get_string(value, "evidence", "")),
                                  .measured = json_incref(json_get_object(value, "measured")),
                                  .took = milliseconds > 0 ? (usec_t)milliseconds * USEC_PER_MSEC : 0 };
    return 0;
}

json_t *baseline_make(const struct probe_report *reports, size_t count) {
    json_t *probes = json_object();
    for (size_t i = 0; i < count; i++) {
        if (reports[i].progress)
            continue;
        json_t *probe = json_object();
        json_object_set_new(probe, "result", json_string(probe_result_name(reports[i].result)));
        json_object_set_new(probe, "sentence",
                            json_text_string(reports[i].sentence ? reports[i].sentence : ""));
        json_object_set_new(probe, "milliseconds",
                            json_integer((json_int_t)(reports[i].took / USEC_PER_MSEC)));
        if (reports[i].answer)
            json_object_set(probe, "answer", reports[i].answer);
        json_object_set_new(probes, reports[i].probe, probe);
    }
    char time[TIMESTAMP_SIZE];
    return json_pack("{s:s, s:o}", "time", timestamp_format(time, clock_realtime()), "probes", probes);
}

bool baseline_is_compared(const json_t *baseline, const char *probe) {
    return json_get_boolean(baseline_answer(baseline, probe), "compared", false);
}

bool baseline_is_compared_any(const json_t *baseline) {
    const char *probe;
    const json_t *value;
    json_object_foreach(json_get_object(baseline, "probes"), probe, value) {
        if (baseline_is_compared(baseline, probe))
            return true;
    }
    return false;
}

void baseline_settle(json_t *baseline, const struct probe_report *reports, size_t count) {
    for (size_t i = 0; i < count; i++) {
        json_t *probe = json_object_get(json_get_object(baseline, "probes"), reports[i].probe);
        if (probe && reports[i].looked && reports[i].result == PROBE_PASS &&
            json_get_boolean(reports[i].answer, "again", false))
            json_object_set(probe, "answer", reports[i].answer);
    }
}

const json_t *baseline_answer(const json_t *baseline, const char *probe) {
    const json_t *answer =
        json_object_get(json_object_get(json_get_object(baseline, "probes"), probe), "answer");
    return json_is_null(answer) ? NULL : answer;
}

const struct probe_report *baseline_failed(const struct probe_report *reports, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!reports[i].advisory && reports[i].result != PROBE_PASS)
            return &reports[i];
    return NULL;
}
