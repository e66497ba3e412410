#pragma once

/*
 * What happens to the containers between two looks: Docker's events, followed and not polled. They end the
 * window's sleep, and what a later look could not see any more is kept for the probes: a process in a
 * container that was killed for want of memory while its first process lives on, and that somebody had a
 * container stopped.
 */

#include "watchdog/docker/events.h"

struct signs {
    struct events *events; /* NULL: not connected at the moment */
    usec_t last;           /* realtime of the latest event: from there the next connection goes on */
    json_t *seen;          /* struct probe_view's @signs */
};

/* @since: realtime from which events count. */
void signs_init(struct signs *signs, usec_t since);
void signs_done(struct signs *signs);

/* Takes what there is and returns at the next event that a look should follow, when @fd (-1: none) can be
 * read, or at the deadline. A connection that broke is made again from the last event on; while there is none
 * it only sleeps. */
void signs_wait(struct signs *signs, struct engine *engine, const char *project, int fd, usec_t deadline);
/* Whether somebody had a container stopped in the last @span. */
bool signs_stopped_since(const struct signs *signs, usec_t span);
/* Takes what there is, without waiting. */
void signs_take(struct signs *signs, struct engine *engine, const char *project);
