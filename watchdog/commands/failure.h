#pragma once

/* Whether a unit has ended in a way that a person has to know of, and that no transaction has told of. Pure.
 */

#include <stdbool.h>

#include "watchdog/commands/unit.h"

/*
 * @told: the transaction's own message says that a person is needed. @wrong: why the configuration cannot be
 * read, or NULL. 1 with a sentence about it (owned by the caller); 0 where the unit goes on by itself, has
 * ended well, or its exit status is that of an end that transactions tell themselves (aborted, rolled back),
 * or of another run's lock.
 */
int failure_of_unit(const char *name, const struct unit_state *state, bool told, const char *wrong,
                    char **ret);
