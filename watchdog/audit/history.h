#pragma once

/*
 * What became of earlier transactions: STATE/APP/transactions/ID.json, each the JSON that people and scripts
 * see. A damaged file is named, not hidden, and hides no other.
 */

#include <jansson.h>
#include <stddef.h>

#include "watchdog/base/error.h"

/* Whether it has the form of a transaction's id, 20261123T031500Z-1f3a. */
int transaction_id_valid(const char *id);

/* The closed transactions of @app below @state_directory, newest first, at most @limit (0: all): a new array
 * of objects. What could not be read is said in @warnings, to which a sentence each is appended. None: an
 * empty array. Returns 0, or -errno when the directory itself cannot be read. */
int history_read(const char *state_directory, const char *app, size_t limit, json_t **ret, char ***warnings,
                 struct error *err);

/* One of them; @id NULL: the newest. Returns 0 with a new reference, -ENOENT when there is none, -EINVAL when
 * @id is no id, -EBADMSG when its file is damaged. */
int history_find(const char *state_directory, const char *app, const char *id, json_t **ret,
                 struct error *err);

/* The id of the newest transaction of @app that the state directory has a file of, whether it can be read or
 * not; NULL without one. Owned by the caller. */
char *history_newest_id(const char *state_directory, const char *app);

/* The applications that have a state directory, by name; NULL-ended, owned by the caller. */
int history_applications(const char *state_directory, char ***ret, struct error *err);
