/* A transaction in the journal. See transcript.h. */

#include "watchdog/commands/transcript.h"

#include <string.h>
#include <syslog.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

enum event transcript_event_by_name(const char *name) {
    for (enum event event = 0; event < EVENT_COUNT; event++)
        if (string_equal(events[event].name, name))
            return event;
    return EVENT_WARNING;
}

static char *release(const struct record *record, bool candidate) {
    _cleanup_strings_ char **list = NULL;
    for (size_t i = 0; i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        const char *version = candidate ? service->candidate_version : service->version;
        const char *digest = candidate ? service->candidate_digest : service->digest;
        if (!service->changes)
            continue;
        if (version && *version)
            strings_appendf(&list, "%s %s", service->service, version);
        else
            strings_appendf(&list, "%s %.19s", service->service, digest ? digest : "?");
    }
    return list ? strings_join(list, ", ") : NULL;
}

char *transcript_from(const struct record *record) {
    return release(record, record->kind == KIND_ROLLBACK);
}

char *transcript_to(const struct record *record) {
    return release(record, record->kind != KIND_ROLLBACK);
}

static const char *phase_or_null(int phase) {
    return phase == PHASE_NONE ? NULL : phase_name((enum phase)phase);
}

/* With what every record of the transaction says; @from and @to are the caller's to free. */
static struct journal_fields fields_of(const struct record *record, char **from, char **to) {
    *from = transcript_from(record);
    *to = transcript_to(record);
    return (struct journal_fields){ .phase = phase_or_null(record->phase), .from = *from, .to = *to };
}

static usec_t since(usec_t realtime) {
    usec_t now = clock_realtime();
    return realtime && now > realtime ? now - realtime : 0;
}

void transcript_phase(const struct journal *journal, const struct record *record) {
    _cleanup_free_ char *from = NULL, *to = NULL;
    struct journal_fields fields = fields_of(record, &from, &to);
    journal_send(journal, EVENT_PHASE, &fields, "phase %s", phase_name((enum phase)record->phase));
}

void transcript_event(const struct journal *journal, const struct record *record, enum event event,
                      const char *text) {
    _cleanup_free_ char *from = NULL, *to = NULL;
    struct journal_fields fields = fields_of(record, &from, &to);
    if (events[event].priority <= LOG_WARNING)
        fields.reason = text;
    if (event == EVENT_FIRST_PASS || event == EVENT_GATE_OPENED)
        fields.seconds = since(record->switched);
    journal_send(journal, event, &fields, "%s", text);
}

void transcript_probe(const struct journal *journal, const struct record *record, const char *probe,
                      const char *result, const char *sentence) {
    _cleanup_free_ char *from = NULL, *to = NULL;
    struct journal_fields fields = fields_of(record, &from, &to);
    fields.probe = probe;
    fields.probe_result = result;
    fields.reason = sentence;
    fields.seconds = since(record->switched);
    journal_send(journal, string_equal(result, "fail") ? EVENT_PROBE_FAILED : EVENT_PROBE_UNKNOWN, &fields,
                 "%s: %s", probe, sentence);
}

/* What the probe that decided said then. Once the old release has been looked at again, the last round's
 * reports are of that one: whether it was a failure is known by what it has made of the release. */
static const char *deciding_result(const struct record *record) {
    size_t i;
    const json_t *report;
    if (!record->failed_probe)
        return NULL;
    if (record->undone || record->bad)
        return record->bad ? "fail" : "unknown";
    json_array_foreach(
        record->reports, i,
        report) if (string_equal(json_get_string(report, "probe", ""),
                                 record->failed_probe)) return json_get_string(report, "result", "unknown");
    return "fail";
}

struct journal_fields transcript_closing(const struct record *record, char **ret_from, char **ret_to) {
    struct journal_fields fields = fields_of(record, ret_from, ret_to);
    usec_t end = record->finished ? record->finished : clock_realtime();
    fields.phase = phase_or_null(record->failed_phase ? record->failed_phase : record->phase);
    fields.outcome = record->outcome ? outcome_name((enum outcome)record->outcome) : NULL;
    fields.reason = record->cause;
    fields.probe = record->failed_probe;
    fields.probe_result = deciding_result(record);
    fields.seconds = end > record->started ? end - record->started : 0;
    return fields;
}

void transcript_end(const struct journal *journal, const struct record *record) {
    _cleanup_free_ char *from = NULL, *to = NULL;
    struct journal_fields fields = transcript_closing(record, &from, &to);
    enum event event = fields.outcome ? transcript_event_by_name(fields.outcome) : EVENT_WARNING;
    journal_send(journal, event, &fields, "%s%s%s", fields.outcome ? fields.outcome : "left open",
                 fields.reason ? ": " : "", fields.reason ? fields.reason : "");
    journal_settle();
}
