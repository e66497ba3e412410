/* Closed transactions, newest first, whatever stands about beside them. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/audit/history.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

static int state_make(void **state) {
    char *path = xstrdup("/tmp/test-history-XXXXXX");
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

static int state_done(void **state) {
    int r = durable_remove_tree(AT_FDCWD, *state, NULL);
    free(*state);
    return r;
}

static void put(const char *state, const char *name, const char *text) {
    _cleanup_free_ char *directory = xasprintf("%s/qaid/transactions", state);
    _cleanup_free_ char *path = xasprintf("%s/%s", directory, name);
    assert_int_equal(durable_mkdir(directory, 0700, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

static void put_record(const char *state, const char *id) {
    _cleanup_free_ char *name = xasprintf("%s.json", id);
    _cleanup_free_ char *text = xasprintf("{\"id\": \"%s\", \"outcome\": \"upgraded\"}", id);
    put(state, name, text);
}

static void the_newest_is_first_and_damage_is_named(void **state) {
    put_record(*state, "20261123T031500Z-1f3a");
    put_record(*state, "20261125T031500Z-0000");
    put_record(*state, "20261124T031500Z-ffff");
    put(*state, "20261126T031500Z-1f3a.json", "{\"id\": \"20261126T0315");
    put(*state, "20261127T031500Z-1f3a.json",
        "{\"id\": \"20261126T031500Z-1f3a\", \"outcome\": \"upgraded\"}");
    put(*state, "20261128T031500Z-1f3a.json", "[]");
    put(*state, "20261123T031500Z-1f3a.json.new", "{");
    put(*state, "notes.json", "{}");
    _cleanup_json_ json_t *list = NULL;
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(history_read(*state, "qaid", 0, &list, &warnings, &err), 0);
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(json_get_string(json_array_get(list, 0), "id", ""), "20261125T031500Z-0000");
    assert_string_equal(json_get_string(json_array_get(list, 2), "id", ""), "20261123T031500Z-1f3a");
    assert_int_equal(strings_count(warnings), 3);
    assert_non_null(strstr(warnings[2], "20261126T031500Z-1f3a.json\" is not valid JSON"));

    _cleanup_json_ json_t *newest = NULL, *named = NULL;
    assert_int_equal(history_find(*state, "qaid", NULL, &newest, &err), -EBADMSG);
    assert_int_equal(history_find(*state, "qaid", "20261123T031500Z-1f3a", &named, &err), 0);
}

static void the_newest_is_found_without_its_id(void **state) {
    put_record(*state, "20261123T031500Z-1f3a");
    put_record(*state, "20261124T031500Z-0000");
    _cleanup_json_ json_t *newest = NULL;
    assert_int_equal(history_find(*state, "qaid", NULL, &newest, NULL), 0);
    assert_string_equal(json_get_string(newest, "id", ""), "20261124T031500Z-0000");
}

static void where_there_is_nothing_it_is_empty(void **state) {
    _cleanup_json_ json_t *list = NULL, *found = NULL;
    _cleanup_strings_ char **warnings = NULL, **applications = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(history_read(*state, "qaid", 0, &list, &warnings, &err), 0);
    assert_int_equal(json_array_size(list), 0);
    assert_int_equal(history_find(*state, "qaid", NULL, &found, &err), -ENOENT);
    assert_string_equal(error_text(&err), "\"qaid\" has no transaction yet");
    assert_int_equal(history_find(*state, "qaid", "20261123T031500Z-1f3a", &found, &err), -ENOENT);
    assert_string_equal(error_text(&err),
                        "\"qaid\" has no transaction \"20261123T031500Z-1f3a\" (see history)");
    assert_int_equal(history_applications("/nowhere/at/all", &applications, &err), 0);
    assert_int_equal(strings_count(applications), 0);
}

static void an_id_is_no_path(void **state) {
    static const char *const bad[] = { "",
                                       "x",
                                       "../../etc/passwd",
                                       "20261123T031500Z-1f3g",
                                       "20261123T031500Z-1f3a/",
                                       "20261123t031500Z-1f3a" };
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        _cleanup_json_ json_t *found = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(history_find(*state, "qaid", bad[i], &found, &err), -EINVAL);
    }
    assert_true(transaction_id_valid("20261123T031500Z-1f3a"));
}

static void applications_are_listed_by_name(void **state) {
    put_record(*state, "20261123T031500Z-1f3a");
    _cleanup_free_ char *other = xasprintf("%s/a", (char *)*state),
                        *file = xasprintf("%s/file", (char *)*state);
    assert_int_equal(durable_mkdir(other, 0700, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, file, "", 0, 0600, NULL), 0);
    _cleanup_strings_ char **applications = NULL;
    assert_int_equal(history_applications(*state, &applications, NULL), 0);
    _cleanup_free_ char *joined = strings_join(applications, " ");
    assert_string_equal(joined, "a qaid");
}

int main(void) {
#define IN_STATE(test) cmocka_unit_test_setup_teardown(test, state_make, state_done)
    const struct CMUnitTest tests[] = {
        IN_STATE(the_newest_is_first_and_damage_is_named), IN_STATE(the_newest_is_found_without_its_id),
        IN_STATE(where_there_is_nothing_it_is_empty),      IN_STATE(an_id_is_no_path),
        IN_STATE(applications_are_listed_by_name),
    };
    return RUN(tests);
}
