/* What every kind of probe has in common. See probe.h. */

#include "probes/probe.h"

#include <stdlib.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

const char *probe_result_name(enum probe_result result) {
    return result == PROBE_PASS ? "pass" : result == PROBE_FAIL ? "fail" : "unknown";
}

void probe_report_done(struct probe_report *report) {
    free(report->probe);
    free(report->sentence);
    free(report->evidence);
    json_decref(report->measured);
    json_decref(report->answer);
    json_decref(report->session);
    json_decref(report->state);
    json_decref(report->explained);
    *report = (struct probe_report){ 0 };
}

void probe_explain(struct probe_report *report, const char *name, json_t *value) {
    if (!report->explained)
        report->explained = json_object();
    json_object_set_new(report->explained, name, value);
}

void probe_explain_append(struct probe_report *report, const char *name, json_t *value) {
    json_t *list = json_get_array(report->explained, name);
    if (!list)
        probe_explain(report, name, list = json_array());
    json_array_append_new(list, value);
}

static void conclude(struct probe_report *report, enum probe_result result, bool fatal, const char *format,
                     va_list arguments) __attribute__((format(printf, 4, 0)));

static void conclude(struct probe_report *report, enum probe_result result, bool fatal, const char *format,
                     va_list arguments) {
    char *sentence = xvasprintf(format, arguments);
    replace_string(report->sentence, sentence);
    report->result = result;
    report->fatal = fatal;
}

#define CONCLUDE(result, fatal)                                                                              \
    do {                                                                                                     \
        va_list arguments;                                                                                   \
        va_start(arguments, format);                                                                         \
        conclude(report, result, fatal, format, arguments);                                                  \
        va_end(arguments);                                                                                   \
    } while (0)

void probe_pass(struct probe_report *report, const char *format, ...) {
    CONCLUDE(PROBE_PASS, false);
}

void probe_fail(struct probe_report *report, const char *format, ...) {
    CONCLUDE(PROBE_FAIL, false);
}

void probe_fatal(struct probe_report *report, const char *format, ...) {
    CONCLUDE(PROBE_FAIL, true);
}

void probe_unknown(struct probe_report *report, const char *format, ...) {
    CONCLUDE(PROBE_UNKNOWN, false);
}
