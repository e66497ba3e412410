#pragma once

/* What a look at a precondition has found, for `check` and for a refusal. */

#include <stdbool.h>
#include <stddef.h>

struct finding {
    char *name; /* "database-ownership" */
    bool ok;
    bool advisory;  /* not ok, but no reason to refuse */
    char *sentence; /* what was found */
    char *cure;     /* what to do; "" when ok */
};
void findings_free(struct finding *findings, size_t count);

/* Adds one; the texts are copied. */
void findings_add(struct finding **findings, size_t *count, const char *name, bool ok, bool advisory,
                  const char *cure, const char *format, ...) __attribute__((format(printf, 7, 8)));
