/* What structured lines say. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/messages.h"
#include "watchdog/base/memory.h"

static int collect(void *userdata, const char *time, const char *text, size_t size) {
    assert_int_equal(strlen(text), size);
    strings_appendf(userdata, "%s|%s", time, text);
    return 0;
}

static void what_is_said_is_told_from_data(void **state) {
    (void)state;
    static const struct {
        const char *line, *expected;
        enum line_format format;
    } cases[] = {
        { "{\"level\": 50, \"msg\": \"boom\"}", "|boom", LINE_JSON },
        { "{\"message\": \"a\\nb\", \"error\": {\"message\": \"inner\"}}", "|a\nb,|inner", LINE_JSON },
        { "{\"message\": 3}", "", LINE_JSON },
        { "not {\"message\": \"json\"}", "" },
        { "{\"message\": ", "" },
        { "{\"msg\": \"request\", \"query\": \"P3018\", \"data\": {\"message\": \"migration failed\"}}",
          "|request", LINE_JSON },
        { "{\"level\": \"error\", \"err\": {\"type\": \"X\", \"stack\": \"X: boom\\n  at f\"}}",
          "|X: boom\n  at f", LINE_JSON },
        { "{\"exception\": {\"backtrace\": [\"one\", \"two\"], \"cause\": {\"message\": \"root\"}}}",
          "|one\ntwo,|root", LINE_JSON },
        { "{\"error\": {\"error\": {\"error\": {\"error\": {\"error\": {\"error\": {\"error\": "
          "\"deep\"}}}}}}}",
          "", LINE_JSON },
        { "time=2026-11-23T03:15:00Z level=error msg=\"migration \\\"7\\\" failed\" err=boom x=1",
          "|migration \"7\" failed,|boom", LINE_LOGFMT },
        { "ts=1 caller=a.go:1 level=info msg=ready", "|ready", LINE_LOGFMT },
        { "msg=alone", "" },
        { "level=error xmsg=\"no\"", "" },
        { "level=error msg=\"unended", "|unended", LINE_LOGFMT },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_strings_ char **messages = NULL;
        enum line_format format;
        line_messages(cases[i].line, strlen(cases[i].line), collect, &messages, &format);
        assert_int_equal(format, cases[i].format);
        _cleanup_free_ char *joined = strings_join(messages, ",");
        assert_string_equal(joined, cases[i].expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_told_from_data),
    };
    return RUN(tests);
}
