/* Versions, and what kind of change lies between two. */

#include "tests/unit/unit.h"

#include "watchdog/base/memory.h"
#include "watchdog/transaction/change.h"

static void changes_are_classed_by_their_numbers(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *expected;
    } cases[] = {
        { "1.2.3", "1.2.4", "patch" }, { "1.2.3", "1.3.0", "minor" },  { "1.2.3", "2.0.0", "major" },
        { "v1.2", "v1.3", "minor" },   { "1.2.3", "1.2.3", "none" },   { "1.2.3", "", "digest" },
        { "", "1.2.3", "digest" },     { NULL, "1.2.3", "digest" },    { "24.04", "24.10", "minor" },
        { "latest", "1.2", "digest" }, { "7", "8", "digest" },         { "1.2.3-rc1", "1.2.3", "digest" },
        { "1.2.3", "1.2.2", "patch" }, { "1.2.10", "1.2.9", "patch" }, { "2.0.0", "1.9.9", "major" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_string_equal(change_class(cases[i].from, cases[i].to), cases[i].expected);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(changes_are_classed_by_their_numbers) };
    return RUN(tests);
}
