/* What a round makes of a clock that was set and of a machine that slept. */

#include "tests/unit/unit.h"

#include "probes/memory.h"
#include "watchdog/base/memory.h"

#define SECOND USEC_PER_SEC

static void what_the_clocks_do_is_told_apart(void **state) {
    (void)state;
    static const struct {
        const char *name;
        usec_t realtime, boottime, monotonic; /* what has passed on each between two rounds */
        bool goes_back;
        const char *trouble;
        usec_t back;
    } cases[] = {
        { "nothing but time passed", 20 * SECOND, 20 * SECOND, 20 * SECOND, false, NULL, 0 },
        { "it was slewed a little", 19 * SECOND, 20 * SECOND, 20 * SECOND, false, NULL, 0 },
        { "set an hour forth", 3620 * SECOND, 20 * SECOND, 20 * SECOND, false,
          "the machine's clock was just set", 0 },
        { "set an hour back", 3580 * SECOND, 20 * SECOND, 20 * SECOND, true,
          "the machine's clock was just set", 3600 * SECOND },
        { "slept for an hour", 3620 * SECOND, 3620 * SECOND, 20 * SECOND, false,
          "the machine was just suspended", 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct memory_clock clock = { 0 };
        usec_t realtime = 1000000 * SECOND, boottime = 5000 * SECOND, monotonic = 4000 * SECOND;
        memory_look_at_clock(&clock, realtime, boottime, monotonic);
        assert_null(memory_clock_trouble(&clock, boottime));
        realtime = cases[i].goes_back ? realtime - cases[i].realtime : realtime + cases[i].realtime;
        boottime += cases[i].boottime;
        memory_look_at_clock(&clock, realtime, boottime, monotonic + cases[i].monotonic);
        const char *trouble = memory_clock_trouble(&clock, boottime);
        if (!string_equal(trouble ? trouble : "", cases[i].trouble ? cases[i].trouble : ""))
            fail_msg("%s: %s", cases[i].name, trouble ? trouble : "no trouble");
        assert_true(clock.back == cases[i].back);
    }
}

static void what_was_upset_settles(void **state) {
    (void)state;
    struct memory_clock clock = { 0 };
    memory_look_at_clock(&clock, 1000 * SECOND, 100 * SECOND, 100 * SECOND);
    memory_look_at_clock(&clock, 4000 * SECOND, 105 * SECOND, 105 * SECOND);
    assert_non_null(memory_clock_trouble(&clock, 120 * SECOND));
    memory_look_at_clock(&clock, 4035 * SECOND, 140 * SECOND, 140 * SECOND);
    assert_null(memory_clock_trouble(&clock, 140 * SECOND));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_clocks_do_is_told_apart),
        cmocka_unit_test(what_was_upset_settles),
    };
    return RUN(tests);
}
