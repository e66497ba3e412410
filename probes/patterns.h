#pragma once

/* Several patterns at once, as Fail= gives them: a text matches when one of them does. */

#include <stdbool.h>
#include <stddef.h>

#include "probes/needles.h"
#include "probes/pattern.h"

struct patterns {
    struct pattern **list; /* given one by one */
    size_t count;
    struct pattern **named; /* those of the sets by name: tried only where its needle stands */
    const char **needle_list;
    size_t named_count;
    struct needles *needles;
};

/* Adds a PCRE2 pattern, or all of a set: "@prisma". Returns 0, or -EINVAL as pattern_new() or when there is
 * no such set. */
int patterns_add(struct patterns *patterns, const char *text, struct error *err);
/* After the last patterns_add(), before the first patterns_match(). */
void patterns_ready(struct patterns *patterns);
void patterns_done(struct patterns *patterns);

/* Whether one of them is found. @is_data: it is the text of a structured line, of which the sets only judge
 * the messages. Returns 1, 0, or -ELOOP when a limit stopped one. */
int patterns_match(const struct patterns *patterns, const char *text, size_t size, bool is_data,
                   struct error *err);

/* Whether one may be found in a string that stands in @text as it is. */
bool patterns_may_match(const struct patterns *patterns, const char *text, size_t size);
