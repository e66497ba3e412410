/* The state directory: locks, the open record, closed ones, known-bad releases, pins. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/state.h"

static int enter(void **state) {
    char *directory = xstrdup("/tmp/test-state.XXXXXX");
    *state = mkdtemp(directory);
    return *state ? 0 : -1;
}

static int leave(void **state) {
    _cleanup_free_ char *directory = *state;
    return durable_remove_tree(AT_FDCWD, directory, NULL);
}

static struct state *opened(void **state) {
    struct state *opened = NULL;
    assert_int_equal(state_open(*state, "app", true, &opened, NULL), 0);
    return opened;
}

static void an_application_without_state_has_none(void **state) {
    struct state *none = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(state_open(*state, "other", false, &none, &err), -ENOENT);
    assert_non_null(strstr(err.text, "other"));
}

static void a_state_directory_that_others_can_write_is_refused(void **state) {
    _cleanup_state_ struct state *first = opened(state), *second = NULL;
    assert_int_equal(chmod(first->directory, 0777), 0);
    assert_int_equal(state_open(*state, "app", false, &second, NULL), -EPERM);
    assert_int_equal(chmod(first->directory, 0700), 0);
}

static void a_living_run_is_named_and_not_waited_for(void **state) {
    _cleanup_state_ struct state *first = opened(state), *second = opened(state);
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(state_lock(first, deadline_in(USEC_PER_SEC), NULL), 0);
    usec_t begun = clock_boottime();
    assert_int_equal(state_lock(second, deadline_in(10 * USEC_PER_SEC), &err), -EBUSY);
    assert_true(clock_boottime() - begun < 5 * USEC_PER_SEC);
    _cleanup_free_ char *pid = xasprintf("process %d", getpid());
    assert_non_null(strstr(err.text, pid));
}

/* A run that has taken locks dies, and a child of it holds them for a moment longer. */
static void leave_locks_to_a_child(void **state, const char *project) {
    int ready[2], status;
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t run = fork();
    if (run == 0) {
        struct state *first = NULL;
        if (state_open(*state, "app", false, &first, NULL) < 0 ||
            (project ? state_lock_project(first, project, NULL)
                     : state_lock(first, deadline_in(USEC_PER_SEC), NULL)) < 0)
            _exit(1);
        if (fork() == 0) {
            usleep(400 * 1000);
            _exit(0);
        }
        _exit(write(ready[1], "x", 1) == 1 ? 0 : 1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    assert_int_equal(waitpid(run, &status, 0), run);
}

static void children_of_a_dead_run_are_waited_for(void **state) {
    _cleanup_state_ struct state *second = opened(state);
    leave_locks_to_a_child(state, NULL);
    assert_int_equal(state_lock(second, deadline_in(1), NULL), -EBUSY);
    assert_int_equal(state_lock(second, deadline_in(10 * USEC_PER_SEC), NULL), 0);
}

/* They let go of their locks one after another: the application's may be free while the project's is not. */
static void the_locks_of_the_host_are_waited_for_too(void **state) {
    _cleanup_state_ struct state *second = opened(state);
    leave_locks_to_a_child(state, "unit-test-of-locks");
    assert_int_equal(state_lock_project(second, "unit-test-of-locks", NULL), 0);
}

static void a_record_comes_back_and_is_closed_once(void **state) {
    _cleanup_state_ struct state *directory = opened(state);
    _cleanup_record_ struct record *record = record_new("app", KIND_UPGRADE), *again = NULL, *closed = NULL;
    record->phase = PHASE_FREEZE;
    record->cause = xstrdup("because");
    assert_int_equal(state_load(directory, &again, NULL), -ENOENT);
    assert_int_equal(state_save(directory, record, NULL), 0);
    assert_int_equal(state_load(directory, &again, NULL), 0);
    assert_string_equal(again->id, record->id);
    assert_int_equal(again->phase, PHASE_FREEZE);
    record->outcome = OUTCOME_ABORTED;
    assert_int_equal(state_close(directory, record, NULL), 0);
    assert_int_equal(state_close(directory, record, NULL), 0);
    record_free(take_ptr(again));
    assert_int_equal(state_load(directory, &again, NULL), -ENOENT);
    assert_int_equal(state_load_closed(directory, record->id, &closed, NULL), 0);
    assert_string_equal(closed->cause, "because");
    assert_int_equal(state_load_closed(directory, "../../etc", &again, NULL), -EINVAL);
}

static void a_damaged_record_is_an_error_that_names_the_file(void **state) {
    _cleanup_state_ struct state *directory = opened(state);
    _cleanup_record_ struct record *record = NULL;
    static const char *const damaged[] = {
        "", "{", "[]", "{\"id\": 1}", "{\"id\": \"x\", \"app\": \"y\", \"new\": 1}", "{\"app\": \"y\"}"
    };
    for (size_t i = 0; i < ELEMENTS(damaged); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *path = state_path(directory, "transaction.json");
        assert_int_equal(durable_write(AT_FDCWD, path, damaged[i], strlen(damaged[i]), 0600, NULL), 0);
        assert_int_equal(state_load(directory, &record, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "transaction.json"));
    }
}

/* A release of two services: "same" keeps its digest, "moves" has a candidate. */
static struct record *candidate(const char *server, const char *frontend) {
    struct record *record = record_new("app", KIND_UPGRADE);
    record->services = xcalloc(2, sizeof(*record->services));
    record->services_count = 2;
    const char *digests[] = { server, frontend };
    const char *names[] = { "server", "frontend" };
    for (size_t i = 0; i < 2; i++) {
        record->services[i].service = xstrdup(names[i]);
        record->services[i].digest = xstrdup("sha256:old");
        record->services[i].changes = digests[i] != NULL;
        record->services[i].candidate_digest = digests[i] ? xstrdup(digests[i]) : NULL;
    }
    return record;
}

static void a_release_is_bad_when_all_that_failed_is_in_it(void **state) {
    _cleanup_state_ struct state *directory = opened(state);
    _cleanup_record_ struct record *bad = candidate("sha256:a", "sha256:b");
    bad->cause = xstrdup("login failed");
    static const struct {
        const char *server, *frontend;
        int expected;
    } cases[] = {
        { "sha256:a", "sha256:b", 1 }, /* the very same */
        { "sha256:c", "sha256:b", 0 }, /* the server was mended */
        { "sha256:a", "sha256:d", 0 }, { NULL, "sha256:b", 0 }, { NULL, NULL, 0 },
    };
    assert_int_equal(state_add_bad(directory, bad, NULL), 0);
    assert_int_equal(state_add_bad(directory, bad, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_record_ struct record *record = candidate(cases[i].server, cases[i].frontend);
        _cleanup_free_ char *id = NULL, *reason = NULL;
        assert_int_equal(state_is_bad(directory, record, &id, &reason, NULL), cases[i].expected);
        if (cases[i].expected) {
            assert_string_equal(id, bad->id);
            assert_string_equal(reason, "login failed");
        }
    }
}

static void a_pin_of_ours_leads_back_to_what_the_user_wrote(void **state) {
    _cleanup_state_ struct state *directory = opened(state);
    _cleanup_free_ char *original = NULL;
    assert_int_equal(state_find_pin(directory, "server", "q/s:1@sha256:a", &original, NULL), 0);
    assert_int_equal(state_remember_pin(directory, "server", "q/s:1@sha256:a", "q/s:1", NULL), 0);
    assert_int_equal(state_find_pin(directory, "server", "q/s:1@sha256:b", &original, NULL), 0);
    assert_int_equal(state_find_pin(directory, "other", "q/s:1@sha256:a", &original, NULL), 0);
    assert_int_equal(state_find_pin(directory, "server", "q/s:1@sha256:a", &original, NULL), 1);
    assert_string_equal(original, "q/s:1");
}

static void so_many_runs_as_there_are_slots(void **state) {
    enum { SLOTS = 3 };
    struct state *runs[SLOTS + 1];
    _cleanup_error_ struct error err = ERROR_NONE;
    for (size_t i = 0; i < ELEMENTS(runs); i++)
        runs[i] = opened(state);
    for (size_t i = 0; i < SLOTS; i++)
        assert_int_equal(state_lock_slot(runs[i], SLOTS, NULL), 0);
    assert_int_equal(state_lock_slot(runs[0], SLOTS, NULL), 0); /* it has one */
    assert_int_equal(state_lock_slot(runs[SLOTS], SLOTS, &err), -EBUSY);
    assert_non_null(strstr(err.text, "process"));
    state_free(take_ptr(runs[1]));
    assert_int_equal(state_lock_slot(runs[SLOTS], SLOTS, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(runs); i++)
        state_free(runs[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_application_without_state_has_none, enter, leave),
        cmocka_unit_test_setup_teardown(a_state_directory_that_others_can_write_is_refused, enter, leave),
        cmocka_unit_test_setup_teardown(a_living_run_is_named_and_not_waited_for, enter, leave),
        cmocka_unit_test_setup_teardown(children_of_a_dead_run_are_waited_for, enter, leave),
        cmocka_unit_test_setup_teardown(the_locks_of_the_host_are_waited_for_too, enter, leave),
        cmocka_unit_test_setup_teardown(a_record_comes_back_and_is_closed_once, enter, leave),
        cmocka_unit_test_setup_teardown(a_damaged_record_is_an_error_that_names_the_file, enter, leave),
        cmocka_unit_test_setup_teardown(a_release_is_bad_when_all_that_failed_is_in_it, enter, leave),
        cmocka_unit_test_setup_teardown(so_many_runs_as_there_are_slots, enter, leave),
        cmocka_unit_test_setup_teardown(a_pin_of_ours_leads_back_to_what_the_user_wrote, enter, leave),
    };
    return RUN(tests);
}
