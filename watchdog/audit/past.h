#pragma once

/*
 * What became of earlier transactions, from both places that know: the state directory, whose records are
 * full, and the journal, which outlives a state directory that was lost. Either fills in what the other does
 * not have any more.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "watchdog/audit/read-back.h"
#include "watchdog/base/error.h"

/* The closed transactions of @app, or of all applications (NULL), newest first. @journal NULL: of the state
 * directory alone. What could not be read is said in @warnings, to which sentences are appended. Returns 0
 * with a new array, or -errno when the state directory cannot be read. */
int past_read(const char *state_directory, const struct read_back *journal, const char *app, json_t **ret,
              char ***warnings, struct error *err);

/* One of @app; @id NULL: the newest. As history_find(), and where that finds nothing the journal is asked. */
int past_find(const char *state_directory, const struct read_back *journal, const char *app, const char *id,
              json_t **ret, char ***warnings, struct error *err);

/* Both lists as one, newest first: of a transaction that is in both, the record of @kept. New reference. */
json_t *past_merge(const json_t *kept, const json_t *read_back);
