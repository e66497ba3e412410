#pragma once

/*
 * Reads what is new in a container's log into a judge, and knows when lines are lost.
 *
 * From look to look goes, for each stream, the place behind the last line that was read. A record that was
 * still growing then is read again by the next look, from its beginning; its lines are judged both times,
 * they are counted once. Rotation takes the oldest lines, so a log without a gap still has the last line that
 * was read: when that is gone, so may be others that nobody has read. Before the first line was read there is
 * nothing to look for; then the driver's limits say whether any can have been dropped (log_may_be_cut()).
 */

#include "probes/judge.h"
#include "probes/lines.h"
#include "probes/probe.h"
#include "watchdog/docker/container.h"

struct log_reading;

struct log_stream {
    struct log_reading *reading;
    struct line_stream lines;
    struct judge_record record;
    struct line_mark before;   /* the line before the record's first */
    char began[LOG_TIME_SIZE]; /* the record's first line */
    bool grown;                /* a line came that no look had read */
    bool held;                 /* the record may still grow: the next look reads it again */
};

struct log_reading {
    struct judge judge;
    struct log_stream streams[2]; /* output, errors */
    usec_t reaches;               /* the first line must not be later, or it is given up; 0: it may */
    bool gap;                     /* given up so */
    uint64_t lines, bytes;        /* new ones */
    char *lost;                   /* why not every line could be judged; goes from look to look; owned */
};

void log_reading_init(struct log_reading *reading);
void log_reading_done(struct log_reading *reading);

/* The first minutes and the last day of the container that runs. Returns 0, 1 when there is more than is read
 * of it, or -errno. */
int log_read_baseline(const struct probe_look *look, const struct container *container,
                      struct log_reading *reading, struct error *err);
/* What is new since @state (what log_reading_state() gave; NULL: since the view's time). The same returns. */
int log_read_new(const struct probe_look *look, const struct container *container, const json_t *state,
                 struct log_reading *reading, struct error *err);
/* For the next look. New reference. */
json_t *log_reading_state(const struct log_reading *reading);
/* When the first line was written, 0: there is none. */
usec_t log_reading_first(const struct log_reading *reading);
