/* PostgreSQL's programs on this host: what goes in, what comes out, and how it ends. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/database/programs-host.h"

#define SOON deadline_in(20 * USEC_PER_SEC)

struct flow {
    size_t given, wanted; /* bytes of input */
    struct buffer taken;
    size_t limit;    /* more than so much is not taken; 0: all is */
    int input_fails; /* -errno */
};

static int give(void *userdata, char *data, size_t size) {
    struct flow *flow = userdata;
    if (flow->input_fails)
        return flow->input_fails;
    size_t left = flow->wanted - flow->given;
    size = size < left ? size : left;
    for (size_t i = 0; i < size; i++)
        data[i] = (char)('a' + (flow->given + i) % 23);
    flow->given += size;
    return (int)size;
}

static int take(void *userdata, const char *data, size_t size) {
    struct flow *flow = userdata;
    if (flow->limit && flow->taken.size + size > flow->limit)
        return -ENOSPC;
    buffer_append(&flow->taken, data, size);
    return 0;
}

static int run(const char *script, struct flow *flow, bool with_input, usec_t deadline, int *ret_exit,
               char **ret_errors, struct error *err) {
    char *argv[] = { "sh", "-c", (char *)script, NULL };
    char *environment[] = { "PGAPPNAME=ours", NULL };
    const struct program_call call = { .argv = argv,
                                       .environment = environment,
                                       .on_input = with_input ? give : NULL,
                                       .on_output = take,
                                       .userdata = flow,
                                       .deadline = deadline };
    return programs_run_on_host(NULL, &call, ret_exit, ret_errors, err);
}

static void what_goes_in_comes_out_whatever_its_size(void **state) {
    (void)state;
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 5000000 };
    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        struct flow flow = { .wanted = sizes[i] };
        _cleanup_free_ char *errors = NULL;
        int code = -1;
        assert_int_equal(run("cat; echo done >&2; exit 3", &flow, true, SOON, &code, &errors, NULL), 0);
        assert_int_equal(code, 3);
        assert_string_equal(errors, "done\n");
        assert_int_equal(flow.taken.size, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            if (flow.taken.text[k] != (char)('a' + k % 23))
                fail_msg("byte %zu of %zu is another", k, sizes[i]);
        buffer_done(&flow.taken);
    }
}

static void a_program_that_reads_nothing_is_judged_by_its_exit(void **state) {
    (void)state;
    struct flow flow = { .wanted = 50000000 };
    int code = -1;
    assert_int_equal(run("exit 7", &flow, true, SOON, &code, NULL, NULL), 0);
    assert_int_equal(code, 7);
    assert_int_equal(run("kill -9 $$", &flow, true, SOON, &code, NULL, NULL), 0);
    assert_int_equal(code, 128 + SIGKILL);
}

/* A full disk in the middle of a dump: the rest is not waited for. */
static void what_is_not_taken_ends_the_program(void **state) {
    (void)state;
    struct flow flow = { .limit = 100000 };
    _cleanup_error_ struct error err = ERROR_NONE;
    int code = -1;
    assert_int_equal(run("while :; do echo 0123456789; done", &flow, false, SOON, &code, NULL, &err),
                     -ENOSPC);
    assert_non_null(strstr(error_text(&err), "was not taken: No space left on device"));
    buffer_done(&flow.taken);
    struct flow broken = { .input_fails = -EIO };
    assert_int_equal(run("cat; sleep 60", &broken, true, SOON, &code, NULL, NULL), -EIO);
}

static void the_deadline_ends_it_and_what_it_started(void **state) {
    (void)state;
    struct flow flow = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    int code = -1;
    assert_int_equal(
        run("sleep 60 & echo $!; wait", &flow, false, deadline_in(300 * USEC_PER_MSEC), &code, NULL, &err),
        -ETIME);
    pid_t child = (pid_t)strtol(flow.taken.text, NULL, 10);
    usec_t soon = deadline_in(5 * USEC_PER_SEC);
    while (kill(child, 0) == 0 && deadline_sleep(soon, USEC_PER_MSEC))
        ;
    assert_int_equal(kill(child, 0), -1);
    buffer_done(&flow.taken);
}

static void our_own_postgresql_variables_are_not_handed_on(void **state) {
    (void)state;
    struct flow flow = { 0 };
    int code = -1;
    setenv("PGSERVICE", "elsewhere", 1);
    setenv("PLAIN", "stays", 1);
    assert_int_equal(run("echo $PGSERVICE,$PGAPPNAME,$PLAIN", &flow, false, SOON, &code, NULL, NULL), 0);
    unsetenv("PGSERVICE");
    assert_string_equal(flow.taken.text, ",ours,stays\n");
    buffer_done(&flow.taken);
}

static void a_program_that_is_not_there_is_named(void **state) {
    (void)state;
    char *argv[] = { "/nonexistent/pg_dump", NULL };
    const struct program_call call = { .argv = argv, .deadline = SOON };
    _cleanup_error_ struct error err = ERROR_NONE;
    int code = -1;
    assert_int_equal(programs_run_on_host(NULL, &call, &code, NULL, &err), -ENOENT);
    assert_non_null(strstr(error_text(&err), "/nonexistent/pg_dump"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_whatever_its_size),
        cmocka_unit_test(a_program_that_reads_nothing_is_judged_by_its_exit),
        cmocka_unit_test(what_is_not_taken_ends_the_program),
        cmocka_unit_test(the_deadline_ends_it_and_what_it_started),
        cmocka_unit_test(our_own_postgresql_variables_are_not_handed_on),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
    };
    return RUN(tests);
}
