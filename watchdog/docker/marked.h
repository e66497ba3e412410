#pragma once

/* Inside this directory only: processes on the host that descend from an exec of ours, known by EXEC_MARK in
 * their environment. The Engine's API has no way to end an exec. */

#include <sys/types.h>

#include "watchdog/base/clock.h"

/*
 * Sends SIGKILL to each process that has EXEC_MARK=@mark in its environment (@mark NULL: any value) and is in
 * the pid namespace of the process @inside, until there is none left. Returns how many there were at first,
 * or -ETIME.
 */
int marked_end(pid_t inside, const char *mark, usec_t deadline);
