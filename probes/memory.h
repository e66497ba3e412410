#pragma once

/* What lives from round to round, inside: used by the parent (round.c) and by its forked children (look.c).
 */

#include "probes/round.h"

struct memory_entry {
    struct probe_report last; /* without an answer */
    bool known;
    bool again;                 /* due whatever Every= says */
    usec_t looked_at, retry_at; /* clock_boottime() */
    char *route;                /* the twin's name at that look, "" none */
};

/* The wall clock, held against the one since boot. */
struct memory_clock {
    bool known;
    usec_t realtime, boottime, monotonic; /* at the latest round */
    usec_t back;                          /* how far it has gone back in all */
    usec_t upset_at; /* clock_boottime() at which it was set or the machine slept; 0: never */
    bool slept;      /* the latter */
};

struct probe_memory {
    struct memory_clock clock;
    struct memory_entry *entries; /* as the set's probes */
    size_t count;
};

/* Makes room for the set's probes. */
void memory_fit(struct probe_memory *memory, const struct probe_set *set);
/* Takes over all of @report but the answer, which stays. */
void memory_store(struct probe_memory *memory, size_t index, const struct probe_report *report,
                  const struct probe_view *view);
/* Whether the probe is to be looked at in this round. */
bool memory_is_due(const struct probe_memory *memory, const struct probe_set *set, size_t index,
                   const struct probe_view *view, usec_t now);

/* Looks at the clocks: to be called before and after the probes of a round. */
void memory_look_at_clock(struct memory_clock *clock, usec_t realtime, usec_t boottime, usec_t monotonic);
/* "the machine's clock was just set" or "the machine just slept"; NULL: neither. */
const char *memory_clock_trouble(const struct memory_clock *clock, usec_t boottime);

/* All of a report, with what is secret, for the pipe between child and parent. */
json_t *report_to_pipe(const struct probe_report *report);
int report_from_pipe(const json_t *value, struct probe_report *ret, struct error *err);
