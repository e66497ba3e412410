#pragma once

/* Capture=, and what else takes one value out of an answer. Used by answer.c. */

#include "probes/answer.h"

/* Every Capture= of the settings into the object @captures, and into the secrets: before anything is said
 * about the answer. The first that could not be captured is judgement->missing: a failure only when the rest
 * is in order. */
void capture_all(struct judgement *judgement, json_t *captures);

/* One value. Return 1 with @ret, owned by the caller, 0 when the answer has none, or -errno. */
int capture_by_pattern(const struct judgement *judgement, const char *source, char **ret, struct error *err);
/* Appends all that the pattern finds, its first group where it has one, to the list @found. */
int capture_all_by_pattern(const struct judgement *judgement, const char *source, json_t *found,
                           struct error *err);
int capture_by_jq(const struct judgement *judgement, const char *source, char **ret, struct error *err);
/* A string as it is, a number or boolean as JSON writes it. Owned by the caller, NULL: neither. */
char *capture_text(const json_t *value);
