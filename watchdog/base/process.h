#pragma once

/*
 * Other programs: an argument vector, no shell, a deadline, bounded output. The child dies with its parent
 * (PR_SET_PDEATHSIG) and runs in a process group of its own, which is killed whole at the deadline.
 */

#include <stddef.h>
#include <sys/types.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"

struct process {
    char *const *argv;        /* argv[0] is looked for in PATH */
    char *const *environment; /* NULL: this process's own */
    const char *directory;    /* NULL: this process's own */
    const char *input;        /* given on standard input; NULL: @input_fd, or /dev/null */
    int input_fd;             /* becomes standard input, stays the caller's; 0 and below: none */
    usec_t deadline;          /* on clock_boottime() */
    size_t
        output_limit; /* bytes kept of each stream (the beginning of output, the end of errors); 0: 1 MiB */
    void (*on_output)(void *userdata, const char *data,
                      size_t size); /* called with standard output as it comes */
    void (*on_errors)(void *userdata, const char *data,
                      size_t size); /* called with standard error as it comes */
    void *userdata;
};

struct process_result {
    int status; /* as of waitpid(2) */
    struct buffer output;
    struct buffer errors;
};

void process_result_done(struct process_result *result);
#define _cleanup_process_result_ __attribute__((cleanup(process_result_done)))

/* Runs it to its end. Returns 0 when it exited with 0, the positive exit status when not, -ETIME when it was
 * killed at the deadline, -EPROTO when a signal ended it, or the errno of not being able to start it. *err is
 * set in every case but 0, and holds the last line of standard error. */
int process_run(const struct process *process, struct process_result *ret, struct error *err);

/* SIGKILL for every descendant of @pid that there is at this moment, but not for itself: also those that went
 * into a process group or session of their own. Returns how many there were. */
size_t process_kill_descendants(pid_t pid);

/* A child that goes on while the caller does something else. */
struct process_child {
    pid_t pid; /* 0: none */
    int output_fd, errors_fd;
    struct buffer output, errors;
    size_t output_limit;
};
int process_start(const struct process *process, struct process_child *ret, struct error *err);
/* Reads what is there without waiting. Returns 1 while it runs; else as process_run(), and the child is done.
 */
int process_poll(struct process_child *child, struct error *err);
/* SIGTERM to the group, SIGKILL after @grace; reaped in any case. */
void process_stop(struct process_child *child, usec_t grace);
