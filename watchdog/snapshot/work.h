#pragma once

/* A long piece of work over many files: what is done so far, its deadline, and what is told of it. */

#include <stdint.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

/* What the caller gives: may be NULL as a whole. */
struct tree_run {
    usec_t deadline; /* on clock_boottime(); over it: -ETIME */
    void (*progress)(void *userdata, uint64_t files, uint64_t bytes); /* so far; may be NULL */
    void *userdata;
};

struct work {
    const struct tree_run *run;
    uint64_t files, bytes;
    usec_t told; /* when progress was told last */
};

/* Adds what was done, tells it at most ten times a second. Returns 0, or -ETIME over the deadline. */
int work_add(struct work *work, uint64_t files, uint64_t bytes, struct error *err);
/* Tells the final numbers. */
void work_end(struct work *work);
