#pragma once

/*
 * Judges a log: each line by itself, at once; what a structured line says; and each record as a whole, when
 * it is known to be complete.
 *
 * A line that the old release logs too is no sign. But "File …/migrations/executor.py, line 135" stands in
 * any traceback of that place: in a record, a known line is no sign only when the old release logged it
 * together with the same causes. That can be told at the record's end, an unknown line at once.
 */

#include <jansson.h>

#include "probes/patterns.h"
#include "probes/records.h"

#define JUDGE_PENDING 16

struct judge {
    const struct patterns *fail, *pass;
    const json_t *harmless; /* what the baseline knows: object, shape → true; NULL: nothing */
    json_t *shapes;   /* at the baseline: what matches is collected here, and is no failure; else NULL */
    bool passed;      /* a line (or record) matched @pass */
    char *line;       /* the first failure: its line; owned; NULL: none */
    char *evidence;   /* the same with its record, once judge_end() was called for it; owned */
    struct error err; /* why a function returned -errno */
};

/* What is being read of one stream. */
struct judge_record {
    struct record record;
    uint64_t pending[JUDGE_PENDING]; /* shapes of lines that matched: with what causes is not known yet */
    size_t pending_count;
    bool matched;    /* a line of it matched */
    bool has_failed; /* the failure is in it */
};

/* Judges a line, and before it the record that it ends. Returns 1 when it began a new record, 0 when not, or
 * -errno: a pattern was stopped. */
int judge_line(struct judge *judge, struct judge_record *record, const char *time, const char *text,
               size_t size);
/* The record is complete (or nothing more is known of it). Returns 0 or -errno. */
int judge_end(struct judge *judge, struct judge_record *record);
/* The record may still grow, and will be read again from its beginning: what is known of it is kept, and no
 * more judged. */
void judge_hold(struct judge *judge, struct judge_record *record);
/* No record any more, and nothing judged. */
void judge_forget(struct judge_record *record);
void judge_record_done(struct judge_record *record);
void judge_done(struct judge *judge);
