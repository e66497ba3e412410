#pragma once

/*
 * The metrics of an application, gathered from its state directory and written where [Metrics] Textfile=
 * says. In a child of its own, so that neither a large quarantine nor a directory on a server that does not
 * answer holds a transaction up.
 */

#include "watchdog/base/aside.h"
#include "watchdog/transaction/state.h"

struct measure {
    const struct state *state; /* borrowed */
    const char *textfile;      /* borrowed; NULL: none is wanted, and nothing is done */
    struct aside child;        /* that writes at this moment; of none, pid is 0 */
};

/* Textfile= of the configuration that goes with the transaction; NULL: none. Owned by the caller. */
char *measure_textfile(const struct state *state, const struct record *record);

/* Begins to write, and does not wait. What an earlier one has not brought to its end is dropped. */
void measure_begin(struct measure *measure);
/* Writes, and waits for it a few seconds at most. -errno with what went wrong: never a reason for anything
 * but a warning. */
int measure_write(struct measure *measure, struct error *err);
void measure_done(struct measure *measure);
