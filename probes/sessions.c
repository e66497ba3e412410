/* Sessions by process titles. See sessions.h. */

#include "probes/sessions.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define TITLE_LIMIT 4096

size_t session_address(const char *title, const char **ret) {
    static const char local[] = " [local]";
    if (!string_starts_with(title, "postgres: "))
        return 0;
    const char *found = strstr(title, local);
    if (found) {
        *ret = found + 1;
        return strlen(local) - 1;
    }
    for (const char *at = strchr(title, '('); at; at = strchr(at + 1, '(')) {
        size_t digits = strspn(at + 1, "0123456789"), size = 0;
        if (!digits || at[1 + digits] != ')')
            continue;
        while (at - size > title &&
               (isxdigit((unsigned char)at[-1 - (ptrdiff_t)size]) || strchr(".:", at[-1 - (ptrdiff_t)size])))
            size++;
        *ret = at - size;
        return size;
    }
    return 0;
}

static bool has_address(const struct container *container, const char *address, size_t size) {
    const char *name;
    const json_t *network;
    json_object_foreach((json_t *)json_path(container->inspect, "NetworkSettings.Networks"), name, network) {
        const char *own[] = { json_get_string(network, "IPAddress", ""),
                              json_get_string(network, "GlobalIPv6Address", "") };
        for (size_t i = 0; i < ELEMENTS(own); i++)
            if (strlen(own[i]) == size && strncmp(own[i], address, size) == 0)
                return true;
    }
    return false;
}

/* One client's session: whose is it? */
static void count_one(const struct container *containers, size_t count, const struct container *database,
                      const char *title, size_t *of, struct session_count *ret) {
    const char *address;
    size_t size = session_address(title, &address);
    if (!size)
        return;
    ret->total++;
    for (size_t i = 0; i < count; i++) {
        if (string_equal(containers[i].service, database->service) ||
            !has_address(&containers[i], address, size))
            continue;
        ret->application++;
        if (++of[i] > ret->of_service) {
            ret->of_service = of[i];
            ret->service = containers[i].service;
        }
        return;
    }
}

static bool is_inside(const char *pid, const struct stat *namespace) {
    _cleanup_free_ char *path = xasprintf("/proc/%s/ns/pid", pid);
    struct stat other;
    return stat(path, &other) == 0 && other.st_ino == namespace->st_ino && other.st_dev == namespace->st_dev;
}

int sessions_count(const struct container *containers, size_t count, const struct container *database,
                   struct session_count *ret, struct error *err) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/ns/pid", (int)database->pid);
    struct stat namespace;
    if (database->pid <= 0 || stat(path, &namespace) < 0)
        return error_set(err, ESRCH, "the processes of \"%s\" cannot be seen", database->name);
    DIR *processes = opendir("/proc");
    if (!processes)
        return error_errno(err, errno, "cannot read /proc");
    size_t *of = xcalloc(count ? count : 1, sizeof(*of));
    *ret = (struct session_count){ 0 };
    for (struct dirent *entry; (entry = readdir(processes));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !is_inside(entry->d_name, &namespace))
            continue;
        _cleanup_free_ char *file = xasprintf("/proc/%s/cmdline", entry->d_name), *title = NULL;
        if (file_read(AT_FDCWD, file, TITLE_LIMIT, &title, NULL, NULL) == 0)
            count_one(containers, count, database, title, of, ret);
    }
    closedir(processes);
    free(of);
    return ret->total > 0 ? 0 : error_set(err, ESRCH, "no session of \"%s\" can be seen", database->name);
}
