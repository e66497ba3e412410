#pragma once

/*
 * Lines out of a container's log: pieces of one stream, each line with Docker's timestamp before it, come
 * in; whole lines without escape sequences come out, those only that come after a mark.
 *
 * What a reader would get wrong: a time alone does not say which lines were read already. Drivers that stamp
 * in microseconds (journald) give several lines one time, and a clock that was set back gives later lines an
 * earlier one. So a mark counts the lines of its time, and everything that stands behind it in the log is
 * new.
 */

#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

/* A longer line comes in pieces of this length. Docker itself cuts at 16 KiB and puts the time of the line's
 * beginning into the middle: it is taken out again. */
#define LINE_LIMIT ((size_t)64 * 1024)
#define LOG_TIME_SIZE 40

/* A place in a stream: behind so many lines of that time. With an empty time: its beginning; with no lines:
 * a moment, at which no line needs to stand. */
struct line_mark {
    char time[LOG_TIME_SIZE]; /* in UTC, with nanoseconds: compared as text */
    unsigned lines;
};

/* On the way to a mark. */
struct line_cursor {
    struct line_mark mark;
    unsigned met;
    bool reached; /* what comes is behind it */
    bool found;   /* its line was seen, or (no lines) one that is not later */
};

struct line_stream {
    struct line_cursor from;   /* in: what comes before it is not given */
    struct line_cursor seen;   /* in: what comes before it was given by an earlier look */
    struct line_mark last;     /* the last whole line; begins as @from */
    char first[LOG_TIME_SIZE]; /* of the first line that came, also when it was not given */
    bool again;                /* the line that is being given was given by an earlier look */
    struct buffer line;
};

/* A time as it stands before a line. */
void line_time(usec_t realtime, char ret[LOG_TIME_SIZE]);

/* The beginning: what comes before @from is not given, what comes before @seen (NULL: as @from) was. */
void lines_begin(struct line_stream *stream, const struct line_mark *from, const struct line_mark *seen);

/* @text is NUL-ended and valid during the call; stream->last is still the line before it. Returns 0, or
 * -errno to give up. */
typedef int line_function(void *userdata, const char *time, const char *text, size_t size);

/* Feeds a piece of the stream. Returns 0 or what @function returned. */
int lines_feed(struct line_stream *stream, const char *data, size_t size, line_function *function,
               void *userdata);
/* The end: what has no newline yet is a line too, but is given again when it has grown. */
int lines_end(struct line_stream *stream, line_function *function, void *userdata);
void lines_done(struct line_stream *stream);

/* Removes ANSI escape sequences (ECMA-48: CSI, OSC and two-byte ones) and a final CR; in place. Returns the
 * new size. */
size_t line_strip(char *text, size_t size);
