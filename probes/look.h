#pragma once

/* The forked child of a round: looks at the probes of one lane, one after another, and says so on a pipe. */

#include "probes/memory.h"

/*
 * One JSON value per line: {"begin": index} before a look, then {"index": …, "report": …}; {"trouble": text}
 * from the child that looks at the host. The parent knows from it which probe to blame when the child hangs
 * or dies.
 */

struct look_job {
    const struct probe_set *set;
    const struct probe_view *view;
    struct probe_memory *memory; /* the child's own copy, by fork */
    const bool *due;             /* per probe: to be looked at by this child, if in its lane */
    bool *looked;                /* per probe: was looked at in this round already */
    size_t lane;                 /* the set's number of lanes: the host */
    usec_t deadline;             /* of the round */
    int fd;
    const struct credentials *credentials; /* of the lane's probes, once look_confine() has read them */
};

/* Reads the credentials of the lane's probes, forgets what is no business of theirs, and gives up what they
 * do not need (confine.c). Where the kernel cannot do that it is done without: `check` says so. */
void look_confine(struct look_job *job);

/* Never return: end the child. */
_Noreturn void look_at_lane(struct look_job *job);
_Noreturn void look_at_host(struct look_job *job);

/* So long a probe's child may take beyond the probe's Timeout= before it is killed. */
#define LOOK_GRACE USEC_PER_SEC
