/* Records of the journal: their fields, their kinds, and the catalog that explains them. */

#include "tests/unit/unit.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>

#include "watchdog/audit/journal.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

static void a_record_has_the_fields_of_the_design_and_no_empty_ones(void **state) {
    (void)state;
    const struct journal journal = { .app = "qaid", .id = "20261123T031500Z-1f3a" };
    const struct journal_fields fields = {
        .phase = "watch",
        .outcome = "rolled-back",
        .reason = "login: answered\n\x1B[31m500",
        .from = "1.2.4",
        .to = "1.3.0",
        .probe = "login",
        .probe_result = "fail",
        .seconds = 1500 * USEC_PER_MSEC,
    };
    _cleanup_strings_ char **record = journal_record(&journal, EVENT_ROLLED_BACK, &fields, "rolled back");
    _cleanup_free_ char *joined = strings_join(record, "|");
    _cleanup_free_ char *expected = xasprintf(
        "MESSAGE=rolled back|MESSAGE_ID=%s|PRIORITY=3|SYSLOG_IDENTIFIER=upgrade-watchdog|UPGRADE_APP=qaid|"
        "UPGRADE_ID=20261123T031500Z-1f3a|UPGRADE_PHASE=watch|UPGRADE_OUTCOME=rolled-back|"
        "UPGRADE_REASON=login: answered\\n\\x1b[31m500|UPGRADE_FROM=1.2.4|UPGRADE_TO=1.3.0|"
        "UPGRADE_PROBE=login|UPGRADE_PROBE_RESULT=fail|UPGRADE_SECONDS=1.500",
        events[EVENT_ROLLED_BACK].message_id);
    assert_string_equal(joined, expected);

    const struct journal nobody = { 0 };
    _cleanup_strings_ char **bare = journal_record(&nobody, EVENT_WARNING, NULL, "look");
    assert_int_equal(strings_count(bare), 4);
}

static void every_kind_is_complete_and_has_an_id_of_its_own(void **state) {
    (void)state;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        const struct event_kind *kind = &events[i];
        assert_non_null(kind->name);
        assert_int_equal(strlen(kind->message_id), 32);
        for (const char *at = kind->message_id; *at; at++)
            assert_true(isdigit((unsigned char)*at) || (*at >= 'a' && *at <= 'f'));
        assert_in_range(kind->priority, LOG_ALERT, LOG_INFO);
        assert_true(string_ends_with(kind->text, "\n"));
        assert_null(strchr(kind->subject, '\n'));
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(kind->message_id, events[k].message_id);
            assert_string_not_equal(kind->name, events[k].name);
        }
    }
}

static void the_catalog_file_is_made_from_the_table(void **state) {
    (void)state;
    _cleanup_free_ char *expected = journal_catalog(), *text = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (file_read(AT_FDCWD, "units/upgrade-watchdog.catalog", 1024 * 1024, &text, NULL, &err) < 0)
        fail_msg("%s", error_text(&err));
    assert_string_equal(text, expected);
}

static void keep(void *userdata, int priority, const char *line) {
    struct buffer *lines = userdata;
    buffer_printf(lines, "%d %s\n", priority, line);
}

static void without_journald_the_line_goes_to_the_caller(void **state) {
    (void)state;
    if (journal_available())
        return; /* then it is journald's, which the tests with systemd look at */
    _cleanup_buffer_ struct buffer lines = { 0 };
    const struct journal journal = { .app = "qaid", .plain = keep, .userdata = &lines };
    journal_send(&journal, EVENT_WARNING, NULL, "%s\n%s", "one", "two");
    assert_string_equal(lines.text, "4 one\\ntwo\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_the_fields_of_the_design_and_no_empty_ones),
        cmocka_unit_test(every_kind_is_complete_and_has_an_id_of_its_own),
        cmocka_unit_test(the_catalog_file_is_made_from_the_table),
        cmocka_unit_test(without_journald_the_line_goes_to_the_caller),
    };
    return RUN(tests);
}
