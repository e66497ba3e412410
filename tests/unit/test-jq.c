/* jq programs: their values, and their errors. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "probes/jq.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

static json_t *parse(const char *text) {
    json_t *value = NULL;
    assert_int_equal(json_parse(text, strlen(text), "the case", &value, NULL), 0);
    return value;
}

static void programs_give_their_values(void **state) {
    (void)state;
    static const struct {
        const char *program, *input, *baseline, *expected; /* NULL: ends with an error */
    } cases[] = {
        { ".token", "{\"token\": \"t\"}", "null", "[\"t\"]" },
        { ".[] | .id", "[{\"id\": 1}, {\"id\": 2}]", "null", "[1, 2]" },
        { "(. | length) >= ($baseline | length)", "[1]", "[1, 2]", "[false]" },
        { "{status, steps}", "{\"steps\": [], \"status\": \"ok\", \"id\": 7}", "null",
          "[{\"status\": \"ok\", \"steps\": []}]" },
        { "empty", "1", "null", "[]" },
        { ".a.b", "[1]", "null", NULL },
        { "error(\"gone\")", "1", "null", NULL },
        { ".", "\"ü\\u0000x\"", "null", "[\"ü\\u0000x\"]" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *input = parse(cases[i].input), *baseline = parse(cases[i].baseline),
                              *values = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = jq_run(cases[i].program, input, baseline, &values, &err);
        if (!cases[i].expected) {
            assert_int_equal(r, -EDOM);
            assert_true(strlen(err.text) > 0);
            continue;
        }
        assert_int_equal(r, 0);
        _cleanup_json_ json_t *expected = parse(cases[i].expected);
        assert_true(json_equal(values, expected));
    }
}

static void a_flood_of_values_is_an_error(void **state) {
    (void)state;
    _cleanup_json_ json_t *values = NULL, *input = json_null();
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(jq_run("repeat(1)", input, NULL, &values, &err), -E2BIG);
}

static void a_program_that_is_none_is_refused(void **state) {
    (void)state;
    static const char *const programs[] = { ".[", "foo(1)", "$token", ". |", "{a:", "\"" };
    assert_int_equal(jq_check(".a | $baseline.b", NULL), 0);
    for (size_t i = 0; i < ELEMENTS(programs); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(jq_check(programs[i], &err), -EINVAL);
        assert_true(string_starts_with(err.text, "expected a jq program, \""));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_give_their_values),
        cmocka_unit_test(a_flood_of_values_is_an_error),
        cmocka_unit_test(a_program_that_is_none_is_refused),
    };
    return RUN(tests);
}
