/* Lines of logs. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/lines.h"
#include "watchdog/base/memory.h"

static int collect(void *userdata, const char *time, const char *text, size_t size) {
    assert_int_equal(strlen(text), size);
    strings_appendf(userdata, "%s|%s", time, text);
    return 0;
}

struct marked {
    struct line_stream *stream;
    struct buffer *given;
};

static int collect_marked(void *userdata, const char *time, const char *text, size_t size) {
    const struct marked *marked = userdata;
    (void)time, (void)size;
    buffer_printf(marked->given, "%s%s%s", marked->given->size ? " " : "", marked->stream->again ? "!" : "",
                  text);
    return 0;
}

#define T1 "2026-11-23T03:15:00.000000001Z"
#define T2 "2026-11-23T03:15:00.000000002Z"

static void lines_come_out_whole_however_they_come_in(void **state) {
    (void)state;
    static const char log[] = T1 " one\n" T2 " two \x1b[1;31mred\x1b[0m\r\n" T2 " again\nwithout time\n";
    for (size_t piece = 1; piece < sizeof(log); piece++) {
        struct line_stream stream = { 0 };
        _cleanup_strings_ char **lines = NULL;
        for (size_t at = 0; at < sizeof(log) - 1; at += piece)
            lines_feed(&stream, log + at, piece < sizeof(log) - 1 - at ? piece : sizeof(log) - 1 - at,
                       collect, &lines);
        lines_end(&stream, collect, &lines);
        lines_done(&stream);
        _cleanup_free_ char *joined = strings_join(lines, "\n");
        assert_string_equal(joined, T1 "|one\n" T2 "|two red\n" T2 "|again\n|without time");
    }
}

static void times_are_of_one_zone(void **state) {
    (void)state;
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "2026-11-23T05:15:00.000000001+02:00 one\n", T1 "|one" },
        { "2026-11-22T21:15:00.000000002-06:00 two\n", T2 "|two" },
        { "2026-11-23 no time\n", "|2026-11-23 no time" },
        { "2026-11-23T05:15:00.000000001+99:00x one\n", "2026-11-23T05:15:00.000000001+99:00x|one" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct line_stream stream = { 0 };
        _cleanup_strings_ char **lines = NULL;
        lines_feed(&stream, cases[i].line, strlen(cases[i].line), collect, &lines);
        lines_done(&stream);
        assert_string_equal(lines[0], cases[i].expected);
    }
    char text[LOG_TIME_SIZE];
    usec_t realtime;
    assert_int_equal(timestamp_parse("2026-11-23T03:15:00.000123Z", &realtime), 0);
    line_time(realtime, text);
    assert_string_equal(text, "2026-11-23T03:15:00.000123000Z");
}

static void a_line_without_end_is_given_and_comes_again(void **state) {
    (void)state;
    struct line_stream stream = { 0 };
    _cleanup_strings_ char **lines = NULL;
    lines_feed(&stream, T1 " begun", strlen(T1 " begun"), collect, &lines);
    lines_end(&stream, collect, &lines);
    lines_feed(&stream, T1 " begun and ended\n", strlen(T1 " begun and ended\n"), collect, &lines);
    lines_done(&stream);
    _cleanup_free_ char *joined = strings_join(lines, "\n");
    assert_string_equal(joined, T1 "|begun\n" T1 "|begun and ended");
}

#define T0 "2026-11-23T03:14:00.000000000Z"

static void only_what_stands_behind_a_mark_is_given(void **state) {
    (void)state;
    static const struct {
        struct line_mark from, seen;
        const char *expected; /* '!' before what an earlier look had */
        bool found;
    } cases[] = {
        { { "", 0 }, { "", 0 }, "one two three four", false },
        { { T1, 1 }, { T1, 1 }, "two three four", true },
        /* journald gives lines of one microsecond the same time */
        { { T2, 1 }, { T2, 1 }, "three four", true },
        /* the clock was set back: what stands behind the last line is new all the same */
        { { T2, 2 }, { T2, 2 }, "four", true },
        { { T1, 1 }, { T2, 1 }, "!two three four", true },
        { { T0, 1 }, { T0, 1 }, "one two three four", false },
        { { T0, 0 }, { T0, 0 }, "one two three four", false },
    };
    static const char log[] = T1 " one\n" T2 " two\n" T2 " three\n" T0 " four\n";
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct line_stream stream = { 0 };
        struct buffer given = { 0 };
        lines_begin(&stream, &cases[i].from, &cases[i].seen);
        struct marked marked = { &stream, &given };
        assert_int_equal(lines_feed(&stream, log, sizeof(log) - 1, collect_marked, &marked), 0);
        assert_string_equal(given.text, cases[i].expected);
        assert_string_equal(stream.last.time, T0);
        assert_int_equal(stream.seen.found, cases[i].found);
        lines_done(&stream);
        buffer_done(&given);
    }
}

static void a_moment_is_reached_back_to_by_any_line_before_it(void **state) {
    (void)state;
    struct line_stream stream = { 0 };
    _cleanup_strings_ char **lines = NULL;
    lines_begin(&stream, &(struct line_mark){ .time = T2 }, NULL);
    lines_feed(&stream, T1 " one\n", strlen(T1 " one\n"), collect, &lines);
    assert_true(stream.from.found);
    assert_null(lines);
    lines_done(&stream);
}

static void an_endless_line_comes_in_pieces(void **state) {
    (void)state;
    struct line_stream stream = { 0 };
    _cleanup_strings_ char **lines = NULL;
    char block[1000];
    memset(block, 'x', sizeof(block));
    lines_feed(&stream, T1 " ", strlen(T1 " "), collect, &lines);
    for (int i = 0; i < 1000; i++)
        lines_feed(&stream, block, sizeof(block), collect, &lines);
    assert_true(stream.line.capacity <= 4 * LINE_LIMIT);
    lines_feed(&stream, "end\n" T2 " next\n", strlen("end\n" T2 " next\n"), collect, &lines);
    size_t count = strings_count(lines), total = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        assert_true(string_starts_with(lines[i], T1 "|"));
        total += strlen(lines[i]) - strlen(T1 "|");
    }
    assert_int_equal(total, 1000 * sizeof(block) + 3);
    assert_string_equal(lines[count - 1], T2 "|next");
    lines_done(&stream);
}

static void the_times_that_docker_puts_into_a_long_line_are_taken_out(void **state) {
    (void)state;
    struct line_stream stream = { 0 };
    _cleanup_strings_ char **lines = NULL;
    _cleanup_free_ char *piece = xcalloc(1, 16 * 1024 + 1);
    memset(piece, 'x', 16 * 1024);
    _cleanup_free_ char *log = xasprintf(T1 " %s" T1 " %s" T1 " end\n", piece, piece);
    lines_feed(&stream, log, strlen(log), collect, &lines);
    _cleanup_free_ char *expected = xasprintf(T1 "|%s%send", piece, piece);
    assert_string_equal(lines[0], expected);
    lines_done(&stream);
}

static void escape_sequences_are_stripped(void **state) {
    (void)state;
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "\x1b[32minfo\x1b[39m: ok", "info: ok" },
        { "\x1b]0;title\aError", "Error" },
        { "\x1b]8;;http://x\x1b\\link", "link" },
        { "plain\r", "plain" },
        { "cut \x1b[", "cut " },
        { "cut \x1b", "cut " },
        { "\x1b(Bcharset", "Bcharset" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *line = xstrdup(cases[i].line);
        line_strip(line, strlen(line));
        assert_string_equal(line, cases[i].expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_they_come_in),
        cmocka_unit_test(times_are_of_one_zone),
        cmocka_unit_test(a_line_without_end_is_given_and_comes_again),
        cmocka_unit_test(only_what_stands_behind_a_mark_is_given),
        cmocka_unit_test(a_moment_is_reached_back_to_by_any_line_before_it),
        cmocka_unit_test(an_endless_line_comes_in_pieces),
        cmocka_unit_test(the_times_that_docker_puts_into_a_long_line_are_taken_out),
        cmocka_unit_test(escape_sequences_are_stripped),
    };
    return RUN(tests);
}
