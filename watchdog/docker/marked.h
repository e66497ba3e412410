#pragma once

/* Inside this directory only: processes on the host that descend from an exec of ours, known by EXEC_MARK in
 * their environment. The Engine's API has no way to end an exec. */

#include <sys/types.h>

/*
 * Sends SIGKILL to each process that has EXEC_MARK=@mark in its environment (@mark NULL: any value) and is in
 * the pid namespace of the process @inside. Returns how many there were.
 */
int marked_kill(pid_t inside, const char *mark);
