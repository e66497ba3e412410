/* What changes by itself is found, and left out of comparisons; nothing else is. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/volatile.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

static json_t *parse(const char *text) {
    json_t *value = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (json_parse(text, strlen(text), "the case", &value, &err) < 0)
        fail_msg("%s: %s", text, error_text(&err));
    return value;
}

static void what_differs_between_two_looks_is_found(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *paths;
    } cases[] = {
        { "{\"a\": 1, \"b\": 2}", "{\"b\": 2, \"a\": 1}", "[]" },
        { "{\"a\": 1, \"t\": 2}", "{\"a\": 1, \"t\": 3}", "[[\"t\"]]" },
        { "{\"a\": {\"t\": 2, \"b\": 1}}", "{\"a\": {\"t\": 3, \"b\": 1}}", "[[\"a\", \"t\"]]" },
        { "[{\"t\": 1, \"n\": \"x\"}, {\"t\": 2}]", "[{\"t\": 3, \"n\": \"x\"}, {\"t\": 4}]",
          "[[null, \"t\"]]" },
        { "[\"ok\", 1]", "[\"ok\", 2]", "[[1]]" },
        { "[1, 2]", "[1, 2, 3]", "[[]]" },
        { "{\"l\": [1]}", "{\"l\": []}", "[[\"l\"]]" },
        { "{\"a\": 1}", "{\"a\": 1, \"b\": 1}", "[[\"b\"]]" },
        { "{\"a\": 1, \"b\": 1}", "{\"a\": 1}", "[[\"b\"]]" },
        { "1", "2", "[[]]" },
        { "{\"a\": null}", "{\"a\": {}}", "[[\"a\"]]" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *first = json_loads(cases[i].first, JSON_DECODE_ANY, NULL),
                              *second = json_loads(cases[i].second, JSON_DECODE_ANY, NULL),
                              *expected = parse(cases[i].paths), *paths = json_array();
        volatile_find(first, second, paths);
        volatile_find(first, second, paths); /* each once */
        if (!json_equal(paths, expected)) {
            _cleanup_free_ char *text = json_text(paths);
            fail_msg("%s and %s: %s, expected %s", cases[i].first, cases[i].second, text, cases[i].paths);
        }
    }
}

static void too_many_places_are_the_whole(void **state) {
    (void)state;
    _cleanup_json_ json_t *first = json_array(), *second = json_array(), *paths = json_array();
    for (int i = 0; i < 3000; i++) {
        json_array_append_new(first, json_integer(i));
        json_array_append_new(second, json_integer(-i - 1));
    }
    volatile_find(first, second, paths);
    _cleanup_json_ json_t *root = json_array();
    assert_true(volatile_has(paths, root));
}

static void comparisons_leave_out_what_is_volatile_and_allow_more_members(void **state) {
    (void)state;
    static const struct {
        const char *baseline, *now, *paths, *where; /* where NULL: same */
    } cases[] = {
        { "{\"a\": 1}", "{\"a\": 1}", "[]", NULL },
        { "{\"a\": 1}", "{\"a\": 1, \"new\": 2}", "[]", NULL },
        { "{\"a\": 1}", "{\"a\": 1.0}", "[]", NULL },
        { "{\"a\": 1}", "{}", "[]", ".a was 1, is not there" },
        { "{\"a\": 1}", "{\"a\": 2}", "[[\"a\"]]", NULL },
        { "{\"a\": 1, \"b\": 1}", "{\"a\": 2, \"b\": 2}", "[[\"a\"]]", ".b was 1, is 2" },
        { "{\"l\": [{\"s\": \"ok\", \"t\": 1}, {\"s\": \"ok\", \"t\": 2}]}",
          "{\"l\": [{\"s\": \"ok\", \"t\": 7}, {\"s\": null, \"t\": 8}]}", "[[\"l\", null, \"t\"]]",
          ".l[1].s was \"ok\", is null" },
        { "[1, 2]", "[1, 2, 3]", "[]", ". was a list of 2, is a list of 3" },
        { "[1, 2]", "[2, 1]", "[]", ".[0] was 1, is 2" },
        { "{\"odd name\": {}}", "{\"odd name\": []}", "[]", ".[\"odd name\"] was an object, is a list of 0" },
        { "{\"a\": \"1\"}", "{\"a\": 1}", "[]", ".a was \"1\", is 1" },
        { "{\"b\": 1, \"a\": 1}", "{\"b\": 2, \"a\": 2}", "[]", ".b was 1, is 2" },
        { "1", "2", "[[]]", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *baseline = json_loads(cases[i].baseline, JSON_DECODE_ANY, NULL),
                              *now = json_loads(cases[i].now, JSON_DECODE_ANY, NULL),
                              *paths = parse(cases[i].paths);
        _cleanup_free_ char *where = NULL;
        bool same = volatile_same(baseline, now, paths, &where);
        if (same != !cases[i].where || (where && !string_equal(where, cases[i].where)))
            fail_msg("%s and %s: %s", cases[i].baseline, cases[i].now, where ? where : "same");
    }
}

static void a_settled_answer_has_the_baselines_values_where_they_are_volatile(void **state) {
    (void)state;
    static const struct {
        const char *now, *baseline, *paths, *expected;
    } cases[] = {
        { "{\"t\": 2, \"a\": 1}", "{\"t\": 1, \"a\": 5}", "[[\"t\"]]", "{\"t\": 1, \"a\": 1}" },
        { "{\"t\": 2}", "{}", "[[\"t\"]]", "{}" },
        { "{}", "{\"t\": 2}", "[[\"t\"]]", "{\"t\": 2}" },
        { "[{\"t\": 2}, {\"t\": 3}]", "[{\"t\": 1}]", "[[null, \"t\"]]", "[{\"t\": 1}, {}]" },
        { "[1, 2]", "[3, 4]", "[[1]]", "[1, 4]" },
        { "[1, 2]", "{\"a\": 1}", "[[]]", "{\"a\": 1}" },
        { "[[1], 2]", "5", "[[\"a\"]]", "[[1], 2]" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *now = json_loads(cases[i].now, JSON_DECODE_ANY, NULL),
                              *baseline = json_loads(cases[i].baseline, JSON_DECODE_ANY, NULL),
                              *paths = parse(cases[i].paths), *expected = parse(cases[i].expected);
        _cleanup_json_ json_t *settled = volatile_settled(now, baseline, paths);
        if (!json_equal(settled, expected)) {
            _cleanup_free_ char *text = json_text(settled);
            fail_msg("%s: %s, expected %s", cases[i].now, text, cases[i].expected);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_between_two_looks_is_found),
        cmocka_unit_test(too_many_places_are_the_whole),
        cmocka_unit_test(comparisons_leave_out_what_is_volatile_and_allow_more_members),
        cmocka_unit_test(a_settled_answer_has_the_baselines_values_where_they_are_volatile),
    };
    return RUN(tests);
}
