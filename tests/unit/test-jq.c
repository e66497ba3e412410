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

struct program_case {
    const char *program, *input, *baseline, *expected; /* NULL: ends with an error */
};

static const struct program_case cases[] = {
    { ".token", "{\"token\": \"t\"}", "null", "[\"t\"]" },
    { ".[] | .id", "[{\"id\": 1}, {\"id\": 2}]", "null", "[1, 2]" },
    { "(. | length) >= ($baseline | length)", "[1]", "[1, 2]", "[false]" },
    { "{status, steps}", "{\"steps\": [], \"status\": \"ok\", \"id\": 7}", "null",
      "[{\"status\": \"ok\", \"steps\": []}]" },
    { "empty", "1", "null", "[]" },
    { ".a.b", "[1]", "null", NULL },
    { "error(\"gone\")", "1", "null", NULL },
    { ".", "\"ü\\u0000x\"", "null", "[\"ü\\u0000x\"]" },
    { "def twice: . * 2; twice, $baseline # both", "4", "7", "[8, 7]" },
    { ".[] as $one | $one, ($baseline[] as $baseline | $baseline)", "[1]", "[2, 3]", "[1, 2, 3]" },
    { "[paths]", "{\"a\": [1]}", "null", "[[[\"a\"], [\"a\", 0]]]" },
    { ".a |= . + 1 | . , label $out | (1, break $out, 2)", "{\"a\": 1}", "null", "[{\"a\": 2}, 1]" },
    { "reduce .[] as $i (0; . + $i)", "[1, 2, 3]", "null", "[6]" },
    { "halt_error", "\"gone\"", "null", NULL },
};

static void assert_gives(const struct jq_programs *prepared, const struct program_case *one) {
    _cleanup_json_ json_t *input = parse(one->input), *baseline = parse(one->baseline), *values = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = jq_run(prepared, one->program, input, baseline, &values, &err);
    if (!one->expected) {
        assert_int_equal(r, -EDOM);
        assert_true(strlen(err.text) > 0);
        return;
    }
    assert_int_equal(r, 0);
    _cleanup_json_ json_t *expected = parse(one->expected);
    assert_true(json_equal(values, expected));
}

static void programs_give_their_values(void **state) {
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        assert_gives(NULL, &cases[i]);
}

/* Each of them three times, and the errors of one are not those of the next. */
static void prepared_programs_give_the_same(void **state) {
    (void)state;
    struct jq_programs *prepared = NULL;
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        jq_programs_add(&prepared, cases[i].program);
    for (size_t i = 0; i < 3 * ELEMENTS(cases); i++)
        assert_gives(prepared, &cases[i % ELEMENTS(cases)]);
    jq_programs_free(prepared);
}

/* One compiled program serves every baseline. */
static void a_prepared_program_has_its_baseline_each_time(void **state) {
    (void)state;
    static const struct program_case rounds[] = { { "$baseline + .", "1", "2", "[3]" },
                                                  { "$baseline + .", "1", "40", "[41]" } };
    struct jq_programs *prepared = NULL;
    jq_programs_add(&prepared, rounds[0].program);
    jq_programs_add(&prepared, rounds[0].program);
    for (size_t i = 0; i < ELEMENTS(rounds); i++)
        assert_gives(prepared, &rounds[i]);
    jq_programs_free(prepared);
}

/* What begins with an import fits into no other program; it is run as it is, with jq's own words. */
static void what_cannot_be_prepared_is_compiled_each_time(void **state) {
    (void)state;
    struct jq_programs *prepared = NULL;
    _cleanup_json_ json_t *values = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    jq_programs_add(&prepared, ".[");
    assert_null(prepared);
    assert_int_equal(jq_run(prepared, ".[", NULL, NULL, &values, &err), -EINVAL);
    assert_true(string_starts_with(err.text, "expected a jq program, \".[\" has: syntax error"));
}

static void a_flood_of_values_is_an_error(void **state) {
    (void)state;
    _cleanup_json_ json_t *values = NULL, *input = json_null();
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(jq_run(NULL, "repeat(1)", input, NULL, &values, &err), -E2BIG);
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
        cmocka_unit_test(prepared_programs_give_the_same),
        cmocka_unit_test(a_prepared_program_has_its_baseline_each_time),
        cmocka_unit_test(what_cannot_be_prepared_is_compiled_each_time),
        cmocka_unit_test(a_flood_of_values_is_an_error),
        cmocka_unit_test(a_program_that_is_none_is_refused),
    };
    return RUN(tests);
}
