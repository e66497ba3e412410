#pragma once

/* What a container wrote on standard output and error, as Docker kept it. */

#include "watchdog/docker/engine.h"
#include "watchdog/docker/frames.h"

struct logs {
    const char *container; /* id or name */
    usec_t since;          /* realtime, inclusive; 0: its whole life */
    usec_t until;          /* realtime; 0: now */
    unsigned tail;         /* so many last lines; 0: all */
    bool timestamps;       /* each line begins with its RFC 3339 time in nanoseconds and a space */
    size_t limit;          /* bytes, of both streams; 0: 64 MiB */
    /* A piece of a stream: not a line, a line may come in pieces. FRAME_OUTPUT or FRAME_ERRORS; a container
     * with a terminal has only the first. Returns 0 or -errno to give up. */
    frames_function *on_data;
    void *userdata;
    usec_t deadline;
};

/*
 * Returns 0, 1 when there was more than the limit (its beginning was given), -ENOTSUP when the container's
 * logging driver cannot be read, or an error of engine.h.
 */
int engine_logs(struct engine *engine, const struct logs *logs, struct error *err);
