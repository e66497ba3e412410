/* A transaction in words. See summary.h. */

#include "watchdog/commands/summary.h"

#include <string.h>

#include "watchdog/audit/changes.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/table.h"

#define EVIDENCE_LINES 8
#define EVIDENCE_WIDTH 200

enum tone summary_tone(const char *outcome) {
    static const struct {
        const char *outcome;
        enum tone tone;
    } tones[] = {
        { "upgraded", TONE_GOOD },       { "up-to-date", TONE_GOOD }, { "refused", TONE_UNSURE },
        { "rejected", TONE_UNSURE },     { "aborted", TONE_UNSURE },  { "rolled-back", TONE_BAD },
        { "rollback-failed", TONE_BAD },
    };
    for (size_t i = 0; i < ELEMENTS(tones); i++)
        if (string_equal(tones[i].outcome, outcome))
            return tones[i].tone;
    return TONE_PLAIN;
}

static void print_pair(struct terminal *terminal, const char *name, const char *value) {
    if (value && *value)
        terminal_print(terminal, TONE_PLAIN, "%-12s %s", name, value);
}

static void print_seconds(struct terminal *terminal, const json_t *seconds) {
    _cleanup_buffer_ struct buffer text = { 0 };
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)seconds, name, value) if (json_is_number(value))
        buffer_printf(&text, "%s%s %.1f s", text.size ? ", " : "", name, json_number_value(value));
    print_pair(terminal, "Took", text.text);
}

/* As far as a column or two of a terminal's lines, and not in the middle of a UTF-8 sequence. */
static int shown_size(const char *text, size_t size) {
    size_t end = size < EVIDENCE_WIDTH ? size : EVIDENCE_WIDTH;
    while (end < size && end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
        end--;
    return (int)end;
}

/* A line break stands as "\\n" in evidence. */
static void print_lines(struct terminal *terminal, const char *text) {
    unsigned lines = 0;
    for (const char *at = text; *at && lines < EVIDENCE_LINES;) {
        const char *end = strstr(at, "\\n");
        size_t size = end ? (size_t)(end - at) : strlen(at);
        if (size > 0) {
            terminal_print(terminal, TONE_PLAIN, "  %.*s", shown_size(at, size), at);
            lines++;
        }
        at += size + (end ? 2 : 0);
    }
}

static void print_lost(struct terminal *terminal, const json_t *lost) {
    static const char *const headers[] = { "LOST ROWS OF", ">ADDED", ">CHANGED", ">DELETED", NULL };
    _cleanup_table_ struct table table;
    table_init(&table, headers);
    size_t i;
    const json_t *row;
    json_array_foreach(lost, i, row) {
        _cleanup_free_ char *name = changes_table(row);
        table_cell(&table, TONE_PLAIN, "%s", name);
        static const char *const counts[] = { "added", "changed", "deleted" };
        for (size_t k = 0; k < ELEMENTS(counts); k++)
            table_cell(&table, TONE_PLAIN, "%lld", (long long)json_get_integer(row, counts[k], 0));
    }
    table_print(&table, terminal);
}

void summary_print_services(struct terminal *terminal, const json_t *services) {
    static const char *const headers[] = { "SERVICE", "CHANGE", "FROM", "TO", "IMAGE", NULL };
    _cleanup_table_ struct table table;
    table_init(&table, headers);
    size_t i;
    const json_t *service;
    json_array_foreach(services, i, service) {
        const json_t *from = json_get_object(service, "from"), *to = json_get_object(service, "to");
        _cleanup_free_ char *before = changes_release(from), *after = changes_release(to);
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(service, "service", "?"));
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(service, "change", ""));
        table_cell(&table, TONE_PLAIN, "%s", before);
        table_cell(&table, TONE_PLAIN, "%s", to ? after : "");
        table_cell(&table, TONE_FAINT, "%s", json_get_string(from, "image", ""));
    }
    table_print(&table, terminal);
}

void summary_print_probes(struct terminal *terminal, const json_t *reports) {
    static const char *const headers[] = { "PROBE", "RESULT", ">TIME", "WHAT IT SAW", NULL };
    _cleanup_table_ struct table table;
    table_init(&table, headers);
    size_t i;
    const json_t *report;
    json_array_foreach(reports, i, report) {
        const char *result = json_get_string(report, "result", "unknown");
        bool advisory = json_get_boolean(report, "advisory", 0);
        enum tone tone = string_equal(result, "pass")                ? TONE_GOOD
                         : string_equal(result, "fail") && !advisory ? TONE_BAD
                                                                     : TONE_UNSURE;
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(report, "probe", "?"));
        table_cell(&table, tone, "%s%s", result, advisory ? " (advisory)" : "");
        table_cell(&table, TONE_FAINT, "%lld ms", (long long)json_get_integer(report, "milliseconds", 0));
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(report, "sentence", ""));
    }
    table_print(&table, terminal);
}

/* What the failed probe saw, where there is more to see than its sentence: the lines around the one that it
 * found, or how the answer began. */
static void print_evidence(struct terminal *terminal, const json_t *transaction) {
    const char *name = json_get_string(transaction, "failed_probe", "");
    size_t i;
    const json_t *report;
    json_array_foreach(json_get_array(transaction, "probes"), i, report) {
        const char *evidence = json_get_string(report, "evidence", "");
        if (!*name || !*evidence || !string_equal(json_get_string(report, "probe", ""), name) ||
            strstr(json_get_string(report, "sentence", ""), evidence))
            continue;
        terminal_print(terminal, TONE_STRONG, "What \"%s\" saw:", name);
        print_lines(terminal, evidence);
    }
}

static void print_quarantine(struct terminal *terminal, const json_t *quarantine) {
    const json_t *databases = json_get_array(quarantine, "databases"), *name;
    size_t i;
    /* where there is but one, or the journal remembers the transaction, only the first is there */
    if (!databases)
        print_pair(terminal, "Quarantine", json_get_string(quarantine, "database", ""));
    json_array_foreach(databases, i, name)
        print_pair(terminal, i ? "" : "Quarantine", json_is_string(name) ? json_string_value(name) : "");
    bool named = json_array_size(databases) > 0 || json_get_string(quarantine, "database", NULL);
    print_pair(terminal, named ? "" : "Quarantine", json_get_string(quarantine, "files", ""));
}

void summary_print(struct terminal *terminal, const json_t *transaction) {
    const char *outcome = json_get_string(transaction, "outcome", "open");
    terminal_print(terminal, summary_tone(outcome), "%-12s %s", json_get_string(transaction, "app", "?"),
                   outcome);
    print_pair(terminal, "Transaction", json_get_string(transaction, "id", ""));
    print_pair(terminal, "Reason", json_get_string(transaction, "reason", ""));
    print_pair(terminal, "Probe", json_get_string(transaction, "failed_probe", ""));
    print_pair(terminal, "Phase", json_get_string(transaction, "phase", ""));
    print_pair(terminal, "Started", json_get_string(transaction, "started", ""));
    print_pair(terminal, "Finished", json_get_string(transaction, "finished", ""));
    print_seconds(terminal, json_get_object(transaction, "seconds"));
    print_pair(terminal, "Snapshot", json_get_string(transaction, "snapshot", ""));
    print_quarantine(terminal, json_get_object(transaction, "quarantine"));
    summary_print_services(terminal, json_get_array(transaction, "services"));
    summary_print_probes(terminal, json_get_array(transaction, "probes"));
    print_evidence(terminal, transaction);
    print_lost(terminal, json_get_array(transaction, "lost"));
    size_t i;
    const json_t *note;
    json_array_foreach(json_get_array(transaction, "notes"), i, note)
        terminal_print(terminal, TONE_UNSURE, "Note: %s", json_string_value(note));
}
