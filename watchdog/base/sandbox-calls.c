/*
 * Which system calls a process gives up, and why. The table names what is dropped, not what is left: the
 * libraries that look (curl, libpq, jq, PCRE2, the resolver's plug-ins) call what they like, and newer
 * versions of them something else.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/sandbox-self.h"

#define PROGRAMS (1U << SANDBOX_PROGRAMS)
#define DATABASE (1U << SANDBOX_DATABASE)
#define HOST (1U << SANDBOX_HOST)
#define LOOK (1U << SANDBOX_LOOK)
#define LOOKS (DATABASE | HOST | LOOK)
#define ALL (PROGRAMS | LOOKS)

/* What only somebody who has taken a process over would call ends it (SIGSYS); the rest fails. */
static const struct group {
    const char *reason;
    unsigned killed, refused; /* in these kinds */
    int number;               /* what a refused call fails with */
    const char *const *calls;
} groups[] = {
    { "the machine is not ours to change", .killed = ALL,
      .calls = (const char *const[]){ "init_module", "finit_module", "delete_module", "kexec_load",
                                      "kexec_file_load", "reboot", "swapon", "swapoff", "iopl", "ioperm",
                                      "acct", NULL } },
    { "the clock is looked at, never set", .refused = ALL, .number = EPERM,
      .calls = (const char *const[]){ "settimeofday", "clock_settime", "clock_settime64", "stime", NULL } },
    { "nothing is mounted, and no other root is wanted", .killed = LOOKS, .refused = PROGRAMS,
      .number = EPERM,
      .calls =
          (const char *const[]){ "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount",
                                 "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick",
                                 "mount_setattr", "open_by_handle_at", "fanotify_init", NULL } },
    { "new namespaces show much of the kernel to who is root in them, other's are not entered",
      .killed = LOOKS, .refused = PROGRAMS, .number = EPERM,
      .calls = (const char *const[]){ "unshare", "setns", NULL } },
    { "no process reads or leads another's memory, nor the kernel's", .killed = LOOKS, .refused = PROGRAMS,
      .number = EPERM,
      .calls = (const char *const[]){ "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
                                      "pidfd_getfd", "kcmp", "bpf", "perf_event_open", "userfaultfd",
                                      "lookup_dcookie", NULL } },
    { "no key ring of the kernel is used; Kerberos tries, and does without", .refused = ALL, .number = EPERM,
      .calls = (const char *const[]){ "add_key", "request_key", "keyctl", NULL } },
    { "a ring's calls would go past this filter; event loops try it, and do without", .refused = ALL,
      .number = EPERM,
      .calls = (const char *const[]){ "io_uring_setup", "io_uring_enter", "io_uring_register", NULL } },
    { "its flags lie in memory, where a filter cannot see them: clone is used instead", .refused = ALL,
      .number = ENOSYS, .calls = (const char *const[]){ "clone3", NULL } },
    { "a look runs no program", .killed = LOOKS,
      .calls = (const char *const[]){ "execve", "execveat", NULL } },
    { "a look serves nobody", .refused = LOOKS, .number = EPERM,
      .calls = (const char *const[]){ "listen", "accept", "accept4", NULL } },
    { "a look is who it is", .refused = LOOKS, .number = EPERM,
      .calls = (const char *const[]){ "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
                                      "setfsuid", "setfsgid", "setgroups", "capset", "personality", NULL } },
    { "a look changes no file", .refused = LOOKS, .number = EPERM,
      .calls =
          (const char *const[]){
              "creat",        "truncate",    "unlink",       "unlinkat",     "rename",     "renameat",
              "renameat2",    "link",        "linkat",       "symlink",      "symlinkat",  "mkdir",
              "mkdirat",      "rmdir",       "mknod",        "mknodat",      "chmod",      "fchmod",
              "fchmodat",     "fchmodat2",   "chown",        "fchown",       "lchown",     "fchownat",
              "utime",        "utimes",      "futimesat",    "utimensat",    "setxattr",   "lsetxattr",
              "fsetxattr",    "removexattr", "lremovexattr", "fremovexattr", "setxattrat", "removexattrat",
              "file_setattr", NULL } },
    { "its flags lie in memory too; the way into the database's container needs it", .refused = HOST | LOOK,
      .number = ENOSYS, .calls = (const char *const[]){ "openat2", NULL } },
};

/* The same for what depends on an argument: @number where (argument & mask) == value. */
static const struct part {
    const char *reason;
    unsigned killed, refused;
    const char *call;
    unsigned argument;
    uint64_t mask, value;
} parts[] = {
#define NEW_NAMESPACE(flag)                                                                                  \
    { "as unshare", LOOKS, PROGRAMS, "clone", 0, (flag), (flag) }
    NEW_NAMESPACE(CLONE_NEWNS),
    NEW_NAMESPACE(CLONE_NEWCGROUP),
    NEW_NAMESPACE(CLONE_NEWUTS),
    NEW_NAMESPACE(CLONE_NEWIPC),
    NEW_NAMESPACE(CLONE_NEWUSER),
    NEW_NAMESPACE(CLONE_NEWPID),
    NEW_NAMESPACE(CLONE_NEWNET),
#define NO_WRITING(call, argument, mask, value)                                                              \
    { "a look changes no file", 0, LOOKS, call, argument, mask, value }
    NO_WRITING("open", 1, O_ACCMODE, O_WRONLY),
    NO_WRITING("open", 1, O_ACCMODE, O_RDWR),
    NO_WRITING("open", 1, O_CREAT, O_CREAT),
    NO_WRITING("open", 1, O_TRUNC, O_TRUNC),
    NO_WRITING("openat", 2, O_ACCMODE, O_WRONLY),
    NO_WRITING("openat", 2, O_ACCMODE, O_RDWR),
    NO_WRITING("openat", 2, O_CREAT, O_CREAT),
    NO_WRITING("openat", 2, O_TRUNC, O_TRUNC),
    /* the upper half of the argument means nothing to the kernel */
    { "types into the terminal of whoever started it", 0, ALL, "ioctl", 1, UINT32_MAX, TIOCSTI },
};

static uint32_t action_of(enum sandbox_kind kind, unsigned killed, unsigned refused, int number) {
    return killed & (1U << kind)    ? SCMP_ACT_KILL_PROCESS
           : refused & (1U << kind) ? SCMP_ACT_ERRNO((uint32_t)number)
                                    : SCMP_ACT_ALLOW;
}

/* Names that this version of the library, or this processor, does not know are left out. */
static int add_rules(scmp_filter_ctx filter, enum sandbox_kind kind) {
    int r = 0;
    for (size_t i = 0; i < ELEMENTS(groups) && r >= 0; i++) {
        uint32_t action = action_of(kind, groups[i].killed, groups[i].refused, groups[i].number);
        for (const char *const *call = groups[i].calls; *call && action != SCMP_ACT_ALLOW && r >= 0; call++) {
            int number = seccomp_syscall_resolve_name(*call);
            r = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, number, 0);
        }
    }
    for (size_t i = 0; i < ELEMENTS(parts) && r >= 0; i++) {
        uint32_t action = action_of(kind, parts[i].killed, parts[i].refused, EPERM);
        int number = seccomp_syscall_resolve_name(parts[i].call);
        if (action != SCMP_ACT_ALLOW && number != __NR_SCMP_ERROR)
            r = seccomp_rule_add(
                filter, action, number, 1,
                SCMP_CMP(parts[i].argument, SCMP_CMP_MASKED_EQ, parts[i].mask, parts[i].value));
    }
    return r;
}

static bool is_known_processor(void) {
    return seccomp_arch_native() == SCMP_ARCH_X86_64 || seccomp_arch_native() == SCMP_ARCH_AARCH64;
}

/* Asked without setting one. */
bool sandbox_calls_supported(void) {
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return is_known_processor() && syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int sandbox_calls(enum sandbox_kind kind, struct error *err) {
    if (!is_known_processor())
        return error_set(err, ENOTSUP, "there is no filter of system calls for this processor");
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return error_set(err, ENOTSUP, "there is no filter of system calls here");
    /* Another processor's numbers (32 bit) would mean other calls. */
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    /* A look that wants what it should not is worth a line in the kernel's log; of programs it is known. */
    if (r >= 0 && kind != SANDBOX_PROGRAMS)
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    if (r >= 0)
        r = add_rules(filter, kind);
    if (r >= 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r < 0 ? error_errno(err, ENOTSUP, "the filter of system calls cannot be set (%d)", -r) : 0;
}
