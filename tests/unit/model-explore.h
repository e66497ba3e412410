#pragma once

/* Every state that the world of model-world.h can come to, breadth first. */

#include "tests/unit/model-world.h"

struct exploration;

struct exploration *exploration_new(void);
void exploration_free(struct exploration *exploration);

/*
 * Explores @model from its beginning with this many faults in any order. Returns NULL, or the promise that is
 * broken first; then exploration_trace() tells by which way.
 */
const char *exploration_run(struct exploration *exploration, const struct model *model, unsigned faults);

/* The whole way to the violation, one line an event. Owned by the caller. */
char *exploration_trace(const struct exploration *exploration);

size_t exploration_states(const struct exploration *exploration); /* of the latest run */
/* Ends of the latest run: how many closed states by the phase that closed them. */
size_t exploration_ends(const struct exploration *exploration, enum phase phase);
