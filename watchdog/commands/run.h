#pragma once

/* The commands that run a transaction: upgrade, recover, rollback. */

#include <stdbool.h>

#include "watchdog/transaction/supervisor.h"

struct run {
    const char *config_directory, *state_directory;
    const char *app; /* name, or a path that ends in .conf */
    bool json;       /* one value on standard output, what a person watches on standard error */
    bool again;      /* upgrade: also to a release that is known to be bad */
    bool yes;        /* rollback: without asking */
    const char *id;  /* rollback: to this snapshot; NULL: the newest */
};

/* Each returns the process's exit status. */
enum exit_code run_upgrade(const struct run *run);
enum exit_code run_recover(const struct run *run);
enum exit_code run_rollback(const struct run *run);
