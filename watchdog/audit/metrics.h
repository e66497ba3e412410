#pragma once

/*
 * Metrics of one application for Prometheus, as a file for the textfile collector of its node exporter: the
 * text exposition format, with names as https://prometheus.io/docs/practices/naming/ has them.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

/* What is known. Texts are borrowed; times are of CLOCK_REALTIME, 0: never. */
struct metrics {
    const char *app, *version;
    const char *const *phases; /* names of all, NULL-ended */

    const char *phase; /* of the open transaction; NULL: none is open */
    usec_t phase_started;

    const char *outcome;             /* of the last transaction that has one; NULL: none yet */
    usec_t started, ended, upgraded; /* the last start, end, and end with the outcome "upgraded" */
    const json_t *transactions;      /* closed ones: outcome → how many; NULL: none */
    const json_t *seconds; /* of the last one that closed: phase or measure → seconds; NULL: none */

    bool snapshots_known;
    size_t snapshots; /* complete ones */
    uint64_t snapshots_bytes;
    usec_t verified; /* when the newest verified one was made */
    uint64_t verified_bytes;

    bool quarantine_known;
    size_t quarantines;
    uint64_t quarantine_bytes;
};

/* The file's contents; what is not known is left out. Owned by the caller. */
char *metrics_render(const struct metrics *metrics);

/* Puts them in place at once, readable by everybody: a collector sees the old or the new file, and the
 * temporary one, whose name does not end in ".prom", never. The directory may be another user's. */
int metrics_write(const char *path, const char *text, struct error *err);
