/* What a person sees. See terminal.h. */

#include "watchdog/commands/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#include <wchar.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/text.h"

#define PATIENCE_MSEC 1000
#define REDRAW (100 * USEC_PER_MSEC)
#define SAMPLE (500 * USEC_PER_MSEC)
#define WIDTH_FALLBACK 80
#define CLEAR "\r\x1B[K"

static const char *const tones[] = {
    [TONE_PLAIN] = "",          [TONE_GOOD] = "\x1B[32m", [TONE_BAD] = "\x1B[31m",
    [TONE_UNSURE] = "\x1B[33m", [TONE_FAINT] = "\x1B[2m", [TONE_STRONG] = "\x1B[1m",
};

/* Under systemd the journal's records say the same (systemd.exec(5), JOURNAL_STREAM). */
static bool is_journal(int fd) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

void terminal_init(struct terminal *terminal, int fd) {
    const char *kind = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    bool interactive = isatty(fd) && kind && *kind && !string_equal(kind, "dumb");
    *terminal = (struct terminal){
        .fd = fd,
        .interactive = interactive,
        .colour = interactive && !(no_colour && *no_colour),
        .silent = is_journal(fd),
    };
}

static size_t columns(const struct terminal *terminal) {
    struct winsize size; /* asked each time: it may have been resized */
    if (ioctl(terminal->fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return WIDTH_FALLBACK;
    return size.ws_col;
}

/* In pieces that a pipe takes without waiting once it is ready; dropped when nobody reads. */
static void write_impatient(struct terminal *terminal, const char *text, size_t size) {
    while (size > 0) {
        struct pollfd ready = { .fd = terminal->fd, .events = POLLOUT };
        if (poll(&ready, 1, terminal->stuck ? 0 : PATIENCE_MSEC) != 1 || !(ready.revents & POLLOUT)) {
            terminal->stuck = true;
            return;
        }
        terminal->stuck = false;
        ssize_t written = write(terminal->fd, text, size < 512 ? size : 512);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return; /* nobody is there any more */
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
    }
}

static void clear(struct terminal *terminal) {
    if (terminal->drawn_at)
        write_impatient(terminal, CLEAR, strlen(CLEAR));
    terminal->drawn_at = 0;
}

void terminal_done(struct terminal *terminal) {
    clear(terminal);
    free(terminal->phase);
    free(terminal->what);
    *terminal = (struct terminal){ .fd = -1 };
}

char *bytes_format(char text[BYTES_SIZE], uint64_t bytes) {
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= (unit ? 999.5 : 1000) && unit + 1 < ELEMENTS(units)) {
        value /= 1000;
        unit++;
    }
    snprintf(text, BYTES_SIZE, unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

size_t terminal_width(const char *text) {
    size_t width = 0, left = strlen(text);
    for (size_t length; left > 0; text += length, left -= length) {
        uint32_t character = 0;
        length = utf8_decode(text, left, &character);
        int one = length ? wcwidth((wchar_t)character) : 1;
        width += one < 0 ? 1 : (size_t)one;
        length = length ? length : 1;
    }
    return width;
}

/* The longest beginning of at most @width columns. */
static size_t fitting(const char *text, size_t width) {
    size_t used = 0;
    for (;;) {
        size_t length = utf8_decode(text + used, strlen(text + used), NULL);
        length = length ? length : 1;
        if (!text[used])
            return used;
        _cleanup_free_ char *more = xstrndup(text, used + length);
        if (terminal_width(more) > width)
            return used;
        used += length;
    }
}

static void append_clock(struct buffer *text, usec_t elapsed) {
    unsigned long long seconds = elapsed / USEC_PER_SEC;
    if (seconds >= 3600)
        buffer_printf(text, "%llu:%02llu:%02llu", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        buffer_printf(text, "%llu:%02llu", seconds / 60, seconds % 60);
}

static void append_bytes(struct buffer *text, const struct terminal *terminal) {
    char bytes[BYTES_SIZE], total[BYTES_SIZE], rate[BYTES_SIZE];
    if (terminal->bytes == 0 && terminal->total == 0)
        return;
    buffer_printf(text, "  %s", bytes_format(bytes, terminal->bytes));
    if (terminal->total)
        buffer_printf(text, " of %s", bytes_format(total, terminal->total));
    if (terminal->rate)
        buffer_printf(text, "  %s/s", bytes_format(rate, terminal->rate));
}

char *terminal_progress_text(const struct terminal *terminal, usec_t now, size_t width) {
    _cleanup_buffer_ struct buffer text = { 0 };
    buffer_printf(&text, "%-10s ", terminal->phase);
    append_clock(&text, now - terminal->begun);
    if (terminal->what)
        buffer_printf(&text, "  %s", terminal->what);
    append_bytes(&text, terminal);
    if (terminal_width(text.text) <= width)
        return buffer_take(&text);
    size_t used = fitting(text.text, width > 0 ? width - 1 : 0);
    return xasprintf("%.*s%s", (int)used, text.text, width > 0 ? "…" : "");
}

static void draw(struct terminal *terminal, bool now_please) {
    usec_t now = clock_boottime();
    if (!terminal->interactive || !terminal->phase ||
        (!now_please && terminal->drawn_at && now - terminal->drawn_at < REDRAW))
        return;
    /* the last column stays free: some terminals break the line there */
    _cleanup_free_ char *text = terminal_progress_text(terminal, now, columns(terminal) - 1);
    _cleanup_free_ char *drawn = xasprintf(CLEAR "%s", text);
    write_impatient(terminal, drawn, strlen(drawn));
    terminal->drawn_at = now;
}

const char *terminal_tone(const struct terminal *terminal, enum tone tone) {
    return terminal->colour ? tones[tone] : "";
}

const char *terminal_tone_end(const struct terminal *terminal, enum tone tone) {
    return terminal->colour && tone != TONE_PLAIN ? "\x1B[0m" : "";
}

static char *toned(const struct terminal *terminal, enum tone tone, const char *text) {
    return xasprintf("%s%s%s\n", terminal_tone(terminal, tone), text, terminal_tone_end(terminal, tone));
}

void terminal_write(struct terminal *terminal, const char *text, size_t size) {
    clear(terminal);
    (void)write_all(terminal->fd, text, size); /* a reader that has left has seen enough */
}

void terminal_tell(struct terminal *terminal, enum tone tone, const char *format, ...) {
    if (terminal->silent)
        return;
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    _cleanup_free_ char *harmless = text_harmless(text, 0), *line = toned(terminal, tone, harmless);
    clear(terminal);
    write_impatient(terminal, line, strlen(line));
    draw(terminal, true);
}

void terminal_plain(void *terminal, int priority, const char *line) {
    if (priority <= LOG_WARNING)
        terminal_tell(terminal, priority <= LOG_ERR ? TONE_BAD : TONE_UNSURE, "%s", line);
}

void terminal_print(struct terminal *terminal, enum tone tone, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    _cleanup_free_ char *harmless = text_harmless(text, 1), *line = toned(terminal, tone, harmless);
    terminal_write(terminal, line, strlen(line));
}

void terminal_phase(struct terminal *terminal, const char *phase) {
    if (terminal->phase)
        terminal_phase_done(terminal, true, NULL);
    replace_string(terminal->phase, xstrdup(phase));
    terminal->begun = clock_boottime();
    if (terminal->interactive)
        draw(terminal, true);
    else
        terminal_tell(terminal, TONE_PLAIN, "%s", phase);
}

void terminal_progress(struct terminal *terminal, const char *what, uint64_t bytes, uint64_t total) {
    usec_t now = clock_boottime();
    if (!string_equal(what, terminal->what) || bytes < terminal->bytes || terminal->sampled == 0) {
        replace_string(terminal->what, what ? text_harmless(what, 0) : NULL);
        terminal->rate = 0;
        terminal->sampled = now;
        terminal->sampled_bytes = bytes;
    } else if (now - terminal->sampled >= SAMPLE) {
        uint64_t rate = (uint64_t)((double)(bytes - terminal->sampled_bytes) * (double)USEC_PER_SEC /
                                   (double)(now - terminal->sampled));
        terminal->rate = terminal->rate ? (terminal->rate * 2 + rate) / 3 : rate;
        terminal->sampled = now;
        terminal->sampled_bytes = bytes;
    }
    terminal->bytes = bytes;
    terminal->total = total;
    draw(terminal, false);
}

void terminal_tick(struct terminal *terminal) {
    draw(terminal, false);
}

void terminal_phase_done(struct terminal *terminal, bool good, const char *note) {
    if (!terminal->phase)
        return;
    _cleanup_free_ char *phase = take_ptr(terminal->phase); /* no line is drawn for it any more */
    char took[DURATION_SIZE];
    usec_t elapsed = clock_boottime() - terminal->begun;
    duration_format(took, elapsed < USEC_PER_MINUTE ? elapsed / (USEC_PER_SEC / 10) * (USEC_PER_SEC / 10)
                                                    : elapsed);
    terminal_tell(terminal, good ? TONE_GOOD : TONE_BAD, "%-10s %s%s%s%s", phase,
                  good ? "done in " : "failed after ", took, note ? "  " : "", note ? note : "");
    replace_string(terminal->what, NULL);
    terminal->bytes = terminal->total = terminal->rate = terminal->sampled_bytes = 0;
    terminal->sampled = 0;
}

int output_json(const json_t *value, struct error *err) {
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    if (!text)
        abort();
    _cleanup_free_ char *line = xasprintf("%s\n", text);
    free(text);
    int r = write_all(STDOUT_FILENO, line, strlen(line));
    return r < 0 ? error_errno(err, -r, "cannot write to standard output") : 0;
}
