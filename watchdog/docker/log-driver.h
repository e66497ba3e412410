#pragma once

/*
 * Where a container's log goes, and what of it can be read back. Pure: from the answer of GET
 * /containers/ID/json (HostConfig.LogConfig; the daemon's defaults are already in it).
 *
 * Docker reads back json-file, local and journald; of every other driver but "none" it keeps a copy of its
 * own since 20.10 ("dual logging", docs.docker.com/engine/logging/dual-logging/) unless cache-disabled=true.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "watchdog/base/clock.h"

struct log_driver {
    const char *name; /* borrowed from @inspect; "" unknown */
    uint64_t size;    /* bytes of one file before it is rotated; 0: never, or not known */
    uint64_t files;   /* so many are kept, the current one counted */
    bool readable;
};

struct log_driver log_driver_of(const json_t *inspect);

/* What to do about a log that cannot be read: "its logging driver "none" keeps nothing; …". NULL: it can be.
 * Owned by the caller. */
char *log_driver_problem(const json_t *inspect);

/* What was read of a log from its oldest line on. */
struct log_extent {
    uint64_t bytes, lines; /* text, without times */
    usec_t began;          /* when the container's run began */
    usec_t first, now;     /* realtime; @first 0: there is no line */
};

/* Whether rotation can have dropped lines before the oldest. With two files and more that takes so many full
 * ones; one file is cut to nothing, and then only what came after it tells how fast it fills. */
bool log_may_be_cut(const struct log_driver *driver, const struct log_extent *extent);
/* Whether, at the rate seen, all that is kept is gone after @span. */
bool log_rotates_within(const struct log_driver *driver, const struct log_extent *extent, usec_t span);
