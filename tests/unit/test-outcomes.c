/* Which records of the journal count, and what they say. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/audit/journal.h"
#include "watchdog/audit/outcomes.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"

#define MACHINE "0123456789abcdef0123456789abcdef"

static struct outcome_fields genuine(void) {
    return (struct outcome_fields){
        .message_id = events[EVENT_ROLLED_BACK].message_id,
        .app = "qaid",
        .id = "20261123T031500Z-1f3a",
        .phase = "watch",
        .outcome = "rolled-back",
        .reason = "login: POST /api/auth/login answered 500, wanted 200 (2 times in a row)",
        .from = "qaid-server 1.2.4, frontend sha256:0123456789ab",
        .to = "qaid-server 1.3.0, frontend sha256:ba9876543210",
        .probe = "login",
        .probe_result = "fail",
        .seconds = "132.250",
        .uid = "0",
        .unit = "upgrade-watchdog@qaid.service",
        .exe = "/usr/bin/upgrade-watchdog",
        .machine_id = MACHINE,
        .realtime = 1795403832 * USEC_PER_SEC,
    };
}

static void a_record_says_what_its_fields_carry(void **state) {
    (void)state;
    struct outcome_fields fields = genuine();
    _cleanup_json_ json_t *json = outcome_to_json(&fields);
    _cleanup_free_ char *text = json_text(json);
    assert_string_equal(
        text,
        "{\"id\":\"20261123T031500Z-1f3a\",\"app\":\"qaid\",\"kind\":null,\"outcome\":\"rolled-back\","
        "\"phase\":\"watch\",\"failed_probe\":\"login\",\"reason\":\"login: POST /api/auth/login answered "
        "500, wanted 200 (2 times in a row)\",\"started\":\"2026-11-23T03:15:00Z\","
        "\"finished\":\"2026-11-23T03:17:12Z\",\"services\":["
        "{\"service\":\"qaid-server\",\"change\":null,"
        "\"from\":{\"image\":null,\"digest\":null,\"version\":\"1.2.4\"},"
        "\"to\":{\"image\":null,\"digest\":null,\"version\":\"1.3.0\"}},"
        "{\"service\":\"frontend\",\"change\":null,"
        "\"from\":{\"image\":null,\"digest\":\"sha256:0123456789ab\",\"version\":null},"
        "\"to\":{\"image\":null,\"digest\":\"sha256:ba9876543210\",\"version\":null}}],"
        "\"seconds\":{\"total\":132.25},\"snapshot\":null,\"lost\":null,\"quarantine\":null,"
        "\"notes\":null,\"probes\":null,\"source\":\"journal\"}");
}

static void what_is_missing_or_odd_makes_no_nonsense(void **state) {
    (void)state;
    struct outcome_fields fields = genuine();
    fields.from = NULL;
    fields.to = "qaid-server 1.3.0 (rebuilt), x, , y ";
    fields.reason = fields.probe = fields.phase = NULL;
    fields.seconds = "1e9999";
    _cleanup_json_ json_t *json = outcome_to_json(&fields);
    assert_int_equal(json_array_size(json_get_array(json, "services")), 1);
    const json_t *service = json_array_get(json_get_array(json, "services"), 0);
    assert_string_equal(json_get_string(json_get_object(service, "to"), "version", ""), "1.3.0 (rebuilt)");
    assert_null(json_get_string(json_get_object(service, "from"), "version", NULL));
    assert_true(json_is_null(json_object_get(json, "failed_probe")));
    assert_int_equal(json_object_size(json_get_object(json, "seconds")), 0);

    fields.to = NULL;
    _cleanup_json_ json_t *bare = outcome_to_json(&fields);
    assert_int_equal(json_array_size(json_get_array(bare, "services")), 0);
}

static void only_what_journald_vouches_for_counts(void **state) {
    (void)state;
#define WITH(member, value) (offsetof(struct outcome_fields, member)), (value)
    const struct {
        size_t offset;
        const char *value;
        bool counts;
    } cases[] = {
        { WITH(app, "qaid"), true },
        { WITH(uid, "65534"), false },
        { WITH(uid, NULL), false },
        { WITH(uid, "00"), false },
        { WITH(unit, "session-1.scope"), true }, /* by hand: the program vouches */
        { WITH(unit, NULL), true },
        { WITH(exe, NULL), true }, /* in its unit: the unit vouches */
        { WITH(exe, "/usr/bin/logger"), true },
        { WITH(machine_id, "ffffffffffffffffffffffffffffffff"), false },
        { WITH(machine_id, NULL), false },
        { WITH(app, "crm"), false },
        { WITH(app, NULL), false },
        { WITH(id, "20261123T031500Z"), false },
        { WITH(id, "../20261123T031500Z"), false },
        { WITH(outcome, "upgraded"), false }, /* not what MESSAGE_ID= is of */
        { WITH(outcome, "warning"), false },
        { WITH(message_id, NULL), false },
        { WITH(message_id, events[EVENT_UPGRADED].message_id), false },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct outcome_fields fields = genuine();
        *(const char **)((char *)&fields + cases[i].offset) = cases[i].value;
        if (outcome_counts(&fields, "qaid", MACHINE) != cases[i].counts)
            fail_msg("case %zu", i);
    }
    struct outcome_fields any = genuine();
    assert_true(outcome_counts(&any, NULL, MACHINE));
}

static void neither_another_unit_nor_another_program_counts(void **state) {
    (void)state;
    static const struct {
        const char *unit, *exe;
        bool counts;
    } cases[] = {
        { "docker.service", "/usr/bin/dockerd", false },
        { "upgrade-watchdog@crm.service", "/usr/bin/logger", false },
        { "upgrade-watchdog@.service", "/usr/bin/logger", false },
        { "upgrade-watchdog@qaid.service.service", "/usr/bin/logger", false },
        { "upgrade-watchdog@qaid.timer", "/usr/bin/logger", false },
        { "xupgrade-watchdog@qaid.service", "/usr/bin/logger", false },
        { NULL, NULL, false },
        { NULL, "/tmp/not-upgrade-watchdog", false },
        { NULL, "upgrade-watchdog", false },
        { "session-1.scope", "/home/me/build/upgrade-watchdog", true },
        { "upgrade-watchdog@qaid.service", "/usr/bin/logger", true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct outcome_fields fields = genuine();
        fields.unit = cases[i].unit;
        fields.exe = cases[i].exe;
        if (outcome_counts(&fields, "qaid", MACHINE) != cases[i].counts)
            fail_msg("case %zu", i);
    }
}

/* As it is typed, and as systemd-escape(1) writes it. */
static void an_application_with_a_dash_has_two_unit_names(void **state) {
    (void)state;
    char *argv[] = { "systemd-escape", "--template=upgrade-watchdog@.service", "my-app.v2", NULL };
    const struct process process = { .argv = argv, .deadline = deadline_in(20 * USEC_PER_SEC) };
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    if (process_run(&process, &result, &err) != 0)
        fail_msg("%s", error_text(&err));
    result.output.text[strcspn(result.output.text, "\n")] = '\0';
    struct outcome_fields fields = genuine();
    fields.app = "my-app.v2";
    fields.exe = NULL;
    fields.unit = result.output.text;
    assert_non_null(strchr(fields.unit, '\\'));
    assert_true(outcome_counts(&fields, "my-app.v2", MACHINE));
    fields.unit = "upgrade-watchdog@my-app.v2.service";
    assert_true(outcome_counts(&fields, "my-app.v2", MACHINE));
}

static void every_outcome_has_a_closing_event(void **state) {
    (void)state;
    size_t count = 0;
    for (const enum event *event = closing_events; *event != EVENT_COUNT; event++, count++) {
        struct outcome_fields fields = genuine();
        fields.outcome = events[*event].name;
        fields.message_id = events[*event].message_id;
        assert_true(outcome_counts(&fields, "qaid", MACHINE));
    }
    assert_int_equal(count, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_says_what_its_fields_carry),
        cmocka_unit_test(what_is_missing_or_odd_makes_no_nonsense),
        cmocka_unit_test(only_what_journald_vouches_for_counts),
        cmocka_unit_test(neither_another_unit_nor_another_program_counts),
        cmocka_unit_test(an_application_with_a_dash_has_two_unit_names),
        cmocka_unit_test(every_outcome_has_a_closing_event),
    };
    return RUN(tests);
}
