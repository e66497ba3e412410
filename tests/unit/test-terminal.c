/* What a person sees, on a terminal (a real pty) and elsewhere. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "watchdog/commands/table.h"
#include "watchdog/commands/terminal.h"

static void sizes_are_shown_as_docker_shows_them(void **state) {
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *expected;
    } cases[] = {
        { 0, "0 B" },
        { 999, "999 B" },
        { 1000, "1.0 kB" },
        { 1349, "1.3 kB" },
        { 9949, "9.9 kB" },
        { 9950, "10 kB" },
        { 999499, "999 kB" },
        { 999500, "1.0 MB" },
        { 1300000000, "1.3 GB" },
        { UINT64_MAX, "18 EB" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char text[BYTES_SIZE];
        assert_string_equal(bytes_format(text, cases[i].bytes), cases[i].expected);
    }
}

static void widths_are_columns_and_not_bytes(void **state) {
    (void)state;
    assert_int_equal(terminal_width("caddy"), 5);
    assert_int_equal(terminal_width("Zürich"), 6);
    assert_int_equal(terminal_width("数据"), 4);
    assert_int_equal(terminal_width("e\xCC\x81"), 1);
    assert_int_equal(terminal_width("\xFF"), 1);
}

static void the_progress_line_fits_the_terminal(void **state) {
    (void)state;
    char phase[] = "backup", what[] = "dump of Zürich";
    const struct terminal terminal = {
        .phase = phase, .what = what, .begun = 1000, .bytes = 182000000, .total = 1300000000, .rate = 45000000
    };
    static const struct {
        size_t width;
        usec_t elapsed;
        const char *expected;
    } cases[] = {
        { 80, 12 * USEC_PER_SEC, "backup     0:12  dump of Zürich  182 MB of 1.3 GB  45 MB/s" },
        { 59, 3723 * USEC_PER_SEC, "backup     1:02:03  dump of Zürich  182 MB of 1.3 GB  45 M…" },
        { 26, 12 * USEC_PER_SEC, "backup     0:12  dump of …" },
        { 1, 0, "…" },
        { 0, 0, "" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *text =
            terminal_progress_text(&terminal, 1000 + cases[i].elapsed, cases[i].width);
        assert_string_equal(text, cases[i].expected);
        assert_true(terminal_width(text) <= cases[i].width);
    }
}

static char *read_there(int fd) {
    struct buffer got = { 0 };
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    char block[4096];
    ssize_t size;
    while (poll(&ready, 1, 100) == 1 && (size = read(fd, block, sizeof(block))) > 0)
        buffer_append(&got, block, (size_t)size);
    return buffer_take(&got);
}

static void run_a_phase(struct terminal *terminal) {
    terminal_phase(terminal, "backup");
    if (terminal->drawn_at) /* whatever else the machine is busy with: just drawn, just begun */
        terminal->drawn_at = clock_boottime();
    terminal_progress(terminal, "dump", 5, 10);
    terminal_tell(terminal, TONE_UNSURE, "a \x1B[2J%s", "warning");
    terminal->begun = clock_boottime();
    terminal_phase_done(terminal, false, "no\nroom");
}

static void elsewhere_there_are_plain_lines(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    setenv("TERM", "xterm", 1);
    struct terminal terminal;
    terminal_init(&terminal, ends[1]);
    run_a_phase(&terminal);
    terminal_done(&terminal);
    _cleanup_free_ char *got = read_there(ends[0]);
    assert_string_equal(got, "backup\na \\x1b[2Jwarning\nbackup     failed after 0ms  no\\nroom\n");
    close(ends[0]);
    close(ends[1]);
}

static void on_a_terminal_the_line_is_redrawn_and_colour_is_the_users_choice(void **state) {
    (void)state;
    static const struct {
        const char *term, *no_colour;
        const char *expected;
    } cases[] = {
        { "xterm", NULL,
          "\r\x1B[Kbackup     0:00\r\x1B[K\x1B[33ma \\x1b[2Jwarning\x1B[0m\r\n"
          "\r\x1B[Kbackup     0:00  dump  5 B of 10 B\r\x1B[K"
          "\x1B[31mbackup     failed after 0ms  no\\nroom\x1B[0m\r\n" },
        { "xterm", "1",
          "\r\x1B[Kbackup     0:00\r\x1B[Ka \\x1b[2Jwarning\r\n"
          "\r\x1B[Kbackup     0:00  dump  5 B of 10 B\r\x1B[K"
          "backup     failed after 0ms  no\\nroom\r\n" },
        { "dumb", NULL, "backup\r\na \\x1b[2Jwarning\r\nbackup     failed after 0ms  no\\nroom\r\n" },
        { "", NULL, "backup\r\na \\x1b[2Jwarning\r\nbackup     failed after 0ms  no\\nroom\r\n" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        int outer, inner;
        const struct winsize size = { .ws_col = 60, .ws_row = 20 };
        assert_int_equal(openpty(&outer, &inner, NULL, NULL, &size), 0);
        setenv("TERM", cases[i].term, 1);
        if (cases[i].no_colour)
            setenv("NO_COLOR", cases[i].no_colour, 1);
        else
            unsetenv("NO_COLOR");
        struct terminal terminal;
        terminal_init(&terminal, inner);
        run_a_phase(&terminal);
        terminal_done(&terminal);
        _cleanup_free_ char *got = read_there(outer);
        assert_string_equal(got, cases[i].expected);
        close(outer);
        close(inner);
    }
}

static void a_reader_that_does_not_read_is_not_waited_for(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct terminal terminal;
    terminal_init(&terminal, ends[1]);
    usec_t begun = clock_boottime();
    for (unsigned i = 0; i < 3000; i++) /* a pipe holds 64 KiB */
        terminal_tell(&terminal, TONE_PLAIN, "%u: a line that is some fifty bytes long, and goes on", i);
    assert_true(clock_boottime() - begun < 5 * USEC_PER_SEC);
    assert_true(terminal.stuck);
    free(read_there(ends[0]));
    terminal_tell(&terminal, TONE_PLAIN, "again");
    _cleanup_free_ char *again = read_there(ends[0]);
    assert_string_equal(again, "again\n");
    terminal_done(&terminal);
    close(ends[0]);
    close(ends[1]);
}

static void under_systemd_the_journal_says_it(void **state) {
    (void)state;
    int ends[2];
    struct stat status;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fstat(ends[1], &status), 0);
    _cleanup_free_ char *stream =
        xasprintf("%llu:%llu", (unsigned long long)status.st_dev, (unsigned long long)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    struct terminal terminal;
    terminal_init(&terminal, ends[1]);
    unsetenv("JOURNAL_STREAM");
    run_a_phase(&terminal);
    terminal_print(&terminal, TONE_PLAIN, "result");
    terminal_done(&terminal);
    _cleanup_free_ char *got = read_there(ends[0]);
    assert_string_equal(got, "result\n");
    close(ends[0]);
    close(ends[1]);
}

static void only_warnings_of_the_journal_are_repeated(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct terminal terminal;
    terminal_init(&terminal, ends[1]);
    terminal_plain(&terminal, LOG_INFO, "a phase");
    terminal_plain(&terminal, LOG_WARNING, "a warning");
    terminal_done(&terminal);
    _cleanup_free_ char *got = read_there(ends[0]);
    assert_string_equal(got, "a warning\n");
    close(ends[0]);
    close(ends[1]);
}

static void tables_are_aligned_by_columns(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct terminal terminal;
    terminal_init(&terminal, ends[1]);
    static const char *const headers[] = { "SERVICE", ">SIZE", "NOTE", NULL };
    _cleanup_table_ struct table table;
    table_init(&table, headers);
    table_print(&table, &terminal); /* nothing yet */
    table_cell(&table, TONE_PLAIN, "Zürich");
    table_cell(&table, TONE_PLAIN, "%d", 7);
    table_cell(&table, TONE_BAD, "one\nline");
    table_cell(&table, TONE_PLAIN, "qaid-server");
    table_cell(&table, TONE_PLAIN, "1234567");
    table_cell(&table, TONE_PLAIN, "%s", "");
    table_print(&table, &terminal);
    _cleanup_free_ char *got = read_there(ends[0]);
    assert_string_equal(got, "SERVICE         SIZE  NOTE\n"
                             "Zürich             7  one\\nline\n"
                             "qaid-server  1234567  \n");
    terminal_done(&terminal);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    setlocale(LC_CTYPE, "C.UTF-8");
    unsetenv("JOURNAL_STREAM");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_shown_as_docker_shows_them),
        cmocka_unit_test(widths_are_columns_and_not_bytes),
        cmocka_unit_test(the_progress_line_fits_the_terminal),
        cmocka_unit_test(elsewhere_there_are_plain_lines),
        cmocka_unit_test(on_a_terminal_the_line_is_redrawn_and_colour_is_the_users_choice),
        cmocka_unit_test(a_reader_that_does_not_read_is_not_waited_for),
        cmocka_unit_test(under_systemd_the_journal_says_it),
        cmocka_unit_test(only_warnings_of_the_journal_are_repeated),
        cmocka_unit_test(tables_are_aligned_by_columns),
    };
    return RUN(tests);
}
