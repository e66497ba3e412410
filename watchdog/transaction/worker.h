#pragma once

/*
 * A worker: this program started again by the supervisor to do one phase, sequentially, and to die with it.
 */

#include "watchdog/transaction/machine.h"

/* The first argument that makes the program a worker, before anything else is parsed. */
#define WORKER_ARGUMENT "--worker"

/* main() of a worker: STATE-DIRECTORY APP PHASE DEADLINE (microseconds of clock_boottime()); the channel is
 * CHANNEL_FD. Returns the process's exit status. */
int worker_main(int argc, char **argv);
