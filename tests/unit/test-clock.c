/* Times as people write and read them. */

#include "tests/unit/unit.h"

#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

static void durations_are_parsed_with_their_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        usec_t expected; /* USEC_INFINITY: refused */
    } cases[] = {
        { "30s", 30 * USEC_PER_SEC },
        { "10min", 600 * USEC_PER_SEC },
        { "1h 30s", 3630 * USEC_PER_SEC },
        { "1h30min", 5400 * USEC_PER_SEC },
        { "24h", USEC_PER_DAY },
        { "14d", 14 * USEC_PER_DAY },
        { "250ms", 250 * USEC_PER_MSEC },
        { "0", 0 },
        { "10", USEC_INFINITY },
        { "", USEC_INFINITY },
        { "ten minutes", USEC_INFINITY },
        { "10 parsecs", USEC_INFINITY },
        { "-5s", USEC_INFINITY },
        { "99999999999999999999s", USEC_INFINITY },
        { "9999999999999999d", USEC_INFINITY },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        usec_t value = USEC_INFINITY;
        int r = duration_parse(cases[i].text, &value, &err);
        assert_int_equal(r, cases[i].expected == USEC_INFINITY ? -22 : 0);
        assert_true(value == cases[i].expected);
        assert_true(r == 0 || err.text);
    }
}

static void durations_are_shown_in_two_parts_at_most(void **state) {
    (void)state;
    char text[DURATION_SIZE];
    assert_string_equal(duration_format(text, 250 * USEC_PER_MSEC), "250ms");
    assert_string_equal(duration_format(text, 30 * USEC_PER_SEC), "30s");
    assert_string_equal(duration_format(text, 1300 * USEC_PER_MSEC), "1.3s");
    assert_string_equal(duration_format(text, 3900 * USEC_PER_SEC), "1h 5min");
    assert_string_equal(duration_format(text, USEC_PER_DAY + 1), "1d");
}

static void docker_timestamps_are_read(void **state) {
    (void)state;
    usec_t value;
    char text[TIMESTAMP_SIZE];
    assert_int_equal(timestamp_parse("2026-11-23T03:15:00.123456789Z", &value), 0);
    assert_int_equal(value % USEC_PER_SEC, 123456);
    assert_string_equal(timestamp_format(text, value), "2026-11-23T03:15:00Z");
    assert_int_equal(timestamp_parse("2026-11-23T03:15:00+02:00", &value), 0);
    assert_string_equal(timestamp_format(text, value), "2026-11-23T01:15:00Z");
    assert_int_equal(timestamp_parse("2026-11-23", &value), -22);
    assert_int_equal(timestamp_parse("2026-11-23T03:15:00Zx", &value), -22);
}

static void a_deadline_that_passed_has_nothing_left(void **state) {
    (void)state;
    assert_int_equal(deadline_left(1), 0);
    assert_int_equal(deadline_poll(USEC_INFINITY), -1);
    assert_int_equal(deadline_sleep(1, USEC_PER_SEC), 0);
    assert_true(deadline_left(deadline_in(USEC_PER_MINUTE)) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_parsed_with_their_units),
        cmocka_unit_test(durations_are_shown_in_two_parts_at_most),
        cmocka_unit_test(docker_timestamps_are_read),
        cmocka_unit_test(a_deadline_that_passed_has_nothing_left),
    };
    return RUN(tests);
}
