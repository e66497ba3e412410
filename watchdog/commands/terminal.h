#pragma once

/*
 * What a person sees. On a terminal: one line that is redrawn (phase, time, bytes, rate), and finished phases
 * that stay; elsewhere plain lines; nothing under systemd, where the journal's records say the same. Colour
 * on a terminal alone, never with NO_COLOR or TERM=dumb.
 *
 * The supervisor must not wait for a terminal that was stopped with Ctrl-S or a reader that does not read:
 * what is said during a transaction is dropped after a short wait. Results at the end are written whole,
 * however long it takes. Texts from outside are made harmless here.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"

enum tone {
    TONE_PLAIN,
    TONE_GOOD,
    TONE_BAD,
    TONE_UNSURE,
    TONE_FAINT,
    TONE_STRONG,
};

struct terminal {
    int fd; /* borrowed */
    bool interactive, colour, silent;

    /* The phase that runs; NULL: none. */
    char *phase, *what;
    usec_t begun; /* on clock_boottime() */
    uint64_t bytes, total;
    uint64_t rate; /* bytes per second, smoothed */
    usec_t sampled;
    uint64_t sampled_bytes;
    usec_t drawn_at; /* 0: the line is not there */
    bool stuck;      /* the last write did not get through: the next one does not wait */
};

/* Begins to show on @fd: standard output, or standard error with --json. Looks at isatty(3), TERM, NO_COLOR
 * and JOURNAL_STREAM. */
void terminal_init(struct terminal *terminal, int fd);
/* Takes the redrawn line away. */
void terminal_done(struct terminal *terminal);
#define _cleanup_terminal_ __attribute__((cleanup(terminal_done)))

/* A phase begins; one that still runs is done. */
void terminal_phase(struct terminal *terminal, const char *phase);
/* What it does at the moment ("dump of qaid"), and how far it is; @total 0: not known. May be called as often
 * as one likes. */
void terminal_progress(struct terminal *terminal, const char *what, uint64_t bytes, uint64_t total);
/* Lets the time go on; about once a second. */
void terminal_tick(struct terminal *terminal);
/* The phase is over, well or not; @note (may be NULL) stands behind its time. */
void terminal_phase_done(struct terminal *terminal, bool good, const char *note);

/* A line for a person during a transaction, above the redrawn one. */
void terminal_tell(struct terminal *terminal, enum tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as a `plain` of struct journal: warnings and worse; the rest is to be seen as phases. */
void terminal_plain(void *terminal, int priority, const char *line);

/* A line of a command's result. */
void terminal_print(struct terminal *terminal, enum tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For whoever puts a result together: the sequences around a tone, "" without colour; and text written whole,
 * which is harmless already. */
const char *terminal_tone(const struct terminal *terminal, enum tone tone);
const char *terminal_tone_end(const struct terminal *terminal, enum tone tone);
void terminal_write(struct terminal *terminal, const char *text, size_t size);

/* The line that is redrawn, of at most @width columns, without colour. Owned by the caller. */
char *terminal_progress_text(const struct terminal *terminal, usec_t now, size_t width);

/* Columns that @text takes, which is harmless UTF-8 (text_harmless()). LC_CTYPE has to be of UTF-8. */
size_t terminal_width(const char *text);

#define BYTES_SIZE 32
/* "812 B", "1.3 kB", "45 MB": powers of 1000, as Docker writes them. Returns @text. */
char *bytes_format(char text[BYTES_SIZE], uint64_t bytes);

/* One JSON value on standard output, and a line break. Returns 0 or -errno. */
int output_json(const json_t *value, struct error *err);
