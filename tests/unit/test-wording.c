/* What a message says at 3 a.m. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/notify/wording.h"

#define ID "20261123T031500Z-1f3a"
#define AT 1795404900000000 /* 2026-11-23T03:35:00Z */

static struct message *message_of(enum message_kind kind, const char *reason) {
    struct message *message = message_new("qaid", kind, ID);
    message->created = AT;
    message->transaction =
        json_pack("{s:s, s:s, s:s, s:s, s:{s:f}, s:[{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}, {s:s, s:s, "
                  "s:{s:s}, s:{s:s}}], s:[], s:{s:s}}",
                  "id", ID, "outcome", message_kind_name(kind), "reason", reason, "failed_probe", "login",
                  "seconds", "downtime", 11.2, "services", "service", "server", "change", "minor", "from",
                  "version", "1.2.4", "digest", "sha256:a", "to", "version", "1.3.0", "digest", "sha256:b",
                  "service", "mailer", "change", "none", "from", "digest", "sha256:c", "to", "digest",
                  "sha256:c", "lost", "quarantine", "database", "qaid_failed");
    return message;
}

static void check_text(const char *where, const json_t *said, const char *const *parts) {
    const char *text = json_get_string(said, "text", "");
    for (; *parts; parts++)
        if (!strstr(text, *parts))
            fail_msg("%s: \"%s\" is missing in:\n%s", where, *parts, text);
}

static void each_kind_says_what_happened_how_things_are_and_what_to_do(void **state) {
    (void)state;
    static const struct {
        enum message_kind kind;
        bool bad, open;
        const char *subject, *urgency, *command;
        const char *parts[8];
    } cases[] = {
        { MESSAGE_UPGRADED,
          false,
          false,
          "qaid was upgraded",
          "info",
          "upgrade-watchdog report qaid " ID,
          { "Release:  server 1.2.4 → 1.3.0\n", "State:    The new release is up", "To do:    Nothing.\n",
            "See:      upgrade-watchdog report qaid " ID "\n", "Host:     night, 2026-11-23T" } },
        { MESSAGE_ROLLED_BACK,
          true,
          false,
          "qaid was rolled back",
          "warning",
          "upgrade-watchdog report qaid " ID,
          { "What:     login: answered 500", "The old release is up again",
            "Lost:     Nothing that was written.", "Down:     for 11.2s", "not tried again" } },
        { MESSAGE_ROLLED_BACK,
          false,
          false,
          "qaid was rolled back",
          "warning",
          "upgrade-watchdog report qaid " ID,
          { "The next run tries this release again" } },
        { MESSAGE_ROLLBACK_FAILED,
          true,
          true,
          "qaid needs a person",
          "urgent",
          "upgrade-watchdog status qaid",
          { "Nothing was thrown away", "To do:    Now: ", "`upgrade-watchdog recover qaid`" } },
        { MESSAGE_REJECTED,
          true,
          false,
          "A new release of qaid was rejected",
          "warning",
          "upgrade-watchdog report qaid " ID,
          { "goes on serving", "not tried again" } },
        { MESSAGE_REFUSED,
          false,
          false,
          "qaid could not be upgraded",
          "warning",
          "upgrade-watchdog check qaid",
          { "nothing was touched", "tried again the next night" } },
        { MESSAGE_ABORTED,
          false,
          false,
          "The upgrade of qaid was broken off",
          "warning",
          "upgrade-watchdog report qaid " ID,
          { "The old release runs" } },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_message_ struct message *message = message_of(cases[i].kind, "login: answered 500");
        message->bad = cases[i].bad;
        message->open = cases[i].open;
        _cleanup_json_ json_t *said = wording(message, "night");
        const char *subject = json_get_string(said, "subject", "");
        _cleanup_free_ char *where = xasprintf("case %zu", i);
        if (!string_starts_with(subject, cases[i].subject) ||
            !string_ends_with(subject, ": login: answered 500"))
            fail_msg("%s: %s", where, subject);
        assert_string_equal(json_get_string(said, "urgency", ""), cases[i].urgency);
        assert_string_equal(json_get_string(said, "command", ""), cases[i].command);
        assert_string_equal(json_get_string(said, "kind", ""), message_kind_name(cases[i].kind));
        assert_string_equal(json_get_string(said, "change", ""), "server 1.2.4 → 1.3.0");
        assert_ptr_equal(json_object_get(said, "transaction"), message->transaction);
        check_text(where, said, cases[i].parts);
    }
}

static void a_unit_that_failed_says_whether_something_is_open(void **state) {
    (void)state;
    for (int open = 0; open < 2; open++) {
        _cleanup_message_ struct message *message = message_new("qaid", MESSAGE_FAILED, "0123");
        message->detail = xstrdup("upgrade-watchdog@qaid.service: it crashed");
        message->open = open;
        _cleanup_json_ json_t *said = wording(message, "night");
        static const char *const nothing_open[] = { "it crashed", "No transaction is open", "By day", NULL };
        static const char *const one_open[] = { "may be down", "Now: `upgrade-watchdog status qaid`",
                                                "`upgrade-watchdog recover qaid`", NULL };
        check_text(open ? "open" : "closed", said, open ? one_open : nothing_open);
        assert_true(json_is_null(json_object_get(said, "transaction")));
        assert_true(json_is_null(json_object_get(said, "id")));
        assert_string_equal(json_get_string(said, "command", ""),
                            "journalctl -eu upgrade-watchdog@qaid.service");
    }
}

static void what_was_lost_is_said(void **state) {
    (void)state;
    _cleanup_message_ struct message *message = message_of(MESSAGE_ROLLED_BACK, "x");
    json_t *lost = json_object_get(message->transaction, "lost");
    for (unsigned i = 0; i < 10; i++)
        json_array_append_new(lost, json_pack("{s:s, s:i, s:i, s:i}", "table",
                                              i ? "public.other" : "public.test_runs", "added", 3, "changed",
                                              2, "deleted", 1));
    _cleanup_json_ json_t *said = wording(message, "night");
    static const char *const parts[] = { "public.test_runs (3 added, 2 changed, 1 deleted)",
                                         "and 2 other tables", "\"qaid_failed\"", NULL };
    check_text("lost", said, parts);

    json_array_clear(lost);
    message->lost_unknown = true;
    _cleanup_json_ json_t *unknown = wording(message, "night");
    static const char *const uncounted[] = { "could not be counted", NULL };
    check_text("unknown", unknown, uncounted);
}

static void what_an_application_said_cannot_look_like_ours(void **state) {
    (void)state;
    _cleanup_free_ char *reason = xasprintf("a\nTo do:    pay\x1b[2J%0300d", 7);
    _cleanup_message_ struct message *message = message_of(MESSAGE_ROLLED_BACK, reason);
    _cleanup_json_ json_t *said = wording(message, "night");
    assert_null(strchr(json_get_string(said, "subject", ""), '\n'));
    assert_null(strchr(json_get_string(said, "subject", ""), '\x1b'));
    assert_null(strstr(json_get_string(said, "text", ""), "\nTo do:    pay"));
    assert_null(strchr(json_get_string(said, "text", ""), '\x1b'));
    assert_in_range(strlen(json_get_string(said, "subject", "")), 20, 220);
}

static void a_long_reason_is_cut_between_characters(void **state) {
    (void)state;
    struct buffer reason = { 0 };
    for (unsigned i = 0; i < 100; i++)
        buffer_printf(&reason, "€");
    _cleanup_free_ char *text = buffer_take(&reason);
    _cleanup_message_ struct message *message = message_of(MESSAGE_ROLLED_BACK, text);
    _cleanup_json_ json_t *said = wording(message, "night");
    const char *subject = json_get_string(said, "subject", "");
    assert_true(string_ends_with(subject, "€…"));
    assert_null(strstr(subject, "\\x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_says_what_happened_how_things_are_and_what_to_do),
        cmocka_unit_test(a_unit_that_failed_says_whether_something_is_open),
        cmocka_unit_test(what_was_lost_is_said),
        cmocka_unit_test(what_an_application_said_cannot_look_like_ours),
        cmocka_unit_test(a_long_reason_is_cut_between_characters),
    };
    return RUN(tests);
}
