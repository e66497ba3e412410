#pragma once

/* Every precondition of an upgrade: the same for `check` and for the preflight of a transaction. */

#include "watchdog/database/preconditions.h"
#include "watchdog/transaction/context.h"

/* Bytes per second of the last clone, 0: none was measured. @state may be NULL. */
uint64_t checks_clone_speed(const struct state *state);

/*
 * Looks at all of them after inspect_application(), and appends a finding each. Changes nothing. Returns 0;
 * whether an upgrade could run is in the findings: all are ok, or advisory. -errno when a look itself failed.
 */
int checks_run(struct context *context, struct finding **ret, size_t *ret_count, struct error *err);
