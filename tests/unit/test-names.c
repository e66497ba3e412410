/* Names of our databases: they fit, they are valid UTF-8, and two databases never share one. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/database/names.h"

#define ID "20261123T031500Z-1f3a"

static void short_names_are_as_the_design_shows_them(void **state) {
    (void)state;
    _cleanup_free_ char *failed = database_name_make("qaid", "failed", ID, 1);
    _cleanup_free_ char *again = database_name_make("qaid", "failed", ID, 3);
    assert_string_equal(failed, "qaid_failed_20261123T031500Z_1f3a");
    assert_string_equal(again, "qaid_failed_20261123T031500Z_1f3a_3");
}

static void long_names_fit_stay_valid_and_differ(void **state) {
    (void)state;
    char long_name[256];
    for (size_t size = 20; size < 200; size++) {
        size_t used = size % 3; /* so that the cut comes to each byte of a character */
        memset(long_name, 'x', used);
        for (; used < size; used += 3)
            memcpy(long_name + used, "\xe2\x82\xac", 3); /* € */
        long_name[used] = '\0';
        _cleanup_free_ char *name = database_name_make(long_name, "restored", ID, 12);
        assert_true(strlen(name) <= DATABASE_NAME_LIMIT);
        json_t *valid = json_string(name); /* jansson takes valid UTF-8 only */
        assert_non_null(valid);
        json_decref(valid);
        strcat(long_name, "b");
        _cleanup_free_ char *other = database_name_make(long_name, "restored", ID, 12);
        assert_string_not_equal(name, other);
        assert_non_null(strstr(other, "_restored_20261123T031500Z_1f3a_12"));
    }
}

static void the_longest_that_fits_is_not_cut(void **state) {
    (void)state;
    char name[64] = { 0 };
    memset(name, 'a', 63 - strlen("_clone_" ID));
    _cleanup_free_ char *fits = database_name_make(name, "clone", ID, 0);
    assert_int_equal(strlen(fits), 63);
    assert_true(string_starts_with(fits, name));
    strcat(name, "a");
    _cleanup_free_ char *cut = database_name_make(name, "clone", ID, 0);
    assert_int_equal(strlen(cut), 63);
    assert_false(string_starts_with(cut, name));
}

static void marks_differ(void **state) {
    (void)state;
    _cleanup_free_ char *first = database_mark_make(ID), *second = database_mark_make(ID);
    assert_string_not_equal(first, second);
    assert_true(string_starts_with(first, "upgrade-watchdog/" ID " "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_names_are_as_the_design_shows_them),
        cmocka_unit_test(long_names_fit_stay_valid_and_differ),
        cmocka_unit_test(the_longest_that_fits_is_not_cut),
        cmocka_unit_test(marks_differ),
    };
    return RUN(tests);
}
