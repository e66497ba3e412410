/* What a transaction says while it runs. See watcher.h. */

#include "watchdog/commands/watcher.h"

#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "watchdog/audit/changes.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/table.h"
#include "watchdog/commands/transcript.h"
#include "watchdog/commands/tell.h"
#include "watchdog/transaction/request.h"

static struct journal journal_of(struct watcher *watcher, const struct record *record) {
    return (struct journal){ record->app, record->id, terminal_plain, &watcher->terminal };
}

static void close_phase(struct watcher *watcher, bool good, const char *note) {
    if (watcher->phase)
        terminal_phase_done(&watcher->terminal, good, note);
    free(watcher->phase);
    watcher->phase = NULL;
}

/* "qaid: phase backup, dump of "qaid", 3.1 MB of 12 MB", for `systemctl status`; follow.c reads it too. */
static void tell_status(struct watcher *watcher) {
    const struct terminal *terminal = &watcher->terminal;
    char bytes[BYTES_SIZE], total[BYTES_SIZE];
    if (!watcher->app || !watcher->phase)
        return;
    char *text =
        xasprintf("%s: phase %s%s%s%s%s%s%s", watcher->app, watcher->phase, terminal->what ? ", " : "",
                  terminal->what ? terminal->what : "", terminal->bytes ? ", " : "",
                  terminal->bytes ? bytes_format(bytes, terminal->bytes) : "",
                  terminal->bytes && terminal->total ? " of " : "",
                  terminal->bytes && terminal->total ? bytes_format(total, terminal->total) : "");
    if (!string_equal(text, watcher->status))
        journal_status("%s", text);
    replace_string(watcher->status, text);
}

static void on_opened(void *userdata, const struct record *record) {
    const struct watcher *watcher = userdata;
    if (watcher->requested)
        (void)request_remove(record->app,
                             NULL); /* in /run: nothing to do about a failure, and it grows old */
    if (watcher->options)
        tell_spooled(watcher->options, record->app, false);
}

/* Of the configuration that goes with the transaction, as recovery knows no other. */
static struct measure *metrics_of(struct watcher *watcher, const struct record *record) {
    if (watcher->measure.state && !string_equal(watcher->measured, record->id)) {
        measure_done(&watcher->measure);
        replace_string(watcher->measured, xstrdup(record->id));
        replace_string(watcher->textfile, measure_textfile(watcher->measure.state, record));
        watcher->measure.textfile = watcher->textfile;
    }
    return &watcher->measure;
}

static void on_phase(void *userdata, const struct record *record) {
    struct watcher *watcher = userdata;
    const char *name = phase_name((enum phase)record->phase);
    bool back = record->phase >= PHASE_BACK_OUT && record->phase != PHASE_FORGET;
    close_phase(watcher, !(back && record->phase <= PHASE_UNDO_STOP), NULL);
    watcher->phase = xstrdup(name);
    terminal_phase(&watcher->terminal, name);
    struct journal journal = journal_of(watcher, record);
    transcript_phase(&journal, record);
    replace_string(watcher->app, xstrdup(record->app));
    tell_status(watcher);
    measure_begin(metrics_of(watcher, record));
}

static void on_progress(void *userdata, const char *text, uint64_t done, uint64_t total) {
    struct watcher *watcher = userdata;
    terminal_progress(&watcher->terminal, text, done, total);
}

static void on_tick(void *userdata) {
    struct watcher *watcher = userdata;
    terminal_tick(&watcher->terminal);
    tell_status(watcher);
}

/* "4 of 5 probes pass; login: POST /api/auth/login answered 500, wanted 200" */
static void show_reports(struct watcher *watcher, const json_t *reports) {
    const json_t *report, *first = NULL;
    size_t i, passed = 0;
    json_array_foreach(reports, i, report) {
        bool pass = string_equal(json_get_string(report, "result", ""), "pass");
        passed += pass;
        if (!pass && !first)
            first = report;
    }
    _cleanup_free_ char *text =
        first ? xasprintf("%zu of %zu probes pass; %s: %s", passed, json_array_size(reports),
                          json_get_string(first, "probe", "?"), json_get_string(first, "sentence", "?"))
              : xasprintf("all %zu probes pass", passed);
    terminal_progress(&watcher->terminal, text, 0, 0);
}

static void on_reports(void *userdata, const json_t *reports) {
    struct watcher *watcher = userdata;
    json_decref(watcher->reports);
    watcher->reports = json_incref((json_t *)reports);
    show_reports(watcher, reports);
}

static void tell_terminal(struct watcher *watcher, enum event event, const char *text) {
    /* Where there is a journal, its plain line does not come to the terminal. */
    if (journal_available() && events[event].priority <= LOG_NOTICE)
        terminal_tell(&watcher->terminal, events[event].priority <= LOG_WARNING ? TONE_UNSURE : TONE_PLAIN,
                      "%s", text);
    else if (!journal_available() && events[event].priority == LOG_NOTICE)
        terminal_tell(&watcher->terminal, TONE_PLAIN, "%s", text);
}

static void on_event(void *userdata, const struct record *record, const char *kind, const char *text) {
    struct watcher *watcher = userdata;
    struct journal journal = journal_of(watcher, record);
    enum event event = transcript_event_by_name(kind);
    transcript_event(&journal, record, event, text);
    tell_terminal(watcher, event, text);
}

static void on_probe(void *userdata, const struct record *record, const char *probe, const char *result,
                     const char *sentence) {
    struct watcher *watcher = userdata;
    struct journal journal = journal_of(watcher, record);
    _cleanup_free_ char *text = xasprintf("%s: %s", probe, sentence);
    transcript_probe(&journal, record, probe, result, sentence);
    tell_terminal(watcher, string_equal(result, "fail") ? EVENT_PROBE_FAILED : EVENT_PROBE_UNKNOWN, text);
}

/* The end is told by watcher_result(), in full. */
static void told_later(void *userdata, int priority, const char *line) {
    (void)userdata, (void)priority, (void)line;
}

static void write_metrics(struct watcher *watcher, const struct record *record) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct journal journal = journal_of(watcher, record);
    if (measure_write(metrics_of(watcher, record), &err) >= 0)
        return;
    transcript_event(&journal, record, EVENT_WARNING, error_text(&err));
    tell_terminal(watcher, EVENT_WARNING, error_text(&err));
}

static void on_end(void *userdata, const struct record *record) {
    struct watcher *watcher = userdata;
    struct journal journal = journal_of(watcher, record);
    if (!watcher->json)
        journal.plain = told_later;
    bool good = record->outcome == OUTCOME_UPGRADED || record->outcome == OUTCOME_UP_TO_DATE ||
                record->outcome == OUTCOME_ROLLED_BACK;
    close_phase(watcher, good || record->phase == PHASE_FORGET || record->phase == PHASE_BACK_OUT, NULL);
    transcript_end(&journal, record);
    write_metrics(watcher, record);
    journal_status("%s: %s", record->app,
                   record->outcome ? outcome_name((enum outcome)record->outcome) : "left open");
}

void watcher_init(struct watcher *watcher, bool json) {
    *watcher = (struct watcher){ .json = json };
    terminal_init(&watcher->terminal, json ? STDERR_FILENO : STDOUT_FILENO);
    watcher->observer = (struct observer){ on_opened, on_phase, on_progress, on_tick, on_reports,
                                           on_event,  on_probe, on_end,      watcher };
}

void watcher_done(struct watcher *watcher) {
    close_phase(watcher, true, NULL);
    terminal_done(&watcher->terminal);
    json_decref(watcher->reports);
    free(watcher->app);
    free(watcher->status);
    measure_done(&watcher->measure);
    free(watcher->textfile);
    free(watcher->measured);
}

static void print_probes(struct watcher *watcher, const json_t *reports) {
    static const char *const headers[] = { "PROBE", "RESULT", "WHAT IT SAW", NULL };
    struct table table;
    size_t i;
    const json_t *report;
    if (json_array_size(reports) == 0)
        return;
    table_init(&table, headers);
    json_array_foreach(reports, i, report) {
        const char *result = json_get_string(report, "result", "unknown");
        enum tone tone = string_equal(result, "pass")   ? TONE_GOOD
                         : string_equal(result, "fail") ? TONE_BAD
                                                        : TONE_UNSURE;
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(report, "probe", ""));
        table_cell(&table, tone, "%s", result);
        table_cell(&table, TONE_PLAIN, "%s", json_get_string(report, "sentence", ""));
    }
    table_print(&table, &watcher->terminal);
    table_done(&table);
}

static double seconds_of(const struct record *record, const char *name) {
    return json_number_value(json_object_get(record->seconds, name));
}

static void print_times(struct watcher *watcher, const struct record *record) {
    static const char *const names[] = { "downtime", "freeze", "swap", "rollback" };
    _cleanup_strings_ char **parts = NULL;
    for (size_t i = 0; i < ELEMENTS(names); i++)
        if (seconds_of(record, names[i]) > 0) {
            char text[DURATION_SIZE];
            usec_t took = (usec_t)(seconds_of(record, names[i]) * (double)USEC_PER_SEC + 0.5);
            strings_appendf(&parts, "%s %s", names[i], duration_format(text, took));
        }
    if (!parts)
        return;
    _cleanup_free_ char *text = strings_join(parts, ", ");
    terminal_print(&watcher->terminal, TONE_FAINT, "%s", text);
}

static void print_lost(struct watcher *watcher, const struct record *record) {
    size_t i;
    const json_t *table;
    if (record->lost_unknown)
        terminal_print(&watcher->terminal, TONE_UNSURE,
                       "What was written since the switch could not be counted.");
    if (json_array_size(record->lost) == 0)
        return;
    terminal_print(&watcher->terminal, TONE_UNSURE, "Written since the switch, and now in quarantine only:");
    json_array_foreach(record->lost, i, table) {
        _cleanup_free_ char *name = changes_table(table);
        terminal_print(&watcher->terminal, TONE_PLAIN, "  %s: %lld added, %lld changed, %lld deleted", name,
                       (long long)json_get_integer(table, "added", 0),
                       (long long)json_get_integer(table, "changed", 0),
                       (long long)json_get_integer(table, "deleted", 0));
    }
}

static void print_quarantine(struct watcher *watcher, const struct record *record) {
    if (record->outcome != OUTCOME_ROLLED_BACK && record->outcome != OUTCOME_ROLLBACK_FAILED)
        return;
    for (size_t i = 0; i < record->databases_count; i++)
        terminal_print(&watcher->terminal, TONE_PLAIN, "The failed database is kept as \"%s\".",
                       record->databases[i].failed);
    for (char **path = record->quarantines; path && *path; path++)
        terminal_print(&watcher->terminal, TONE_PLAIN, "Files of the failed release are kept in %s.", *path);
}

static const char *state_sentence(const struct record *record) {
    switch ((enum outcome)record->outcome) {
    case OUTCOME_UPGRADED:
        return "The new release is up and has passed its probes.";
    case OUTCOME_UP_TO_DATE:
        return "There is nothing newer.";
    case OUTCOME_REFUSED:
    case OUTCOME_REJECTED:
        return "Nothing was touched; the application runs as before.";
    case OUTCOME_ABORTED:
        return "The old release runs, on the database that it had.";
    case OUTCOME_ROLLED_BACK:
        return "The old release is up again, with database and files as at the snapshot, and passes its "
               "probes.";
    case OUTCOME_ROLLBACK_FAILED:
        return "A person is needed. Everything is kept.";
    case OUTCOME_NONE:
        break;
    }
    return "The transaction is open; `upgrade-watchdog recover` goes on with it.";
}

static enum tone outcome_tone(const struct record *record) {
    switch ((enum outcome)record->outcome) {
    case OUTCOME_UPGRADED:
    case OUTCOME_UP_TO_DATE:
        return TONE_GOOD;
    case OUTCOME_REFUSED:
    case OUTCOME_REJECTED:
    case OUTCOME_ABORTED:
    case OUTCOME_NONE:
        return TONE_UNSURE;
    case OUTCOME_ROLLED_BACK:
    case OUTCOME_ROLLBACK_FAILED:
        break;
    }
    return TONE_BAD;
}

void watcher_result(struct watcher *watcher, const struct record *record) {
    struct terminal *terminal = &watcher->terminal;
    close_phase(watcher, true, NULL);
    if (watcher->json) {
        _cleanup_json_ json_t *public = record_public(record);
        output_json(public, NULL);
        return;
    }
    if (terminal->silent) /* the journal has the outcome's record */
        return;
    _cleanup_free_ char *from = transcript_from(record), *to = transcript_to(record);
    print_probes(watcher, watcher->reports ? watcher->reports : record->reports);
    terminal_print(terminal, outcome_tone(record), "%s: %s%s%s", record->app,
                   record->outcome ? outcome_name((enum outcome)record->outcome) : "left open",
                   record->cause ? ": " : "", record->cause ? record->cause : "");
    if (from && to)
        terminal_print(terminal, TONE_PLAIN, "%s → %s", from, to);
    terminal_print(terminal, TONE_PLAIN, "%s", state_sentence(record));
    print_lost(watcher, record);
    print_quarantine(watcher, record);
    for (char **note = record->notes; note && *note; note++)
        terminal_print(terminal, TONE_UNSURE, "Note: %s", *note);
    print_times(watcher, record);
    terminal_print(terminal, TONE_FAINT, "upgrade-watchdog report %s %s", record->app, record->id);
}
