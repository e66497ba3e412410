/* A transaction in words: what a person finds who was woken up. */

#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/commands/summary.h"

/* As a command prints it, without colour. */
static char *printed(const json_t *transaction) {
    struct terminal terminal;
    int fd = memfd_create("summary", MFD_CLOEXEC);
    assert_true(fd >= 0);
    terminal_init(&terminal, fd);
    terminal.silent = false;
    summary_print(&terminal, transaction);
    terminal_done(&terminal);
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = xcalloc(1, (size_t)size + 1);
    assert_int_equal(pread(fd, text, (size_t)size, 0), size);
    close(fd);
    return text;
}

static json_t *transaction(const char *failed, const char *sentence, const char *evidence) {
    return json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]}", "app", "app",
                     "outcome", "rolled-back", "failed_probe", failed, "probes", "probe", "log", "result",
                     "fail", "sentence", sentence, "evidence", evidence, "probe", "rows", "result", "pass",
                     "sentence", "fine", "evidence", "not asked for");
}

static void what_the_failed_probe_saw_is_printed_line_by_line(void **state) {
    (void)state;
    _cleanup_json_ json_t *json =
        transaction("log", "the log has: canceled:", "canceled:\\n\\nno column\\n  at f");
    _cleanup_free_ char *text = printed(json);
    assert_non_null(strstr(text, "What \"log\" saw:\n  canceled:\n  no column\n    at f\n"));
    assert_null(strstr(text, "not asked for"));
}

static void a_long_one_is_cut(void **state) {
    (void)state;
    char evidence[2000] = "";
    for (size_t i = 0; i < 100; i++)
        strcat(evidence, i % 2 ? "\\n" : "üüüüüüü");
    _cleanup_json_ json_t *json = transaction("log", "no", evidence);
    _cleanup_free_ char *text = printed(json);
    size_t lines = 0;
    for (const char *at = strstr(text, "What"); at && *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 1 + 8);
}

static void what_the_sentence_says_is_not_said_twice(void **state) {
    (void)state;
    _cleanup_json_ json_t *json = transaction("log", "the log has: failed", "failed");
    _cleanup_json_ json_t *other = transaction("rows", "no", "not asked for");
    _cleanup_free_ char *text = printed(json), *more = printed(other);
    assert_null(strstr(text, "saw:"));
    assert_non_null(strstr(more, "What \"rows\" saw:\n  not asked for\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_failed_probe_saw_is_printed_line_by_line),
        cmocka_unit_test(a_long_one_is_cut),
        cmocka_unit_test(what_the_sentence_says_is_not_said_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
