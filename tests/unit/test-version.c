/* A label is found in what an application says of itself, and another version's is not. */

#include "tests/unit/unit.h"

#include "probes/version.h"

static void a_label_is_a_word_of_its_own(void **state) {
    (void)state;
    static const struct {
        const char *said, *label;
        bool has;
    } cases[] = {
        { "1.3.0", "1.3.0", true },
        { "v1.3.0", "1.3.0", true },
        { "1.3.0", "v1.3.0", true },
        { "qaid-server 1.3.0 (4f2c1e)", "1.3.0", true },
        { "Version: 1.3.0.", "1.3.0", true },
        { "server/1.3.0", "1.3.0", true },
        { "1.3.0+build5", "1.3.0", true },
        { "1.3.0-login-500", "1.3.0-login-500", true },
        { "1.3.0-rc1", "1.3.0", false },
        { "1.3.0.1", "1.3.0", false },
        { "11.3.0", "1.3.0", false },
        { "2.1.3.0", "1.3.0", false },
        { "1.3.01", "1.3.0", false },
        { "dev1.3.0", "1.3.0", false },
        { "1.2.4", "1", false },
        { "1.2.4", "", false },
        { "", "1.3.0", false },
        { "1.3.0.1 over 1.3.0", "1.3.0", true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (version_has(cases[i].said, cases[i].label) != cases[i].has)
            fail_msg("\"%s\" and \"%s\"", cases[i].said, cases[i].label);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_label_is_a_word_of_its_own) };
    return RUN(tests);
}
