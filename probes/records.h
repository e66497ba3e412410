#pragma once

/*
 * Records: a line and those that belong to it (a stack trace, its causes, PostgreSQL's DETAIL, the block of
 * an error of Prisma's). One per stream. Pure; what belongs together is told from the wording of the lines:
 *
 * - indented lines, and lines of closing brackets
 * - frames: "at …", Ruby's FILE:LINE:in, PHP's #N, Go's goroutines
 * - Python: all of a traceback, the exception under it, and the tracebacks chained to it
 * - causes: "Caused by:", "Suppressed:", the line under one that ends with "failed:", "error:" or the like
 * - PostgreSQL: DETAIL, HINT, CONTEXT, LINE and the like (with SQLAlchemy's [SQL: …])
 * - Prisma: what comes in the same second after "Error: P…" and does not look like another record
 */

#include <stdbool.h>

#include "probes/lines.h"
#include "probes/shape.h"

#define RECORD_LINES 50
#define RECORD_BYTES ((size_t)16 * 1024)

struct record {
    struct buffer text; /* its first RECORD_LINES lines, RECORD_BYTES bytes, each ended by a newline */
    size_t lines;       /* all that came, blank ones at the end not counted */
    bool cut;           /* there was more than @text holds */
    /* The shape of what it says: its first line and its causes, not the frames, the code and the values.
     * Those differ from version to version and from time to time where the fault is the same. From the second
     * line on. */
    uint64_t causes;
    char last_time[LOG_TIME_SIZE];
    unsigned blank; /* blank lines since */
    int expects;    /* what the line before leads to: enum in records.c */
    bool traceback; /* began with one, or its first line is followed by one */
};

/* Whether the line belongs to the record that is there. @time may be "". */
bool record_continues(const struct record *record, const char *time, const char *text, size_t size);
/* Adds a line; where it does not continue, record_clear() comes first. */
void record_add(struct record *record, const char *time, const char *text, size_t size);
void record_clear(struct record *record);
void record_done(struct record *record);
/* What the record says of why, where the line of it that failed does not: the line under "… all later
 * migrations canceled:", the exception under a traceback. Owned by the caller; NULL: it says no more. */
char *record_cause(const struct record *record, const char *line);
/* Whether it can still take a line that matters. */
bool record_is_full(const struct record *record);
