/* %{name}: put in safely for where it stands, and never shown. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "probes/placeholders.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

static json_t *captures;

static int make(void **state) {
    (void)state;
    captures = json_pack("{s:s, s:s, s:s, s:s}", "token", "abc123", "nasty", "a\"b\\c\n&=/?%{token}ü",
                         "empty", "", "id", "42");
    return captures ? 0 : -1;
}

static int drop(void **state) {
    (void)state;
    json_decref(captures);
    return 0;
}

static void values_are_put_in_safely_for_their_place(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum place place;
        const char *expected; /* NULL: refused */
    } cases[] = {
        { "/api/%{id}/x", PLACE_URL, "/api/42/x" },
        { "/api?q=%{nasty}", PLACE_URL, "/api?q=a%22b%5Cc%0A%26%3D%2F%3F%25%7Btoken%7D%C3%BC" },
        { "{\"a\": \"%{nasty}\"}", PLACE_JSON, "{\"a\": \"a\\\"b\\\\c\\n&=/?%{token}ü\"}" },
        { "Authorization: Bearer %{token}", PLACE_HEADER, "Authorization: Bearer abc123" },
        { "X: %{nasty}", PLACE_HEADER, NULL },
        { "%{nasty}", PLACE_TEXT, "a\"b\\c\n&=/?%{token}ü" },
        { "%{empty}%{empty}", PLACE_TEXT, "" },
        { "100%% %%{token} %{token}%{id}", PLACE_TEXT, "100%% %{token} abc12342" },
        { "%{nobody}", PLACE_TEXT, NULL },
        { "%{token", PLACE_TEXT, NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct secrets secrets = { .captures = captures };
        _cleanup_free_ char *filled = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = placeholders_fill(&secrets, cases[i].text, cases[i].place, &filled, &err);
        assert_int_equal(r == 0, cases[i].expected != NULL);
        if (cases[i].expected)
            assert_string_equal(filled, cases[i].expected);
        else
            assert_null(strstr(err.text, "a\"b"));
        secrets_done(&secrets);
    }
}

static void only_whole_placeholders_inside_strings_are_taken(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int expected;
    } cases[] = {
        { "{\"email\": \"%{email}\", \"password\": \"%{pw}\"}", 0 },
        { "{\"%{key}\": 1}", 0 },
        { "{\"a\": %{value}}", -EINVAL },
        { "[%{value}]", -EINVAL },
        { "[1%{value}]", -EINVAL },
        { "{\"a\": \"%{value\"}", -EINVAL },
        { "{\"a\": \"%{a b}\"}", -EINVAL },
        { "{\"a\": \"%{}\"}", -EINVAL },
        { "{\"a\": 1", -EINVAL },
        { "{\"a\": \"%%{literal\"}", 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = placeholders_check_json(cases[i].json, &err);
        if (r != cases[i].expected)
            fail_msg("%s: %d %s", cases[i].json, r, r ? err.text : "");
    }
}

static void names_are_listed_once(void **state) {
    (void)state;
    _cleanup_strings_ char **names = NULL;
    placeholders_names("%{a} %%{b} %{c} %{a}", &names);
    _cleanup_free_ char *joined = strings_join(names, " ");
    assert_string_equal(joined, "a c");
}

static void secrets_are_masked_in_all_their_forms(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "token is p@ss \"word\" here", "token is *** here" },
        { "?q=p%40ss%20%22word%22&x", "?q=***&x" },
        { "{\"a\": \"p@ss \\\"word\\\"\"}", "{\"a\": \"***\"}" },
        { "p@ss \"word\"s and p@ss \"word\"-longer", "***s and ***" },
        { "?q=p%40ss+%22word%22&x", "?q=***&x" },
        { "gr\\u00fcn\\/1 gr\\u00FCn/1 grün/1 gr%c3%bcn%2f1 gr%C3%BCn%2F1", "*** *** *** *** ***" },
        { "p@ss &quot;word&quot;", "***" },
        { "abc stays, it is too short", "abc stays, it is too short" },
    };
    struct secrets secrets = { 0 };
    secrets_add(&secrets, "p@ss \"word\"");
    secrets_add(&secrets, "abc");
    secrets_add(&secrets, "grün/1");
    secrets_add(&secrets, "p@ss \"word\"-longer");
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *masked = secrets_mask(&secrets, cases[i].text, strlen(cases[i].text));
        assert_string_equal(masked, cases[i].expected);
    }
    secrets_done(&secrets);
}

static void an_excerpt_has_no_control_characters_and_no_half_secrets(void **state) {
    (void)state;
    struct secrets secrets = { 0 };
    secrets_add(&secrets, "0123456789");
    static const struct {
        const char *text;
        size_t size, limit;
        const char *expected;
    } cases[] = {
        { "a\nb\tc\r\x1b[31md\0e", 14, 100, "a\\nb\\tc\\r\\x1b[31md\\x00e" },
        { "the secret 0123456789 is cut", 28, 15, "the secret *** …" },
        { "ääää", 8, 5, "ää…" },
        { "bad \xff", 5, 100, "bad \xEF\xBF\xBD" },
        { "", 0, 10, "" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *excerpt =
            secrets_excerpt(&secrets, cases[i].text, cases[i].size, cases[i].limit);
        assert_string_equal(excerpt, cases[i].expected);
    }
    secrets_done(&secrets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_put_in_safely_for_their_place, make, drop),
        cmocka_unit_test(only_whole_placeholders_inside_strings_are_taken),
        cmocka_unit_test(names_are_listed_once),
        cmocka_unit_test(secrets_are_masked_in_all_their_forms),
        cmocka_unit_test(an_excerpt_has_no_control_characters_and_no_half_secrets),
    };
    return RUN(tests);
}
