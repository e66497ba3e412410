#pragma once

/*
 * The journal read back: outcomes of transactions in all journal files of this machine, of rotated ones and
 * of earlier boots too.
 *
 * Each file is opened by itself, the newest first, in a child that is killed when its time is over: a damaged
 * or truncated file may crash whoever maps it, and a journal of gigabytes on a slow disk may take long.
 */

#include <jansson.h>
#include <stddef.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

struct read_back {
    const char *directory;  /* holds *.journal; NULL: where journald keeps those of this machine */
    const char *machine_id; /* 32 hexadecimal digits; NULL: this machine's */
    usec_t time;            /* that all of it may take */
    size_t limit;           /* records that are read at most, the newest */
};

/* For a command that a person waits for. */
extern const struct read_back read_back_default;

/* Outcomes of @app, or of all applications (NULL), newest first: outcome_to_json() each. Of several of one
 * transaction the last one counts. A new array, empty where there is no journal. What could not be read (a
 * damaged file, what was left when the time was over) is said in @warnings, to which sentences are appended.
 */
json_t *read_back_outcomes(const struct read_back *source, const char *app, char ***warnings);
