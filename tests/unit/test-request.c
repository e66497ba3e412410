/* What a person asked the unit for. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/request.h"

static int enter(void **state) {
    char *directory = xstrdup("/tmp/test-request.XXXXXX");
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

static bool is_there(const struct state *state) {
    _cleanup_free_ char *path = state_path(state, "request.json");
    return access(path, F_OK) == 0;
}

static void a_request_comes_back_until_it_is_removed(void **state) {
    static const struct request cases[] = {
        { REQUEST_UPGRADE },
        { REQUEST_UPGRADE, .again = true },
        { REQUEST_ROLLBACK, .id = (char *)"20261123T031500Z-1f3a" },
        { REQUEST_RECOVER },
    };
    _cleanup_state_ struct state *directory = opened(state);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_request_ struct request read = { 0 }, again = { 0 }, gone = { 0 };
        struct stat status;
        _cleanup_free_ char *path = state_path(directory, "request.json");
        assert_int_equal(request_write(directory, &cases[i], NULL), 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_int_equal(request_read(directory, &read, NULL), 1);
        assert_int_equal(read.kind, cases[i].kind);
        assert_true(string_equal(read.id, cases[i].id));
        assert_int_equal(read.again, cases[i].again);
        assert_int_equal(request_read(directory, &again, NULL), 1);
        assert_int_equal(request_remove(directory, NULL), 1);
        assert_int_equal(request_read(directory, &gone, NULL), 0);
        assert_int_equal(gone.kind, REQUEST_NONE);
    }
}

static void an_old_request_is_void_and_goes(void **state) {
    const usec_t now = clock_realtime();
    const usec_t up = clock_boottime();
    const struct {
        usec_t asked, asked_boottime;
        int expected;
    } cases[] = {
        { now - REQUEST_TIME + USEC_PER_MINUTE, up, 1 },
        { now - REQUEST_TIME - USEC_PER_MINUTE, up, 0 },
        { now + USEC_PER_MINUTE, up, 0 }, /* the clock was set back */
        { now, up - USEC_PER_SEC, 1 },
        { now, up + USEC_PER_MINUTE, 0 }, /* of an earlier boot */
    };
    _cleanup_state_ struct state *directory = opened(state);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_request_ struct request read = { 0 };
        const struct request written = { REQUEST_ROLLBACK, .asked = cases[i].asked,
                                         .asked_boottime = cases[i].asked_boottime };
        assert_int_equal(request_write(directory, &written, NULL), 0);
        assert_int_equal(request_read(directory, &read, NULL), cases[i].expected);
        assert_int_equal(is_there(directory), cases[i].expected);
    }
}

static void what_is_no_request_is_an_error_and_stays(void **state) {
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"command\": \"none\", \"asked\": \"2026-11-23T03:15:00Z\"}",
        "{\"command\": \"rollback\", \"asked\": \"yesterday\"}",
        "{\"command\": \"upgr",
    };
    _cleanup_state_ struct state *directory = opened(state);
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_request_ struct request read = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *path = state_path(directory, "request.json");
        assert_int_equal(durable_write(AT_FDCWD, path, texts[i], strlen(texts[i]), 0600, NULL), 0);
        assert_true(request_read(directory, &read, &err) < 0);
        assert_non_null(strstr(err.text, "request.json"));
        assert_true(is_there(directory));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_comes_back_until_it_is_removed, enter, leave),
        cmocka_unit_test_setup_teardown(an_old_request_is_void_and_goes, enter, leave),
        cmocka_unit_test_setup_teardown(what_is_no_request_is_an_error_and_stays, enter, leave),
    };
    return RUN(tests);
}
