#pragma once

/* What a failed migration looks like in a log, by tool: `Fail=@prisma`. */

#include <stddef.h>

struct migration_pattern {
    const char *needle; /* stands in whatever matches: the pattern is tried only where it does */
    const char *text;   /* PCRE2; over one line, or with \n over a record */
};

struct pattern_set {
    const char *name;                         /* without the '@' */
    const char *source;                       /* where the wording comes from */
    const struct migration_pattern *patterns; /* ended by an entry without text */
};

/* Ended by an entry without a name. */
extern const struct pattern_set migration_patterns[];

/* The set of that name (without '@'), or NULL. */
const struct pattern_set *migration_patterns_find(const char *name);
