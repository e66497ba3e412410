/* The multiplexed stream: whatever the portions in which it comes, the same pieces come out. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/frames.h"

static const char stream[] = "\x01\0\0\0\0\0\0\x05hello"
                             "\x02\0\0\0\0\0\0\x03"
                             "err"
                             "\x01\0\0\0\0\0\0\0"
                             "\x01\0\0\0\0\0\0\x01!"
                             "\x03\0\0\0\0\0\0\x02no";

struct seen {
    struct buffer streams[4];
    int failure;
};

static int see(void *userdata, enum frame_stream which, const char *data, size_t size) {
    struct seen *seen = userdata;
    assert_true(size > 0);
    buffer_append(&seen->streams[which], data, size);
    return seen->failure;
}

static void expect(struct seen *seen) {
    assert_string_equal(seen->streams[FRAME_OUTPUT].text, "hello!");
    assert_string_equal(seen->streams[FRAME_ERRORS].text, "err");
    assert_string_equal(seen->streams[FRAME_DAEMON].text, "no");
    for (size_t i = 0; i < 4; i++)
        buffer_done(&seen->streams[i]);
}

static void every_two_split_points_give_the_same_streams(void **state) {
    (void)state;
    size_t size = sizeof(stream) - 1;
    for (size_t first = 0; first <= size; first++)
        for (size_t second = first; second <= size; second++) {
            struct frames frames = { 0 };
            struct seen seen = { 0 };
            assert_int_equal(frames_feed(&frames, stream, first, see, &seen), 0);
            assert_int_equal(frames_feed(&frames, stream + first, second - first, see, &seen), 0);
            assert_int_equal(frames_feed(&frames, stream + second, size - second, see, &seen), 0);
            assert_true(frames_whole(&frames));
            expect(&seen);
        }
}

static void byte_by_byte_gives_the_same_streams(void **state) {
    (void)state;
    struct frames frames = { 0 };
    struct seen seen = { 0 };
    for (size_t i = 0; i < sizeof(stream) - 1; i++)
        assert_int_equal(frames_feed(&frames, stream + i, 1, see, &seen), 0);
    expect(&seen);
}

static void an_end_inside_a_frame_is_seen(void **state) {
    (void)state;
    static const struct {
        size_t size;
        bool whole;
    } cases[] = { { 0, true },   { 1, false }, { 7, false }, { 8, false },
                  { 12, false }, { 13, true }, { 14, false } };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct frames frames = { 0 };
        struct seen seen = { 0 };
        assert_int_equal(frames_feed(&frames, stream, cases[i].size, see, &seen), 0);
        assert_int_equal(frames_whole(&frames), cases[i].whole);
        for (size_t k = 0; k < 4; k++)
            buffer_done(&seen.streams[k]);
    }
}

static void what_is_no_frame_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = { "\x04\0\0\0\0\0\0\1x", "\1\1\0\0\0\0\0\1x", "\1\0\1\0\0\0\0\1x",
                                         "\1\0\0\1\0\0\0\1x", "2026-11-23T03:15:00Z" };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct frames frames = { 0 };
        struct seen seen = { 0 };
        assert_int_equal(frames_feed(&frames, cases[i], 9, see, &seen), -EBADMSG);
    }
}

static void a_frame_of_the_largest_size_is_not_kept_in_memory(void **state) {
    (void)state;
    struct frames frames = { 0 };
    struct seen seen = { 0 };
    assert_int_equal(frames_feed(&frames,
                                 "\1\0\0\0\xff\xff\xff\xff"
                                 "abc",
                                 11, see, &seen),
                     0);
    assert_int_equal(frames.left, 0xfffffffcU);
    buffer_done(&seen.streams[FRAME_OUTPUT]);
}

static void the_receiver_can_give_up(void **state) {
    (void)state;
    struct frames frames = { 0 };
    struct seen seen = { .failure = -ENOSPC };
    assert_int_equal(frames_feed(&frames, stream, sizeof(stream) - 1, see, &seen), -ENOSPC);
    assert_string_equal(seen.streams[FRAME_OUTPUT].text, "hello");
    buffer_done(&seen.streams[FRAME_OUTPUT]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_two_split_points_give_the_same_streams),
        cmocka_unit_test(byte_by_byte_gives_the_same_streams),
        cmocka_unit_test(an_end_inside_a_frame_is_seen),
        cmocka_unit_test(what_is_no_frame_is_refused),
        cmocka_unit_test(a_frame_of_the_largest_size_is_not_kept_in_memory),
        cmocka_unit_test(the_receiver_can_give_up),
    };
    return RUN(tests);
}
