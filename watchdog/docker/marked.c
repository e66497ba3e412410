/* Processes of our execs. See marked.h. */

#include "watchdog/docker/marked.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/exec.h"

#define ENVIRONMENT_LIMIT ((size_t)4 * 1024 * 1024)

static bool same_namespace(pid_t a, pid_t b) {
    char paths[2][64], links[2][64] = { { 0 } };
    snprintf(paths[0], sizeof(paths[0]), "/proc/%d/ns/pid", a);
    snprintf(paths[1], sizeof(paths[1]), "/proc/%d/ns/pid", b);
    for (int i = 0; i < 2; i++)
        if (readlink(paths[i], links[i], sizeof(links[i]) - 1) <= 0)
            return false;
    return strcmp(links[0], links[1]) == 0;
}

static bool is_marked(pid_t pid, const char *mark) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    _cleanup_free_ char *environment = NULL;
    size_t size = 0;
    if (file_read(AT_FDCWD, path, ENVIRONMENT_LIMIT, &environment, &size, NULL) < 0)
        return false;
    _cleanup_free_ char *wanted = xasprintf("%s=%s", EXEC_MARK, mark ? mark : "");
    for (size_t at = 0; at < size; at += strlen(environment + at) + 1)
        if (mark ? strcmp(environment + at, wanted) == 0 : string_starts_with(environment + at, wanted))
            return true;
    return false;
}

/* By a descriptor that was opened before the looks: the number may have passed to another process since. */
static bool kill_if_marked(pid_t pid, pid_t inside, const char *mark) {
    _cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0U);
    if (fd < 0 || !same_namespace(pid, inside) || !is_marked(pid, mark))
        return false;
    return syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0U) == 0;
}

static int marked_kill(pid_t inside, const char *mark) {
    if (inside <= 0)
        return 0;
    DIR *directory = opendir("/proc");
    if (!directory)
        return 0;
    int killed = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (isdigit((unsigned char)entry->d_name[0]) && !*end && pid > 1 && pid < INT_MAX)
            killed += kill_if_marked((pid_t)pid, inside, mark);
    }
    closedir(directory);
    return killed;
}

int marked_end(pid_t inside, const char *mark, usec_t deadline) {
    int first = marked_kill(inside, mark);
    for (int again = first; again > 0; again = marked_kill(inside, mark)) /* one may just have forked */
        if (!deadline_sleep(deadline, 5 * USEC_PER_MSEC))
            return -ETIME;
    return first;
}
