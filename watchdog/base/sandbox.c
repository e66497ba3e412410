/* Giving up what is not needed. See sandbox.h. */

#include "watchdog/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/sandbox-self.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))
#define ALL_CAPABILITIES UINT64_MAX

/* What stays of the capabilities that the process has. As root it needs none for what is root's: the Engine's
 * socket, its own credentials, /proc of processes without privileges. */
static const uint64_t kept[SANDBOX_KINDS] = {
    /* the programs' own business; the unit bounds them */
    [SANDBOX_PROGRAMS] = ALL_CAPABILITIES,
    /* /proc/PID/root of the database's container, and its socket there, whose owner is another */
    [SANDBOX_DATABASE] =
        CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH),
    /* sizes below data directories of any owner */
    [SANDBOX_HOST] = CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH),
    [SANDBOX_LOOK] = 0,
};

static const char *const names[SANDBOX_KINDS] = {
    [SANDBOX_PROGRAMS] = "programs",
    [SANDBOX_DATABASE] = "database",
    [SANDBOX_HOST] = "host",
    [SANDBOX_LOOK] = "look",
};

const char *sandbox_kind_name(enum sandbox_kind kind) {
    return names[kind];
}

static int keep_capabilities(uint64_t effective, uint64_t permitted) {
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2], had[2];
    if (syscall(SYS_capget, &header, had) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        data[i] = (struct __user_cap_data_struct){
            .effective = had[i].permitted & (uint32_t)(effective >> (32 * i)),
            .permitted = had[i].permitted & (uint32_t)(permitted >> (32 * i)),
        };
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* The Engine of a user without privileges has its socket in a directory that is closed even to root without
 * CAP_DAC_OVERRIDE. */
static int drop_capabilities(enum sandbox_kind kind, const char *socket) {
    uint64_t stay = kept[kind];
    if (stay == ALL_CAPABILITIES)
        return 0;
    int r = keep_capabilities(stay, ALL_CAPABILITIES);
    if (r == 0 && socket && faccessat(AT_FDCWD, socket, W_OK, AT_EACCESS) < 0 && errno == EACCES)
        stay |= CAPABILITY(CAP_DAC_OVERRIDE);
    return r < 0 ? r : keep_capabilities(stay, stay);
}

int sandbox_enter(const struct sandbox *sandbox, struct error *err) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_errno(err, ENOTSUP, "this kernel cannot keep a process from gaining privileges");
    int number = drop_capabilities(sandbox->kind, sandbox->socket), r = 0;
    if (number < 0)
        r = error_set(err, ENOTSUP, "capabilities cannot be given up: %s", strerror(-number));
    /* before the system calls for it are gone */
    if (sandbox->kind == SANDBOX_LOOK && sandbox->closed) {
        int files = sandbox_files(sandbox->closed, sandbox->readable, err);
        r = r < 0 ? r : files;
    }
    int calls = sandbox_calls(sandbox->kind, err);
    return r < 0 ? r : calls;
}

char *sandbox_lacks(void) {
    bool calls = sandbox_calls_supported(), files = sandbox_files_supported();
    if (calls && files)
        return NULL;
    return xasprintf("this host has no %s%s%s: %s", calls ? "" : "filter for system calls (seccomp)",
                     calls || files ? "" : " and no ", files ? "" : "Landlock",
                     calls ? "probes could read credentials that are not theirs"
                           : "workers and probes keep rights that they do not need");
}
