#pragma once

/* Several patterns at once, as Fail= gives them: a text matches when one of them does. */

#include <stdbool.h>
#include <stddef.h>

#include "probes/pattern.h"

struct patterns {
    struct pattern **list; /* given one by one */
    size_t count;
    char **named;         /* those of the sets by name, until patterns_ready() */
    struct pattern *sets; /* all of them as one alternation: a line is searched once however many there are */
};

/* Adds a PCRE2 pattern, or all of a set: "@prisma". Returns 0, or -EINVAL as pattern_new() or when there is
 * no such set. */
int patterns_add(struct patterns *patterns, const char *text, struct error *err);
/* After the last patterns_add(). */
int patterns_ready(struct patterns *patterns, struct error *err);
void patterns_done(struct patterns *patterns);

/* Whether one of them is found. @is_data: it is the text of a structured line, of which the sets only judge
 * the messages. Returns 1, 0, or -ELOOP when a limit stopped one. */
int patterns_match(const struct patterns *patterns, const char *text, size_t size, bool is_data,
                   struct error *err);
