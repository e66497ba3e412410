/* Patterns: what matches, what is captured, and what would run away. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "probes/pattern.h"
#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

static void what_is_captured_is_the_first_group_or_the_whole_match(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *subject, *captured; /* NULL: no match */
    } cases[] = {
        { "name=\"csrf\" value=\"([^\"]+)\"", "<input name=\"csrf\" value=\"a&b\">", "a&b" },
        { "\\d+", "ticket 42 of 43", "42" },
        { "(?i)welcome", "Welcome", "Welcome" },
        { "(a)|b", "b", NULL },
        { "x", "abc", NULL },
        { "ü.", "grün!", "ün" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_pattern_ struct pattern *pattern = NULL;
        _cleanup_free_ char *captured = NULL;
        size_t size;
        assert_int_equal(pattern_new(cases[i].pattern, &pattern, NULL), 0);
        int r = pattern_capture(pattern, cases[i].subject, strlen(cases[i].subject), &captured, &size, NULL);
        assert_int_equal(r, cases[i].captured != NULL);
        if (cases[i].captured)
            assert_string_equal(captured, cases[i].captured);
    }
}

static void bytes_that_are_no_text_do_not_disturb(void **state) {
    (void)state;
    _cleanup_pattern_ struct pattern *pattern = NULL;
    assert_int_equal(pattern_new("failed", &pattern, NULL), 0);
    assert_int_equal(pattern_match(pattern, "\xff\xfe\0migration failed", 19, NULL), 1);
    assert_int_equal(pattern_match(pattern, "\xff\xfe", 2, NULL), 0);
}

static void a_pattern_that_would_run_away_is_stopped(void **state) {
    (void)state;
    static const char *const patterns[] = { "^(a+)+$", "^(a|aa)+$", "(.*)*x(.*)*y(.*)*z",
                                            "^(?:(?:a?){30})+b" };
    char subject[5001];
    memset(subject, 'a', sizeof(subject) - 1);
    subject[sizeof(subject) - 2] = '!';
    subject[sizeof(subject) - 1] = '\0';
    for (size_t i = 0; i < ELEMENTS(patterns); i++) {
        _cleanup_pattern_ struct pattern *pattern = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        usec_t begin = clock_boottime();
        assert_int_equal(pattern_new(patterns[i], &pattern, NULL), 0);
        int r = pattern_match(pattern, subject, sizeof(subject) - 1, &err);
        assert_true(r == -ELOOP || r == 0);
        assert_true(i > 1 || r == -ELOOP);
        assert_true(clock_boottime() - begin < 10 * USEC_PER_SEC);
    }
}

static void a_pattern_that_is_none_is_refused_with_its_place(void **state) {
    (void)state;
    struct pattern *pattern = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(pattern_new("listening(", &pattern, &err), -EINVAL);
    assert_non_null(strstr(err.text, "\"listening(\""));
    assert_non_null(strstr(err.text, "character 11"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_captured_is_the_first_group_or_the_whole_match),
        cmocka_unit_test(bytes_that_are_no_text_do_not_disturb),
        cmocka_unit_test(a_pattern_that_would_run_away_is_stopped),
        cmocka_unit_test(a_pattern_that_is_none_is_refused_with_its_place),
    };
    return RUN(tests);
}
