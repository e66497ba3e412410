/* Which probe explains itself when the one that was asked for was not looked at. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/baseline.h"
#include "probes/round.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/explain.h"
#include "watchdog/config/settings.h"

#define CONFIGURATION                                                                                        \
    "[App]\nDirectory=/tmp\n[Database]\nService=db\nName=app\nUser=app\n"                                    \
    "[Probe list]\nKind=command\nAfter=login\nCommand=/bin/true\n"                                           \
    "[Probe other]\nKind=command\nCommand=/bin/false\n"                                                      \
    "[Probe form]\nKind=command\nCommand=/bin/echo form\n"                                                   \
    "[Probe login]\nKind=command\nAfter=form\nCommand=/bin/sh -c 'echo refused; exit 2'\n"

/* As `probe --explain list` has them. */
static json_t *look(void) {
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    _cleanup_probe_round_ struct probe_round round = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    struct probe_memory *memory = probe_memory_new();
    if (settings_parse("app", "/tmp/app.conf", CONFIGURATION, strlen(CONFIGURATION), &settings, &err) < 0 ||
        probe_set_new(settings, &set, &err) < 0)
        fail_msg("%s", error_text(&err));
    const struct probe_view view = { .settings = settings, .project = "app", .explain = "list" };
    if (probe_round_run(set, &view, memory, deadline_in(USEC_PER_MINUTE), &round, &err) < 0)
        fail_msg("%s", error_text(&err));
    json_t *reports = json_array();
    for (size_t i = 0; i < round.count; i++) {
        json_t *report = probe_report_to_json(&round.reports[i]);
        if (round.reports[i].explained)
            json_object_set(report, "explained", round.reports[i].explained);
        json_array_append_new(reports, report);
    }
    probe_memory_free(memory);
    return reports;
}

static void what_was_not_looked_at_is_explained_by_what_did_not_pass(void **state) {
    (void)state;
    _cleanup_json_ json_t *reports = look();
    const json_t *report = explain_which(reports, "list");
    _cleanup_free_ char *text = json_text(report);
    assert_string_equal(json_get_string(report, "probe", ""), "login");
    assert_non_null(strstr(text, "refused"));
    assert_non_null(json_object_get(report, "explained"));
}

static void what_was_looked_at_explains_itself(void **state) {
    (void)state;
    _cleanup_json_ json_t *reports = look();
    assert_string_equal(json_get_string(explain_which(reports, "form"), "probe", ""), "form");
    assert_string_equal(json_get_string(explain_which(reports, "login"), "probe", ""), "login");
    assert_null(explain_which(reports, "nobody"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_looked_at_is_explained_by_what_did_not_pass),
        cmocka_unit_test(what_was_looked_at_explains_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
