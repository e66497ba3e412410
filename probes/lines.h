#pragma once

/*
 * Lines out of a container's log: pieces of two streams, each line with Docker's timestamp before it, come
 * in; whole lines without escape sequences come out. Of a line 16 KiB are kept: Docker itself cuts there and
 * puts another timestamp into the middle.
 */

#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

#define LINE_LIMIT ((size_t)16 * 1024)
#define LOG_TIME_SIZE 40

struct line_stream {
    struct buffer line;
    char first[LOG_TIME_SIZE]; /* timestamp of the first line that came, also when it was skipped */
    char last[LOG_TIME_SIZE];  /* timestamp of the last whole line: it is skipped when it comes again */
};

/* A time as it stands before a line, in UTC: what is not later than stream->last is skipped. */
void line_time(usec_t realtime, char ret[LOG_TIME_SIZE]);

/* @text is NUL-ended and valid during the call. Returns 0, or -errno to give up. */
typedef int line_function(void *userdata, const char *time, const char *text, size_t size);

/* Feeds a piece of one stream. Returns 0 or what @function returned. */
int lines_feed(struct line_stream *stream, const char *data, size_t size, line_function *function,
               void *userdata);
/* The end: what has no newline yet is a line too, but is given again when it has grown. */
int lines_end(struct line_stream *stream, line_function *function, void *userdata);
void lines_done(struct line_stream *stream);

/* Removes ANSI escape sequences (ECMA-48: CSI, OSC and two-byte ones) and a final CR; in place. Returns the
 * new size. */
size_t line_strip(char *text, size_t size);

/* The message of a JSON line: its member "message", "msg", "error", "err", "log", "text" or "event", or the
 * "message" of an object under "error" or "err". Calls @function for each; does nothing for other lines.
 * Returns 0 or what @function returned. */
int line_messages(const char *text, size_t size, line_function *function, void *userdata);

/* What stays of a line when numbers, times, UUIDs and hexadecimal ids are masked (but no error codes as
 * "P3009" or "42P07"), as 16 hexadecimal digits: equal for
 * lines that differ only in those. */
#define SHAPE_SIZE 17
void line_shape(const char *text, size_t size, char ret[SHAPE_SIZE]);
