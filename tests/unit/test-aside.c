/* A child for what may hang or crash: its words arrive, its end is told from its output. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "watchdog/base/aside.h"
#include "watchdog/base/durable.h"

static int speak(int fd, void *userdata) {
    const char *text = userdata;
    write_all(fd, text, strlen(text));
    return 0;
}

static int speak_and_fail(int fd, void *userdata) {
    speak(fd, userdata);
    return 3;
}

static int speak_and_crash(int fd, void *userdata) {
    speak(fd, userdata);
    raise(SIGKILL); /* one that no sanitizer catches */
    return 0;
}

static int speak_and_hang(int fd, void *userdata) {
    speak(fd, userdata);
    pause();
    return 0;
}

static int close_and_hang(int fd, void *userdata) {
    speak(fd, userdata);
    close(fd);
    pause();
    return 0;
}

static int flood(int fd, void *userdata) {
    (void)userdata;
    char zeros[65536] = "";
    while (write_all(fd, zeros, sizeof(zeros)) == 0)
        ;
    return 0;
}

static void what_it_says_arrives_however_it_ends(void **state) {
    (void)state;
    static const struct {
        int (*function)(int fd, void *userdata);
        usec_t time;
        int result;
    } cases[] = {
        { speak, 20 * USEC_PER_SEC, 0 },
        { speak_and_fail, 20 * USEC_PER_SEC, 3 },
        { speak_and_crash, 20 * USEC_PER_SEC, -EPROTO },
        { speak_and_hang, 300 * USEC_PER_MSEC, -ETIME },
        { close_and_hang, 300 * USEC_PER_MSEC, -ETIME },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_buffer_ struct buffer output = { 0 };
        _cleanup_error_ struct error err = ERROR_NONE;
        struct aside child;
        assert_int_equal(aside_start(cases[i].function, (void *)"hello", &child, &err), 0);
        pid_t pid = child.pid;
        assert_int_equal(aside_finish(&child, deadline_in(cases[i].time), 100, &output, &err),
                         cases[i].result);
        assert_string_equal(output.text, "hello");
        assert_int_equal(err.number != 0, cases[i].result != 0);
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(child.fd, -1);
    }
}

static void a_flood_is_ended_at_its_bound(void **state) {
    (void)state;
    _cleanup_buffer_ struct buffer output = { 0 };
    struct aside child;
    assert_int_equal(aside_start(flood, NULL, &child, NULL), 0);
    assert_int_equal(aside_finish(&child, deadline_in(20 * USEC_PER_SEC), 100000, &output, NULL), -EFBIG);
    assert_true(output.size <= 100000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_arrives_however_it_ends),
        cmocka_unit_test(a_flood_is_ended_at_its_bound),
    };
    return RUN(tests);
}
