/* What a person asked the unit for. */

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/request.h"

#define APP "unit-test-of-requests"
#define PATH STATE_LOCK_DIRECTORY "/request-" APP ".json"

static bool is_there(void) {
    return access(PATH, F_OK) == 0;
}

static int leave(void **state) {
    (void)state;
    return request_remove(APP, NULL) < 0 ? -1 : 0;
}

static void a_request_comes_back_until_it_is_removed(void **state) {
    (void)state;
    static const struct request cases[] = {
        { REQUEST_UPGRADE },
        { REQUEST_UPGRADE, .again = true },
        { REQUEST_ROLLBACK, .id = (char *)"20261123T031500Z-1f3a" },
        { REQUEST_RECOVER },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_request_ struct request read = { 0 }, again = { 0 }, gone = { 0 };
        struct stat status;
        assert_int_equal(request_write(APP, &cases[i], NULL), 0);
        assert_int_equal(stat(PATH, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_int_equal(request_read(APP, &read, NULL), 1);
        assert_int_equal(read.kind, cases[i].kind);
        assert_true(string_equal(read.id, cases[i].id));
        assert_int_equal(read.again, cases[i].again);
        assert_int_equal(request_read(APP, &again, NULL), 1);
        assert_int_equal(request_remove(APP, NULL), 1);
        assert_int_equal(request_remove(APP, NULL), 0);
        assert_int_equal(request_read(APP, &gone, NULL), 0);
        assert_int_equal(gone.kind, REQUEST_NONE);
    }
}

static void an_old_request_is_void_but_for_recovery(void **state) {
    (void)state;
    const usec_t now = clock_boottime();
    const struct {
        int kind;
        usec_t asked;
        int expected;
    } cases[] = {
        { REQUEST_UPGRADE, now - USEC_PER_SEC, 1 },
        { REQUEST_UPGRADE, now - REQUEST_TIME - USEC_PER_MINUTE, 0 },
        { REQUEST_ROLLBACK, now - REQUEST_TIME - USEC_PER_MINUTE, 0 },
        { REQUEST_ROLLBACK, now + USEC_PER_MINUTE, 0 }, /* of no boot that is known */
        { REQUEST_RECOVER, now - REQUEST_TIME - USEC_PER_MINUTE, 1 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_request_ struct request read = { 0 };
        const struct request written = { cases[i].kind, .asked = cases[i].asked };
        assert_int_equal(request_write(APP, &written, NULL), 0);
        assert_int_equal(request_read(APP, &read, NULL), cases[i].expected);
        assert_int_equal(is_there(), cases[i].expected);
    }
}

static void what_is_no_request_is_an_error_and_stays(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"command\": \"none\", \"asked\": 1}",
        "{\"command\": \"rollback\", \"asked\": \"yesterday\"}",
        "{\"command\": \"upgr",
    };
    assert_int_equal(durable_mkdir(STATE_LOCK_DIRECTORY, 0700, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_request_ struct request read = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(durable_write(AT_FDCWD, PATH, texts[i], strlen(texts[i]), 0600, NULL), 0);
        assert_true(request_read(APP, &read, &err) < 0);
        assert_non_null(strstr(err.text, PATH));
        assert_true(is_there());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_request_comes_back_until_it_is_removed, leave),
        cmocka_unit_test_teardown(an_old_request_is_void_but_for_recovery, leave),
        cmocka_unit_test_teardown(what_is_no_request_is_an_error_and_stays, leave),
    };
    return RUN(tests);
}
