/* PostgreSQL's programs on this host. See programs-host.h. */

#include "watchdog/database/programs-host.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watchdog/base/process.h"

#define ERRORS_LIMIT ((size_t)64 * 1024)
#define BLOCK 65536

extern char **environ;

struct run {
    const struct program_call *call;
    struct process_child child;
    int input; /* our end of its standard input; -1: closed */
    char block[BLOCK];
    size_t size, used; /* of the input */
};

static char **environment(const struct program_call *call) {
    char **list = NULL;
    for (char **variable = environ; variable && *variable; variable++)
        if (!string_starts_with(*variable, "PG"))
            strings_append(&list, *variable);
    for (char *const *variable = call->environment; variable && *variable; variable++)
        strings_append(&list, *variable);
    return list;
}

static void close_input(struct run *run) {
    if (run->input >= 0)
        close(run->input);
    run->input = -1;
}

/* A program that has ended without reading on: its exit status tells. */
static int give(struct run *run, struct error *err) {
    if (run->used == run->size) {
        int size = run->call->on_input(run->call->userdata, run->block, sizeof(run->block));
        if (size < 0)
            return error_errno(err, -size, "the input of the program could not be had");
        run->used = 0;
        run->size = (size_t)size;
        if (size == 0) {
            close_input(run);
            return 0;
        }
    }
    ssize_t sent =
        send(run->input, run->block + run->used, run->size - run->used, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
        run->used += (size_t)sent;
    else if (errno == EPIPE || errno == ECONNRESET)
        close_input(run);
    else if (errno != EAGAIN && errno != EINTR)
        return error_errno(err, errno, "cannot write to the program");
    return 0;
}

/* One block of a stream, if there is one: keeps the end of the errors, hands on the output. */
static int take(struct run *run, int *fd, bool is_errors, struct error *err) {
    char block[BLOCK];
    ssize_t size = read(*fd, block, sizeof(block));
    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? 0
                                                 : error_errno(err, errno, "cannot read from the program");
    if (size == 0) {
        close(*fd);
        *fd = -1;
        return 0;
    }
    if (is_errors) {
        struct buffer *errors = &run->child.errors;
        buffer_append(errors, block, (size_t)size);
        if (errors->size > 2 * ERRORS_LIMIT) {
            memmove(errors->text, errors->text + errors->size - ERRORS_LIMIT, ERRORS_LIMIT + 1);
            errors->size = ERRORS_LIMIT;
        }
        return 0;
    }
    int r = run->call->on_output ? run->call->on_output(run->call->userdata, block, (size_t)size) : 0;
    return r < 0 ? error_errno(err, -r, "what the program wrote was not taken") : 0;
}

static int late(const struct run *run, struct error *err) {
    return error_set(err, ETIME, "\"%s\" did not end in time", run->call->argv[0]);
}

static int exchange(struct run *run, struct error *err) {
    int r = 0;
    while (r == 0 && (run->child.output_fd >= 0 || run->child.errors_fd >= 0)) {
        struct pollfd fds[] = { { run->child.output_fd, POLLIN, 0 },
                                { run->child.errors_fd, POLLIN, 0 },
                                { run->input, POLLOUT, 0 } };
        int ready = poll(fds, 3, deadline_poll(run->call->deadline));
        if (ready == 0 || deadline_left(run->call->deadline) == 0)
            return late(run, err);
        if (ready < 0)
            continue;
        if (fds[0].revents)
            r = take(run, &run->child.output_fd, false, err);
        if (r == 0 && fds[1].revents)
            r = take(run, &run->child.errors_fd, true, err);
        if (r == 0 && fds[2].revents)
            r = give(run, err);
    }
    return r;
}

static int reap(struct run *run, int *ret_exit, struct error *err) {
    int status;
    pid_t pid;
    while ((pid = waitpid(run->child.pid, &status, WNOHANG)) == 0)
        if (!deadline_sleep(run->call->deadline, USEC_PER_MSEC))
            return late(run, err);
    run->child.pid = 0;
    *ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

static int start(struct run *run, struct error *err) {
    int ends[2] = { -1, -1 };
    _cleanup_strings_ char **variables = environment(run->call);
    if (run->call->on_input && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(err, errno, "cannot make a socket");
    const struct process process = {
        .argv = run->call->argv, .environment = variables, .directory = "/", .input_fd = ends[1]
    };
    run->input = ends[0];
    int r = process_start(&process, &run->child, err);
    if (ends[1] >= 0)
        close(ends[1]);
    return r;
}

int programs_run_on_host(void *context, const struct program_call *call, int *ret_exit, char **ret_errors,
                         struct error *err) {
    (void)context;
    struct run run = { .call = call, .input = -1, .child = { .output_fd = -1, .errors_fd = -1 } };
    int r = start(&run, err);
    if (r >= 0)
        r = exchange(&run, err);
    if (r >= 0)
        r = reap(&run, ret_exit, err);
    close_input(&run);
    if (r >= 0 && ret_errors)
        *ret_errors = buffer_take(&run.child.errors);
    process_stop(&run.child, 0);
    buffer_done(&run.child.errors);
    for (int i = 0; i < 2; i++) {
        int fd = i ? run.child.errors_fd : run.child.output_fd;
        if (fd >= 0)
            close(fd);
    }
    return r;
}
