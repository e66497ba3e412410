#pragma once

/*
 * A function of this program in a child of its own, for what may block or crash (a damaged file that is
 * mapped, a directory on a server that does not answer): the child dies with its parent, and can be killed at
 * a deadline. Only for a process that has no threads.
 */

#include <sys/types.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"

struct aside {
    pid_t pid; /* 0: none */
    int fd;    /* what it writes; -1: none */
};

/* Begins @function, which writes what it has to say to @fd, with write_all(); what it returns is the child's
 * exit status. It may change memory as it likes: none of that is seen here. */
int aside_start(int (*function)(int fd, void *userdata), void *userdata, struct aside *ret,
                struct error *err);

/* Waits for its end, and adds what it wrote to @output (may be NULL), at most @limit bytes, also when it was
 * killed. Returns 0 or the positive exit status, -ETIME when it was killed at the deadline, -EFBIG when it
 * was killed at the limit, -EPROTO when a signal ended it, -ECHILD when somebody else has reaped it; *err is
 * set in every case but 0. The child is gone afterwards, but for one that the kernel does not let die: that
 * is not awaited. */
int aside_finish(struct aside *aside, usec_t deadline, size_t limit, struct buffer *output,
                 struct error *err);

/* Bounds the address space of this process, a child: who wants more gets an abort. The soft limit alone, so
 * that a program that is run from here can be given more; nothing under a sanitizer, to which address space
 * means nothing. */
void aside_bound_memory(size_t bytes);

/* Ends it at once, where there is one. */
void aside_drop(struct aside *aside);
