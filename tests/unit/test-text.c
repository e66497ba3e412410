/* UTF-8 that may be broken, and mistyped names. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/text.h"

static void only_shortest_forms_of_real_characters_are_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        uint32_t character;
    } cases[] = {
        { "A", 1, 'A' },
        { "\xC3\xA4", 2, 0xE4 },
        { "\xE2\x82\xAC", 3, 0x20AC },
        { "\xF0\x9F\x90\x98", 4, 0x1F418 },
        { "\xF4\x8F\xBF\xBF", 4, 0x10FFFF },
        { "\xF4\x90\x80\x80", 0, 0 }, /* beyond the last */
        { "\xC0\x80", 0, 0 },         /* NUL in two bytes */
        { "\xC1\xBF", 0, 0 },
        { "\xE0\x80\xAF", 0, 0 }, /* a slash in three */
        { "\xED\xA0\x80", 0, 0 }, /* a surrogate */
        { "\xC3", 0, 0 },
        { "\xC3(", 0, 0 },
        { "\xA4", 0, 0 },
        { "\xFF", 0, 0 },
        { "", 0, 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        uint32_t character = 0;
        assert_int_equal(utf8_decode(cases[i].text, strlen(cases[i].text), &character), cases[i].length);
        assert_int_equal(character, cases[i].character);
    }
    assert_true(utf8_valid("a\0b\xC3\xA4", 5));
    assert_false(utf8_valid("a\xC3\xA4", 2));
}

static void what_would_act_on_a_terminal_is_shown_instead(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int lines;
        const char *expected;
    } cases[] = {
        { "", 0, "" },
        { "plain \xC3\xA4 \xF0\x9F\x90\x98", 0, "plain \xC3\xA4 \xF0\x9F\x90\x98" },
        { "\x1B[2Jgone", 0, "\\x1b[2Jgone" },
        { "a\rb\bc\x7F", 0, "a\\x0db\\x08c\\x7f" },
        { "one\ntwo\tthree", 0, "one\\ntwo three" },
        { "one\ntwo\tthree", 1, "one\ntwo three" },
        { "\xC2\x9B"
          "31m",
          0, "\\u{009b}31m" },
        { "\xE2\x80\xAE"
          "drow",
          0, "\\u{202e}drow" },
        { "cut \xC3", 0, "cut \\xc3" },
        { "\xFF\xFE", 0, "\\xff\\xfe" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *shown = text_harmless(cases[i].text, cases[i].lines);
        assert_string_equal(shown, cases[i].expected);
    }
}

static void the_nearest_name_is_found_and_a_far_one_is_not(void **state) {
    (void)state;
    static const char *const known[] = { "Directory", "Project", "Duration", "Interval", "File" };
    static const char *const cases[][2] = {
        { "directory", "Directory" },
        { "Direktory", "Directory" },
        { "Intervall", "Interval" },
        { "Files", "File" },
        { "Durations", "Duration" },
        { "Name", NULL },
        { "x", NULL },
        { "", NULL },
        { "Telephone", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct nearest nearest = { .wanted = cases[i][0] };
        for (size_t k = 0; k < ELEMENTS(known); k++)
            nearest_consider(&nearest, known[k]);
        assert_true(string_equal(nearest.best, cases[i][1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_shortest_forms_of_real_characters_are_utf8),
        cmocka_unit_test(what_would_act_on_a_terminal_is_shown_instead),
        cmocka_unit_test(the_nearest_name_is_found_and_a_far_one_is_not),
    };
    return RUN(tests);
}
