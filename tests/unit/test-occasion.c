/* What is worth a person's attention: each kind of end, refusals in a row, and what was told once. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/notify/occasion.h"

static struct message *message_of(enum message_kind kind, const char *transaction_kind) {
    struct message *message = message_new("qaid", kind, "20261123T031500Z-1f3a");
    message->transaction = json_pack("{s:s, s:s}", "id", "20261123T031500Z-1f3a", "kind", transaction_kind);
    return message;
}

/* "r" refused, "b" refused as known bad, "u" upgraded, "s" a snapshot, "h" a rollback by hand; newest first.
 */
static json_t *history_of(const char *letters) {
    json_t *list = json_array();
    for (const char *at = letters; *at; at++) {
        _cleanup_free_ char *id = xasprintf("20261122T031500Z-%04x", (unsigned)(at - letters));
        const char *outcome = strchr("rb", *at) ? "refused" : *at == 'h' ? "rolled-back" : "upgraded";
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "id", id, "outcome", outcome, "kind",
                                              *at == 's'   ? "snapshot"
                                              : *at == 'h' ? "rollback"
                                                           : "upgrade",
                                              "known_bad", *at == 'b'));
    }
    return list;
}

static void each_end_has_its_word(void **state) {
    (void)state;
    static const struct {
        enum message_kind kind;
        const char *transaction_kind, *word;
    } cases[] = {
        { MESSAGE_STARTED, "upgrade", NULL },
        { MESSAGE_UPGRADED, "upgrade", "upgraded" },
        { MESSAGE_UP_TO_DATE, "upgrade", "up-to-date" },
        { MESSAGE_REJECTED, "upgrade", "rejected" },
        { MESSAGE_ABORTED, "upgrade", "aborted" },
        { MESSAGE_ROLLED_BACK, "upgrade", "rolled-back" },
        { MESSAGE_ROLLBACK_FAILED, "upgrade", "rollback-failed" },
        /* somebody asked for it and follows it; but that it cannot be completed is told */
        { MESSAGE_ROLLED_BACK, "rollback", NULL },
        { MESSAGE_ROLLBACK_FAILED, "rollback", "rollback-failed" },
        { MESSAGE_FAILED, "upgrade", "failed" },
        { MESSAGE_TEST, "upgrade", "test" },
    };
    _cleanup_json_ json_t *none = json_array();
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_message_ struct message *message = message_of(cases[i].kind, cases[i].transaction_kind);
        if (!string_equal(occasion_word(message, none), cases[i].word))
            fail_msg("case %zu: %s", i, occasion_word(message, none));
    }
}

static void the_third_refusal_in_a_row_is_told_and_no_other(void **state) {
    (void)state;
    static const struct {
        const char *history, *word;
        bool known_bad;
    } cases[] = {
        { "", "refused", false },
        { "r", "refused", false },
        { "rr", "refused-again", false },
        { "rrr", "refused", false },
        { "rrrrrr", "refused", false },
        { "rru", "refused-again", false },
        { "ru", "refused", false },
        { "rurr", "refused", false },
        { "rsr", "refused-again", false },
        { "rhr", "refused-again", false },
        /* of a known-bad release it was told when it failed */
        { "bb", "refused", false },
        { "rbr", "refused-again", false },
        { "rr", "refused", true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_message_ struct message *message = message_of(MESSAGE_REFUSED, "upgrade");
        _cleanup_json_ json_t *history = history_of(cases[i].history);
        /* the end itself may be closed already */
        if (i % 2)
            json_array_insert_new(
                history, 0, json_pack("{s:s, s:s}", "id", "20261123T031500Z-1f3a", "outcome", "refused"));
        message->known_bad = cases[i].known_bad;
        if (!string_equal(occasion_word(message, history), cases[i].word))
            fail_msg("after \"%s\": %s", cases[i].history, occasion_word(message, history));
    }
}

static void what_came_later_changes_nothing(void **state) {
    (void)state;
    static const char *const later[] = { "refused", "upgraded" };
    for (size_t i = 0; i < ELEMENTS(later); i++) {
        _cleanup_message_ struct message *message = message_of(MESSAGE_REFUSED, "upgrade");
        _cleanup_json_ json_t *history = history_of("rr");
        json_array_insert_new(history, 0,
                              json_pack("{s:s, s:s}", "id", "20261124T031500Z-0000", "outcome", later[i]));
        assert_string_equal(occasion_word(message, history), "refused-again");
    }
}

static struct message *rejected(const char *digest) {
    struct message *message = message_new("qaid", MESSAGE_REJECTED, "20261123T031500Z-1f3a");
    message->transaction = json_pack("{s:s, s:[{s:s, s:{s:s}}]}", "id", "20261123T031500Z-1f3a", "services",
                                     "service", "server", "to", "digest", digest);
    return message;
}

static void a_rejected_release_is_the_same_as_long_as_its_digests_are(void **state) {
    (void)state;
    _cleanup_message_ struct message *one = rejected("sha256:a"), *again = rejected("sha256:a"),
                                     *other = rejected("sha256:b"),
                                     *back = message_of(MESSAGE_ROLLED_BACK, "upgrade");
    _cleanup_free_ char *of_one = occasion_once(one), *of_again = occasion_once(again),
                        *of_other = occasion_once(other), *of_back = occasion_once(back);
    assert_string_equal(of_one, of_again);
    assert_string_not_equal(of_one, of_other);
    assert_null(of_back);
}

static void on_says_what_is_wanted(void **state) {
    (void)state;
    static const struct {
        const char *on;
        enum message_kind kind;
        const char *history;
        bool wanted;
    } cases[] = {
        { "rejected rolled-back", MESSAGE_ROLLED_BACK, "", true },
        { "rejected rolled-back", MESSAGE_ROLLBACK_FAILED, "", false },
        { "rollback-failed", MESSAGE_ROLLED_BACK, "", false },
        { "rolled-back", MESSAGE_ROLLBACK_FAILED, "", false },
        { "refused-again", MESSAGE_REFUSED, "r", false },
        { "refused-again", MESSAGE_REFUSED, "rr", true },
        { "refused", MESSAGE_REFUSED, "", true },
        { "refused", MESSAGE_REFUSED, "rr", true },
        { "upgraded", MESSAGE_UPGRADED, "", true },
        { "rolled-back", MESSAGE_UPGRADED, "", false },
        { "rolled-back", MESSAGE_STARTED, "", false },
        { "rolled-back", MESSAGE_TEST, "", true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_message_ struct message *message = message_of(cases[i].kind, "upgrade");
        _cleanup_json_ json_t *history = history_of(cases[i].history);
        struct settings settings = { .notify.on = (char *)cases[i].on };
        if (occasion_wanted(&settings, message, history) != cases[i].wanted)
            fail_msg("case %zu: On=%s, %s", i, cases[i].on, message_kind_name(cases[i].kind));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_end_has_its_word),
        cmocka_unit_test(the_third_refusal_in_a_row_is_told_and_no_other),
        cmocka_unit_test(what_came_later_changes_nothing),
        cmocka_unit_test(a_rejected_release_is_the_same_as_long_as_its_digests_are),
        cmocka_unit_test(on_says_what_is_wanted),
    };
    return RUN(tests);
}
