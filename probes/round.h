#pragma once

/*
 * One round: every probe that is due is looked at once, in forked children, so that a hang, a crash or a
 * runaway pattern costs one look and not the watch. Probes that are joined by After= run one after another in
 * one child, the others beside each other.
 */

#include "probes/probe.h"
#include "probes/set.h"

/* What lives from round to round: last results, when they were, captured values (secret: it is never written
 * to a file; a new process begins with an empty one). */
struct probe_memory;
struct probe_memory *probe_memory_new(void);
void probe_memory_free(struct probe_memory *memory);

struct probe_round {
    struct probe_report *reports; /* one per probe, in the order of the configuration */
    size_t count;
    char *trouble; /* the host is in trouble (Docker gone or just restarted, machine just booted, database
                      container down or just restarted): a sentence; NULL: none, or everything passed. What
                      that means is the verdict's matter */
    char *
        busy; /* the host is busy with other things: a sentence; NULL: no. Who is only slow is not at fault */
};
void probe_round_done(struct probe_round *round);
#define _cleanup_probe_round_ __attribute__((cleanup(probe_round_done)))

/* Looks at all probes that are due and waits for them, at most until @deadline (clock_boottime()) and a
 * second. A probe is due when Every= has passed since its last look, when that look did not pass, when the
 * way to the gate has changed (twin or published port), and not before a 429's Retry-After. A probe whose
 * child hangs, crashes or babbles is unknown. @memory is updated. Returns 0, or -errno when no child could be
 * started at all. */
int probe_round_run(const struct probe_set *set, const struct probe_view *view, struct probe_memory *memory,
                    usec_t deadline, struct probe_round *ret, struct error *err);

/* Every probe whose answer @baseline is compared with is due again, whatever its Every=: for the second look
 * that the baseline wants. */
void probe_memory_look_again(const struct probe_set *set, struct probe_memory *memory,
                             const json_t *baseline);

/* How long until the next probe is due, for the caller's sleep: at most @interval. */
usec_t probe_round_next(const struct probe_set *set, const struct probe_memory *memory, usec_t interval);
