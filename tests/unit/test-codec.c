/* Structs to JSON and back by a table. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/codec.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

struct leaf {
    char *name;
    uint32_t number;
};

struct whole {
    char *text;
    bool flag;
    int64_t integer;
    usec_t time;
    double real;
    int word;
    char **strings;
    struct leaf *leaves;
    size_t leaves_count;
    json_t *json;
};

static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct field leaf_fields[] = {
    { "name", FIELD_STRING, offsetof(struct leaf, name) },
    { "number", FIELD_NUMBER, offsetof(struct leaf, number) },
    { 0 },
};

static const struct field whole_fields[] = {
    { "text", FIELD_STRING, offsetof(struct whole, text) },
    { "flag", FIELD_BOOLEAN, offsetof(struct whole, flag) },
    { "integer", FIELD_INTEGER, offsetof(struct whole, integer) },
    { "time", FIELD_TIME, offsetof(struct whole, time) },
    { "real", FIELD_REAL, offsetof(struct whole, real) },
    { "word", FIELD_WORD, offsetof(struct whole, word), .words = colours },
    { "strings", FIELD_STRINGS, offsetof(struct whole, strings) },
    { "leaves", FIELD_LIST, offsetof(struct whole, leaves), leaf_fields, sizeof(struct leaf),
      offsetof(struct whole, leaves_count) },
    { "json", FIELD_JSON, offsetof(struct whole, json) },
    { 0 },
};

static json_t *parsed(const char *text) {
    json_t *json = NULL;
    assert_int_equal(json_parse(text, strlen(text), "the test", &json, NULL), 0);
    return json;
}

static void what_is_written_is_read(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"text\":\"\",\"word\":\"red\"}",
        "{\"text\":\"a \\\"b\\\" \\u00e4\\n\",\"flag\":true,\"integer\":-9223372036854775808,"
        "\"time\":9223372036854775807,\"real\":0.5,\"word\":\"blue\",\"strings\":[\"x\",\"\"],"
        "\"leaves\":[{\"name\":\"one\",\"number\":4294967295},{}],\"json\":{\"any\":[null,1,{\"thing\":true}]"
        "}}",
    };
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        struct whole whole = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *json = parsed(texts[i]);
        assert_int_equal(codec_decode(whole_fields, json, "it", &whole, &err), 0);
        _cleanup_json_ json_t *again = codec_encode(whole_fields, &whole);
        assert_true(json_equal(json, again));
        codec_free(whole_fields, &whole);
    }
}

static void zero_and_empty_members_are_left_out_and_come_back_as_zero(void **state) {
    (void)state;
    struct whole whole = { 0 };
    _cleanup_json_ json_t *json = codec_encode(whole_fields, &whole);
    _cleanup_free_ char *text = json_text(json);
    assert_string_equal(text, "{\"word\":\"red\"}");
    _cleanup_json_ json_t *nothing = json_object();
    assert_int_equal(codec_decode(whole_fields, nothing, "it", &whole, NULL), 0);
    static const struct whole zero;
    assert_memory_equal(&whole, &zero, sizeof(zero));
}

static void freeing_leaves_zeroes(void **state) {
    (void)state;
    struct whole whole = { 0 };
    _cleanup_json_ json_t *json =
        parsed("{\"text\":\"a\",\"strings\":[\"b\"],\"leaves\":[{\"name\":\"c\"}],\"json\":[]}");
    assert_int_equal(codec_decode(whole_fields, json, "it", &whole, NULL), 0);
    codec_free(whole_fields, &whole);
    assert_null(whole.text);
    assert_null(whole.strings);
    assert_null(whole.leaves);
    assert_null(whole.json);
    assert_int_equal(whole.leaves_count, 0);
    codec_free(whole_fields, &whole);
}

static void errors_name_their_place_and_leave_nothing_behind(void **state) {
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "[]", "it: expected an object" },
        { "\"text\"", "it: expected an object" },
        { "{\"text\":1}", "it.text: expected a string" },
        { "{\"text\":null}", "it.text: expected a string" },
        { "{\"flag\":\"true\"}", "it.flag: expected true or false" },
        { "{\"flag\":1}", "it.flag: expected true or false" },
        { "{\"integer\":1.0}", "it.integer: expected an integer" },
        { "{\"integer\":\"1\"}", "it.integer: expected an integer" },
        { "{\"time\":-1}", "it.time: expected a time in microseconds" },
        { "{\"real\":\"0.5\"}", "it.real: expected a number" },
        { "{\"word\":\"purple\"}", "it.word: expected one of red, green, blue" },
        { "{\"word\":1}", "it.word: expected one of red, green, blue" },
        { "{\"word\":null}", "it.word: expected one of red, green, blue" },
        { "{\"strings\":\"x\"}", "it.strings: expected a list of strings" },
        { "{\"strings\":[\"x\",1]}", "it.strings: expected a list of strings" },
        { "{\"leaves\":{}}", "it.leaves: expected a list" },
        { "{\"leaves\":[1]}", "it.leaves[0]: expected an object" },
        { "{\"leaves\":[{\"name\":\"a\"},{\"name\":[]}]}", "it.leaves[1].name: expected a string" },
        { "{\"leaves\":[{\"number\":-1}]}", "it.leaves[0].number: expected a number from 0 to 4294967295" },
        { "{\"leaves\":[{\"number\":4294967296}]}",
          "it.leaves[0].number: expected a number from 0 to 4294967295" },
        { "{\"leaves\":[{\"colour\":1}]}", "it.leaves[0].colour: this version does not know that member" },
        { "{\"text\":\"a\",\"strings\":[\"b\"],\"leaves\":[{\"name\":\"c\"}],\"json\":{},\"Text\":\"a\"}",
          "it.Text: this version does not know that member" },
    };
    static const struct whole zero;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct whole whole = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *json = json_loads(cases[i].text, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        assert_int_equal(codec_decode(whole_fields, json, "it", &whole, &err), -EBADMSG);
        assert_string_equal(error_text(&err), cases[i].expected);
        assert_null(whole.text);
        assert_null(whole.strings);
        assert_null(whole.leaves);
        assert_null(whole.json);
        assert_int_equal(whole.leaves_count, zero.leaves_count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(zero_and_empty_members_are_left_out_and_come_back_as_zero),
        cmocka_unit_test(freeing_leaves_zeroes),
        cmocka_unit_test(errors_name_their_place_and_leave_nothing_behind),
    };
    return RUN(tests);
}
