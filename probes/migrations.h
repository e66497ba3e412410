#pragma once

/* What a failed migration looks like in a log, by tool: `Fail=@prisma`. */

#include <stddef.h>

struct pattern_set {
    const char *name;            /* without the '@' */
    const char *source;          /* where the wording comes from */
    const char *const *patterns; /* PCRE2, ended by NULL */
};

/* Ended by an entry without a name. */
extern const struct pattern_set migration_patterns[];

/* The set of that name (without '@'), or NULL. */
const struct pattern_set *migration_patterns_find(const char *name);
