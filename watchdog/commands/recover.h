#pragma once

/* recover: finishes what a dead run left. Needs no valid configuration: the transaction has its own. */

#include "watchdog/commands/options.h"
#include "watchdog/transaction/supervisor.h"

/* In this process: of options->app. EXIT_DONE where there is nothing to finish. */
enum exit_code recover_here(const struct options *options);
