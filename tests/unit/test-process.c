/* Children: their output, their end, and their deadline. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/process.h"

static int run(const char *script, const char *input, usec_t time, struct process_result *result,
               struct error *err) {
    char *argv[] = { "sh", "-c", (char *)script, NULL };
    struct process process = {
        .argv = argv, .input = input, .deadline = deadline_in(time), .output_limit = 1000
    };
    return process_run(&process, result, err);
}

static void output_and_status_come_back(void **state) {
    (void)state;
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(
        run("cat; echo first >&2; echo last >&2; exit 3", "hello", 10 * USEC_PER_SEC, &result, &err), 3);
    assert_string_equal(result.output.text, "hello");
    assert_string_equal(err.text, "sh exited with 3: last");
}

static void the_group_is_killed_at_the_deadline(void **state) {
    (void)state;
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(run("echo begun; sleep 1000 & sleep 1000", NULL, 300 * USEC_PER_MSEC, &result, &err),
                     -ETIME);
    assert_string_equal(result.output.text, "begun\n");
}

static void a_flood_is_kept_within_its_bound(void **state) {
    (void)state;
    _cleanup_process_result_ struct process_result result = { 0 };
    assert_int_equal(
        run("head -c 5000000 /dev/zero | tr '\\0' x; head -c 5000000 /dev/zero | tr '\\0' y >&2; "
            "echo end >&2; exit 0",
            NULL, 60 * USEC_PER_SEC, &result, NULL),
        0);
    assert_int_equal(result.output.size, 1000);
    assert_true(result.errors.size <= 2000);
    assert_true(string_ends_with(result.errors.text, "yend\n"));
}

static void a_program_that_is_not_there_is_named(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    char *argv[] = { "no-such-program", NULL };
    struct process process = { .argv = argv, .deadline = deadline_in(USEC_PER_SEC) };
    assert_int_equal(process_run(&process, NULL, &err), -ENOENT);
    assert_non_null(strstr(err.text, "\"no-such-program\""));
}

static void a_child_in_the_background_is_polled_and_stopped(void **state) {
    (void)state;
    char *argv[] = { "sleep", "1000", NULL };
    struct process process = { .argv = argv, .deadline = USEC_INFINITY };
    struct process_child child;
    assert_int_equal(process_start(&process, &child, NULL), 0);
    assert_int_equal(process_poll(&child, NULL), 1);
    process_stop(&child, USEC_PER_SEC);
    assert_int_equal(child.pid, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_come_back),
        cmocka_unit_test(the_group_is_killed_at_the_deadline),
        cmocka_unit_test(a_flood_is_kept_within_its_bound),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(a_child_in_the_background_is_polled_and_stopped),
    };
    return RUN(tests);
}
