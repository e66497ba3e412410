/* check: could an upgrade run now? */

#include <errno.h>

#include "watchdog/base/json.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/look.h"
#include "watchdog/commands/table.h"
#include "watchdog/transaction/checks.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/supervisor.h"

#define CHECK_TIME (3 * USEC_PER_MINUTE)

struct findings {
    struct finding *list;
    size_t count;
};

static void look_at_transaction(const struct look *look, struct findings *findings) {
    _cleanup_record_ struct record *record = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = state_load(look->context.state, &record, &err);
    if (r == -ENOENT)
        return;
    if (r < 0)
        findings_add(&findings->list, &findings->count, "transaction", false, false, "", "%s",
                     error_text(&err));
    else
        findings_add(&findings->list, &findings->count, "transaction", false, true,
                     "upgrade finishes it first; so does recover", "the transaction %s is open, in phase %s",
                     record->id, phase_name((enum phase)record->phase));
}

static json_t *findings_json(const struct look *look, const struct findings *findings, bool ok) {
    json_t *list = json_array(), *value = json_object();
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        json_t *row = json_object();
        json_object_set_new(row, "name", json_text_string(finding->name));
        json_object_set_new(row, "ok", json_boolean(finding->ok));
        json_object_set_new(row, "advisory", json_boolean(finding->advisory));
        json_object_set_new(row, "sentence", json_text_string(finding->sentence));
        json_object_set_new(row, "cure", *finding->cure ? json_text_string(finding->cure) : json_null());
        json_array_append_new(list, row);
    }
    json_object_set_new(value, "app", json_text_string(look->context.settings->app));
    json_object_set_new(value, "ok", json_boolean(ok));
    json_object_set_new(value, "findings", list);
    return value;
}

static void print_findings(const struct look *look, const struct findings *findings, bool ok) {
    static const char *const headers[] = { "PRECONDITION", "RESULT", "WHAT WAS FOUND", NULL };
    _cleanup_terminal_ struct terminal terminal;
    _cleanup_table_ struct table table;
    const char *app = look->context.settings->app;
    command_terminal(look->options, &terminal);
    table_init(&table, headers);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        enum tone tone = finding->ok ? TONE_GOOD : finding->advisory ? TONE_UNSURE : TONE_BAD;
        table_cell(&table, TONE_PLAIN, "%s", finding->name);
        table_cell(&table, tone, "%s", finding->ok ? "ok" : finding->advisory ? "note" : "no");
        table_cell(&table, TONE_PLAIN, "%s%s%s", finding->sentence, *finding->cure ? ": " : "",
                   finding->cure);
    }
    table_print(&table, &terminal);
    terminal_print(&terminal, ok ? TONE_GOOD : TONE_BAD, "%s: %s", app,
                   ok ? "an upgrade could run now" : "an upgrade would be refused");
    if (ok)
        terminal_print(&terminal, TONE_FAINT,
                       "Whether the probes pass, which an upgrade looks at next: upgrade-watchdog probe %s",
                       app);
}

int command_check(const struct options *options) {
    _cleanup_look_ struct look look;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct findings findings = { 0 };
    int status = look_init(&look, options, CHECK_TIME);
    if (status)
        return status;
    look_at_transaction(&look, &findings);
    if (inspect_application(&look.context, NULL, &err) < 0 ||
        checks_run(&look.context, &findings.list, &findings.count, &err) < 0)
        findings_add(&findings.list, &findings.count, "application", false, false, "", "%s",
                     error_text(&err));
    bool ok = true;
    for (size_t i = 0; i < findings.count; i++)
        ok = ok && (findings.list[i].ok || findings.list[i].advisory);
    status = ok ? EXIT_DONE : EXIT_REFUSED;
    if (options->json) {
        _cleanup_json_ json_t *value = findings_json(&look, &findings, ok);
        status = command_json(options, status, value);
    } else {
        print_findings(&look, &findings, ok);
    }
    findings_free(findings.list, findings.count);
    return status;
}
