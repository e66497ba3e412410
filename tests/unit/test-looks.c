/* Probes that begin to fail are told once, by name. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/transaction/channel.h"
#include "watchdog/transaction/looks.h"

/* All that was told: "login fail answered 500" each. */
static char *told(int fd) {
    struct buffer text = { 0 };
    _cleanup_buffer_ struct buffer received = { 0 };
    for (;;) {
        _cleanup_json_ json_t *message = NULL;
        if (channel_receive(fd, &received, deadline_in(0), &message, NULL) < 0)
            return buffer_take(&text);
        const json_t *probe = json_get_object(message, "probe");
        assert_non_null(probe);
        buffer_printf(&text, "%s%s %s %s", text.size ? ", " : "", json_get_string(probe, "probe", ""),
                      json_get_string(probe, "result", ""), json_get_string(probe, "sentence", ""));
    }
}

static void a_probe_that_begins_to_fail_is_told_once(void **state) {
    (void)state;
    static const struct {
        enum probe_result first, second, progress;
        const char *told;
    } rounds[] = {
        { PROBE_PASS, PROBE_PASS, PROBE_UNKNOWN, "" },
        { PROBE_FAIL, PROBE_PASS, PROBE_PASS, "login fail saw" },
        { PROBE_FAIL, PROBE_UNKNOWN, PROBE_UNKNOWN, "rows unknown " },
        { PROBE_FAIL, PROBE_UNKNOWN, PROBE_FAIL, "" },
        { PROBE_UNKNOWN, PROBE_PASS, PROBE_FAIL, "login unknown saw" },
        { PROBE_PASS, PROBE_PASS, PROBE_FAIL, "" },
        { PROBE_FAIL, PROBE_FAIL, PROBE_FAIL, "login fail saw, rows fail " },
    };
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct context context = { .channel = pair[0] };
    struct looks looks = { 0 };
    struct probe_report reports[] = { { .probe = (char *)"login", .sentence = (char *)"saw" },
                                      { .probe = (char *)"rows" },
                                      { .probe = (char *)"Progress=", .progress = true } };
    const struct probe_round round = { .reports = reports, .count = ELEMENTS(reports) };
    for (size_t i = 0; i < ELEMENTS(rounds); i++) {
        reports[0].result = rounds[i].first;
        reports[1].result = rounds[i].second;
        reports[2].result = rounds[i].progress;
        looks_tell(&context, &looks, &round);
        _cleanup_free_ char *text = told(pair[1]);
        assert_string_equal(text, rounds[i].told);
    }
    free(looks.told);
    close(pair[0]);
    close(pair[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_probe_that_begins_to_fail_is_told_once),
    };
    return RUN(tests);
}
