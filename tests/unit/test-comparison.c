/* What a program compares, and what is no comparison. The sides are run by jq, over the same input. */

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "probes/comparison.h"
#include "probes/jq.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

static const char input[] = "{\"rows\": [1, 2], \"n\": 7, \"s\": \"a | b == c\", \"and\": true, \"as\": 1}";

static void both_sides_are_found(void **state) {
    (void)state;
    static const struct {
        const char *program, *operator, * sides;
    } cases[] = {
        { ".n > 7", ">", "[7,7]" },
        { ".n>7", ">", "[7,7]" },
        { "(.rows | length) >= ($baseline | length)", ">=", "[2,3]" },
        { ".rows | length == 3", "==", "[2,3]" },
        { ".rows|.[1]|.+1!=3", "!=", "[3,3]" },
        { ".n + 1 < .rows[0] * 2", "<", "[8,2]" },
        { ".s == \"a | b == c \\\" and\"", "==", "[\"a | b == c\",\"a | b == c \\\" and\"]" },
        { ".and == false", "==", "[true,false]" },
        { ".as <= 0", "<=", "[1,0]" },
        { "[.rows[] | select(. > 1)] | length > 1", ">", "[1,1]" },
        { ".n / 7 > 1", ">", "[1,1]" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *value = json_loads(input, 0, NULL),
                              *baseline = json_loads("[1, 2, 3]", 0, NULL);
        _cleanup_json_ json_t *values = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *sides = NULL;
        char operator[COMPARISON_OPERATOR_SIZE];
        if (!comparison_split(cases[i].program, &sides, operator))
            fail_msg("%s", cases[i].program);
        assert_string_equal(operator, cases[i].operator);
        if (jq_run(NULL, sides, value, baseline, &values, &err) < 0)
            fail_msg("%s: %s", sides, error_text(&err));
        assert_int_equal(json_array_size(values), 1);
        _cleanup_free_ char *text = json_text(json_array_get(values, 0));
        assert_string_equal(text, cases[i].sides);
    }
}

static void what_is_more_than_a_comparison_is_left_alone(void **state) {
    (void)state;
    static const char *const programs[] = {
        "",
        ".ok",
        ".n > 7 and .n < 9",
        ".n > 7 or true",
        ".n > 7 | not",
        "any(.rows[]; . > 1)",
        ".a // 1 > 0",
        ".a, .n > 1",
        ".n as $x | $x > 1",
        "if .n > 1 then true else false end",
        "def f: 1; f > 2",
        ".n > 1 # comment",
        "\"\\(.n > 1)\" == \"false\"",
        ".n |= 3",
        ".n = 3",
        ".n += 3",
        "(.n > 1",
        ".n > 1)",
        "\"unfinished == ",
        "\"unfinished == \\",
        "1 < 2 < 3",
    };
    for (size_t i = 0; i < ELEMENTS(programs); i++) {
        char *sides = NULL, operator[COMPARISON_OPERATOR_SIZE];
        if (comparison_split(programs[i], &sides, operator))
            fail_msg("%s: %s", programs[i], sides);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_are_found),
        cmocka_unit_test(what_is_more_than_a_comparison_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
