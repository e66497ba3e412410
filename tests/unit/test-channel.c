/* Messages between worker and supervisor, in whatever pieces they come. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/transaction/channel.h"

static void messages_arrive_whole_and_in_order(void **state) {
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    _cleanup_buffer_ struct buffer received = { 0 };
    for (int i = 0; i < 100; i++) {
        _cleanup_json_ json_t *message = json_pack("{s:i}", "number", i);
        assert_int_equal(channel_send(pair[0], message, deadline_in(USEC_PER_SEC), NULL), 0);
    }
    for (int i = 0; i < 100; i++) {
        _cleanup_json_ json_t *message = NULL;
        assert_int_equal(channel_receive(pair[1], &received, deadline_in(USEC_PER_SEC), &message, NULL), 0);
        assert_int_equal(json_get_integer(message, "number", -1), i);
    }
    json_t *none = NULL;
    assert_int_equal(channel_receive(pair[1], &received, deadline_in(USEC_PER_MSEC), &none, NULL), -ETIME);
    close(pair[0]);
    assert_int_equal(channel_receive(pair[1], &received, deadline_in(USEC_PER_SEC), &none, NULL), -EPIPE);
    close(pair[1]);
}

static void a_message_that_comes_byte_by_byte_is_awaited(void **state) {
    (void)state;
    static const char message[] = "\x09\0\0\0{\"a\":[1]}";
    _cleanup_buffer_ struct buffer received = { 0 };
    json_t *value = NULL;
    for (size_t i = 0; i + 1 < sizeof(message) - 1; i++) {
        buffer_append(&received, message + i, 1);
        assert_int_equal(channel_next(&received, &value, NULL), 0);
    }
    buffer_append(&received, message + sizeof(message) - 2, 1);
    assert_int_equal(channel_next(&received, &value, NULL), 1);
    assert_int_equal(received.size, 0);
    json_decref(value);
}

static void babble_is_an_error(void **state) {
    (void)state;
    json_t *value = NULL;
    _cleanup_buffer_ struct buffer received = { 0 }, long_one = { 0 };
    buffer_append(&received, "\x03\0\0\0abc", 7);
    assert_int_equal(channel_next(&received, &value, NULL), -EBADMSG);
    buffer_append(&long_one, "\xff\xff\xff\xff", 4);
    assert_int_equal(channel_next(&long_one, &value, NULL), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_whole_and_in_order),
        cmocka_unit_test(a_message_that_comes_byte_by_byte_is_awaited),
        cmocka_unit_test(babble_is_an_error),
    };
    return RUN(tests);
}
