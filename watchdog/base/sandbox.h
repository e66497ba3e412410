#pragma once

/*
 * What a process gives up before it looks at anything from outside: system calls (seccomp), capabilities,
 * files (Landlock), and for ever the right to gain any of it back (no_new_privs). systemd's own filter (see
 * the unit) lies over it where the unit runs; this one is finer, and there without systemd too.
 *
 * What it does not do: who may speak to the Docker Engine is root to it, whatever it gave up here.
 */

#include <stdbool.h>

#include "watchdog/base/error.h"

/* Each gives up all that those before it do, and more. */
enum sandbox_kind {
    SANDBOX_PROGRAMS, /* runs programs of others (Compose, credential helpers, a probe's command), which
                         inherit it: what a program could miss is refused, and kills none */
    SANDBOX_DATABASE, /* looks through the root directory of the database's container */
    SANDBOX_HOST,     /* looks at the host: disks, processes, everybody's data directories */
    SANDBOX_LOOK,     /* speaks to the Engine and the application, and judges the answer */
    SANDBOX_KINDS
};

struct sandbox {
    enum sandbox_kind kind;
    /* For SANDBOX_LOOK; all may be NULL and are borrowed. */
    const char *socket;    /* stays within reach, whoever owns it: that of the Engine */
    char *const *closed;   /* directories of which nothing can be opened any more */
    char *const *readable; /* but for these files */
};

/*
 * Gives it up: for this process and all that it starts. Returns 0, or -ENOTSUP with a sentence where the
 * kernel, or this processor, has no filter for system calls, or no Landlock and @closed is not NULL: then
 * what there is is in force all the same, and the process may go on.
 */
int sandbox_enter(const struct sandbox *sandbox, struct error *err);

/* What of it this kernel lacks, as a sentence for a person; NULL: nothing. Owned by the caller. */
char *sandbox_lacks(void);

/* "programs", "database", "host", "look". */
const char *sandbox_kind_name(enum sandbox_kind kind);
