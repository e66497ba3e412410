/* What the closing record of a transaction says in the journal. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/commands/transcript.h"

static struct record *make(enum transaction_kind kind, enum outcome outcome) {
    struct record *record = record_new("qaid", kind);
    record->services_count = 3;
    record->services = xcalloc(record->services_count, sizeof(*record->services));
    struct record_service *service = record->services;
    service[0] = (struct record_service){ .service = xstrdup("qaid-server"),
                                          .version = xstrdup("1.2.4"),
                                          .candidate_version = xstrdup("1.3.0"),
                                          .changes = true };
    service[1] = (struct record_service){ .service = xstrdup("frontend"),
                                          .digest = xstrdup("sha256:0123456789abcdef"),
                                          .candidate_digest = xstrdup("sha256:fedcba9876543210"),
                                          .changes = true };
    service[2] = (struct record_service){ .service = xstrdup("caddy"), .version = xstrdup("2.6") };
    record->outcome = (int)outcome;
    record->phase = PHASE_UNDO_START;
    record->failed_phase = PHASE_WATCH;
    record->cause = xstrdup("login: answered 500");
    record->started = 1000 * USEC_PER_SEC;
    record->finished = 1132 * USEC_PER_SEC + 250 * USEC_PER_MSEC;
    return record;
}

static void a_rolled_back_upgrade_has_every_field(void **state) {
    (void)state;
    _cleanup_record_ struct record *record = make(KIND_UPGRADE, OUTCOME_ROLLED_BACK);
    _cleanup_free_ char *from = NULL, *to = NULL;
    record->failed_probe = xstrdup("login");
    record->bad = true;
    record->undone = 1100 * USEC_PER_SEC;
    /* the last round saw the old release, on which it passes */
    record->reports = json_pack("[{s:s, s:s}]", "probe", "login", "result", "pass");
    struct journal_fields fields = transcript_closing(record, &from, &to);
    assert_string_equal(fields.phase, "watch");
    assert_string_equal(fields.outcome, "rolled-back");
    assert_string_equal(fields.reason, "login: answered 500");
    assert_string_equal(fields.from, "qaid-server 1.2.4, frontend sha256:0123456789ab");
    assert_string_equal(fields.to, "qaid-server 1.3.0, frontend sha256:fedcba987654");
    assert_string_equal(fields.probe, "login");
    assert_string_equal(fields.probe_result, "fail");
    assert_int_equal(fields.seconds, 132250 * USEC_PER_MSEC);
    record->bad = false; /* it could not look */
    free(from);
    free(to);
    assert_string_equal(transcript_closing(record, &from, &to).probe_result, "unknown");
}

static void a_rollback_by_hand_goes_the_other_way(void **state) {
    (void)state;
    _cleanup_record_ struct record *record = make(KIND_ROLLBACK, OUTCOME_ROLLED_BACK);
    _cleanup_free_ char *from = NULL, *to = NULL;
    struct journal_fields fields = transcript_closing(record, &from, &to);
    assert_string_equal(fields.from, "qaid-server 1.3.0, frontend sha256:fedcba987654");
    assert_string_equal(fields.to, "qaid-server 1.2.4, frontend sha256:0123456789ab");
    assert_null(fields.probe);
    assert_null(fields.probe_result);
}

static void a_refusal_says_what_its_probe_saw(void **state) {
    (void)state;
    static const char *const results[] = { "fail", "unknown" };
    for (size_t i = 0; i < ELEMENTS(results); i++) {
        _cleanup_record_ struct record *record = make(KIND_UPGRADE, OUTCOME_REFUSED);
        _cleanup_free_ char *from = NULL, *to = NULL;
        record->failed_probe = xstrdup("login");
        record->reports = json_pack("[{s:s, s:s}, {s:s, s:s}]", "probe", "containers", "result", "pass",
                                    "probe", "login", "result", results[i]);
        assert_string_equal(transcript_closing(record, &from, &to).probe_result, results[i]);
    }
}

static void one_that_is_left_open_has_no_outcome_but_a_time(void **state) {
    (void)state;
    _cleanup_record_ struct record *record = make(KIND_UPGRADE, OUTCOME_NONE);
    _cleanup_free_ char *from = NULL, *to = NULL;
    record->finished = 0;
    record->failed_phase = 0;
    record->phase = PHASE_NONE;
    struct journal_fields fields = transcript_closing(record, &from, &to);
    assert_null(fields.outcome);
    assert_null(fields.phase);
    assert_true(fields.seconds > 1000 * USEC_PER_SEC);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rolled_back_upgrade_has_every_field),
        cmocka_unit_test(a_rollback_by_hand_goes_the_other_way),
        cmocka_unit_test(a_refusal_says_what_its_probe_saw),
        cmocka_unit_test(one_that_is_left_open_has_no_outcome_but_a_time),
    };
    return RUN(tests);
}
