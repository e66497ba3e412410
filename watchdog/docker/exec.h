#pragma once

/*
 * A program inside a running container, with standard input and both output streams, in constant memory.
 *
 * The connection's end is not the program's end: the exit code is asked for until the daemon says that it
 * does not run any more. A connection that breaks is an error, never an exit code.
 */

#include "watchdog/docker/engine.h"

/* In the environment of whatever is run by engine_exec(), so that what a dead run left can be found. */
#define EXEC_MARK "UPGRADE_WATCHDOG_EXEC"

struct exec {
    const char *container; /* id or name */
    char *const *argv;
    char *const *environment; /* "NAME=value", in addition to the container's own; NULL: none. Kept in memory
                                 of the daemon: the one way to give a password */
    const char *user;         /* NULL: the container's own */
    const char *directory;    /* NULL: the container's own */
    /* Standard input: fills @buffer, returns the number of bytes, 0 at its end (then closed), or -errno to
     * give up. NULL: none. Must not block for long. */
    int (*on_input)(void *userdata, char *buffer, size_t size);
    /* Standard output as it comes, in blocks of any size; returns 0, or -errno to give up. NULL: thrown away.
     */
    int (*on_output)(void *userdata, const char *data, size_t size);
    void *userdata;
    size_t errors_limit; /* bytes kept of standard error's end; 0: 64 KiB */
    usec_t deadline;
};

/*
 * Runs it to its end. Returns 0 with @ret_exit its exit code (126, 127: it could not be started, as Docker
 * says) and @ret_errors (may be NULL) the end of standard error, owned by the caller. Or an error of
 * engine.h, -EEXIST when the container does not run, -ETIME at the deadline, or what a callback returned; in
 * these three cases the program is killed (SIGKILL), since it would run on by itself.
 */
int engine_exec(struct engine *engine, const struct exec *exec, int *ret_exit, char **ret_errors,
                struct error *err);

/*
 * The short form: no input, output kept up to 1 MiB (-EFBIG above), owned by the caller. An exit code other
 * than 0 is -EPROTO with the last line of standard error.
 */
int engine_exec_output(struct engine *engine, const char *container, char *const *argv, usec_t deadline,
                       char **ret_output, struct error *err);

/*
 * Ends what earlier runs of this program left running inside a container (see EXEC_MARK) and waits for it.
 * Returns how many there were, or an error.
 */
int engine_execs_end(struct engine *engine, const char *container, usec_t deadline, struct error *err);
