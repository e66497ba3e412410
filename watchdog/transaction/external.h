#pragma once

/* What must hold for a database server that is no service of the project ([Database] Url=). */

#include "watchdog/database/finding.h"
#include "watchdog/transaction/context.h"

/*
 * How it is reached, and with which programs, as findings. Adds to @addresses (as preconditions_addresses()
 * made it) the one that the server sees this host at: the application's sessions come from there, too.
 * @context has its maintenance session.
 */
int external_look(struct context *context, struct finding **findings, size_t *count, char ***addresses,
                  struct error *err);
