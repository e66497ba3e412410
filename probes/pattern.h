#pragma once

/* PCRE2 patterns with limits: one that would run away is an error, not a hang. */

#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/error.h"

struct pattern;

/* Compiles @text as UTF-8 (bad bytes in a subject match nothing). Returns 0, or -EINVAL with PCRE2's words
 * and the offset. @ret is owned by the caller. */
int pattern_new(const char *text, struct pattern **ret, struct error *err);
void pattern_free(struct pattern *pattern);
void cleanup_pattern(struct pattern **pattern);
#define _cleanup_pattern_ __attribute__((cleanup(cleanup_pattern)))

/* Whether it is found in @subject. Returns 1, 0, or -ELOOP when a limit stopped it. */
int pattern_match(const struct pattern *pattern, const char *subject, size_t size, struct error *err);

/* The same, and gives the first group, or the whole match where the pattern has none. @ret is owned by the
 * caller, set only with 1. */
int pattern_capture(const struct pattern *pattern, const char *subject, size_t size, char **ret,
                    size_t *ret_size, struct error *err);

/* What one group matched. */
struct pattern_range {
    bool is_set;
    size_t begin, size;
};

/* The first match at or behind @from: its groups, the whole being the first; groups that there are not, or
 * that took no part, are not set. As pattern_match(). */
int pattern_find(const struct pattern *pattern, const char *subject, size_t size, size_t from,
                 struct pattern_range *ret, size_t count, struct error *err);
