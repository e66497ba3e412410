/* Shapes of lines. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/shape.h"
#include "watchdog/base/memory.h"

static void lines_that_differ_in_what_is_volatile_have_one_shape(void **state) {
    (void)state;
    static const struct {
        const char *one, *other;
        int same;
    } cases[] = {
        { "took 12ms for 3 rows", "took 1042ms for 17 rows", 1 },
        { "2026-11-23T03:15:00.123Z error in job 7", "2027-01-02T13:05:10Z error in job 99", 1 },
        { "id 7f9c24e5-2b31-4d6e-9a43-0a1b2c3d4e5f gone", "id 00000000-ffff-4aaa-bbbb-cccccccccccc gone", 1 },
        { "commit deadbeef", "commit 0badcafe", 1 },
        { "from 10.0.0.1:5432", "from 192.168.13.7:60123", 1 },
        { "Error: P3009", "Error: P3018", 0 },
        { "code 42P07", "code 42P01", 0 },
        { "table users is gone", "table projects is gone", 0 },
        { "migration failed", "migration passed", 0 },
        { "", " ", 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        uint64_t one = line_shape(SHAPE_BEGIN, cases[i].one, strlen(cases[i].one)),
                 other = line_shape(SHAPE_BEGIN, cases[i].other, strlen(cases[i].other));
        if ((one == other) != cases[i].same)
            fail_msg("\"%s\" and \"%s\"", cases[i].one, cases[i].other);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_differ_in_what_is_volatile_have_one_shape),
    };
    return RUN(tests);
}
