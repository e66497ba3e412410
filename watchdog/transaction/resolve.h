#pragma once

/* Candidates: what the registry has behind the tags, and how the Compose files would be changed for it. */

#include "watchdog/transaction/context.h"

/*
 * Asks the registry about each service's tag and fills candidates and pins of the record; nothing is pulled.
 * Returns 0 when there is a candidate, 1 when every service runs what its tag stands for, 2 with the reason
 * in *err when the candidate is known to be bad or the registry wants another login, 3 with the reason when
 * it cannot be pinned, or -errno (the registry cannot be reached).
 */
int resolve_candidate(struct context *context, struct error *err);

/* Services that take their image from one scalar can only be pinned to one image: 0, or -ENOTSUP with those
 * that cannot. */
int resolve_check_sharers(struct context *context, struct error *err);
