/* A function in a child of its own. See aside.h. */

#include "watchdog/base/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_TIME USEC_PER_SEC
#define PAUSE (2 * USEC_PER_MSEC)

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER true
#endif
#endif
#ifndef HAS_ADDRESS_SANITIZER
#define HAS_ADDRESS_SANITIZER false
#endif

int aside_start(int (*function)(int fd, void *userdata), void *userdata, struct aside *ret,
                struct error *err) {
    int pipes[2];
    pid_t parent = getpid();
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return error_errno(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(125);
        _exit(function(pipes[1], userdata));
    }
    int number = errno;
    close(pipes[1]);
    if (pid < 0) {
        close(pipes[0]);
        return error_errno(err, number, "cannot start a child");
    }
    *ret = (struct aside){ pid, pipes[0] };
    return 0;
}

/* Returns 0 at its end, else why it has to be ended. */
static int read_all(int fd, usec_t deadline, size_t limit, struct buffer *output) {
    for (size_t taken = 0;;) {
        char piece[16384];
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (deadline_left(deadline) == 0)
            return -ETIME;
        int r = poll(&ready, 1, deadline_poll(deadline));
        if (r == 0)
            continue;
        ssize_t size = r < 0 ? -1 : read(fd, piece, sizeof(piece));
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size < 0 ? -errno : 0;
        taken += (size_t)size;
        if (taken > limit)
            return -EFBIG;
        if (output)
            buffer_append(output, piece, (size_t)size);
    }
}

/* 1 when it is gone. */
static int await(pid_t pid, usec_t deadline, int *ret_status) {
    for (;;) {
        pid_t got = waitpid(pid, ret_status, WNOHANG);
        if (got != 0)
            return got == pid ? 1 : -errno;
        if (!deadline_sleep(deadline, PAUSE))
            return 0;
    }
}

static int judge(int status, struct error *err) {
    if (WIFSIGNALED(status))
        return error_set(err, EPROTO, "a child was ended by signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0) {
        error_set(err, EIO, "a child exited with %d", WEXITSTATUS(status));
        return WEXITSTATUS(status);
    }
    return 0;
}

/* Nothing is killed that somebody else may have reaped: its number may be another process's by now. */
static void end(pid_t pid) {
    int status;
    if (await(pid, 0, &status) != 0)
        return;
    kill(pid, SIGKILL);
    (void)await(pid, deadline_in(END_TIME), &status);
}

static void forget(struct aside *aside) {
    close(aside->fd);
    *aside = (struct aside){ .fd = -1 };
}

int aside_finish(struct aside *aside, usec_t deadline, size_t limit, struct buffer *output,
                 struct error *err) {
    int status = 0, gone = 0, r = read_all(aside->fd, deadline, limit, output);
    if (r == 0 && (gone = await(aside->pid, deadline, &status)) == 0)
        r = -ETIME;
    if (gone == 0)
        end(aside->pid);
    forget(aside);
    if (r == -ETIME)
        return error_set(err, ETIME, "it did not end in its time");
    if (r < 0)
        return error_errno(err, -r, "cannot hear a child out");
    return gone < 0 ? error_errno(err, -gone, "cannot wait for a child") : judge(status, err);
}

void aside_drop(struct aside *aside) {
    if (aside->pid <= 0)
        return;
    end(aside->pid);
    forget(aside);
}

void aside_bound_memory(size_t bytes) {
    struct rlimit memory;
    if (HAS_ADDRESS_SANITIZER || getrlimit(RLIMIT_AS, &memory) < 0 || memory.rlim_max <= bytes)
        return;
    memory.rlim_cur = bytes;
    setrlimit(RLIMIT_AS, &memory);
}
