/* Journal files. See journals.h; the format is the one of systemd.journal-fields(7) and
 * https://systemd.io/JOURNAL_EXPORT_FORMATS/. */

#include "tests/unit/unit.h"

#include "tests/unit/journals.h"

#include "watchdog/audit/journal.h"
#include "watchdog/base/process.h"

#define REMOTE "/lib/systemd/systemd-journal-remote"

static const char *message_id(const char *outcome) {
    for (const enum event *event = closing_events; *event != EVENT_COUNT; event++)
        if (string_equal(events[*event].name, outcome))
            return events[*event].message_id;
    return events[EVENT_WARNING].message_id;
}

struct outcome_fields journal_outcome(const char *app, const char *id, const char *outcome, usec_t second) {
    return (struct outcome_fields){
        .message_id = message_id(outcome),
        .app = app,
        .id = id,
        .outcome = outcome,
        .uid = "0",
        .unit = "upgrade-watchdog@qaid.service",
        .exe = "/usr/bin/upgrade-watchdog",
        .machine_id = JOURNAL_MACHINE,
        .realtime = second * USEC_PER_SEC,
    };
}

void journal_export(struct buffer *text, const struct outcome_fields *fields) {
    buffer_printf(text,
                  "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%llu\n"
                  "_BOOT_ID=%032llx\nMESSAGE=a record\n",
                  (unsigned long long)fields->realtime, (unsigned long long)(fields->realtime % 1000000007),
                  (unsigned long long)(fields->realtime / USEC_PER_DAY));
    for (const struct outcome_field *row = outcome_field_table; row->name; row++) {
        const char *value = *(const char *const *)((const char *)fields + row->offset);
        if (value)
            buffer_printf(text, "%s=%s\n", row->name, value);
    }
    buffer_printf(text, "\n");
}

void journal_write(const char *path, const struct buffer *text) {
    _cleanup_free_ char *output = xasprintf("--output=%s", path);
    char *argv[] = { REMOTE, output, "-", NULL };
    const struct process process = { .argv = argv,
                                     .input = text->text,
                                     .deadline = deadline_in(60 * USEC_PER_SEC) };
    _cleanup_error_ struct error err = ERROR_NONE;
    if (process_run(&process, NULL, &err) != 0)
        fail_msg("%s", error_text(&err));
}
