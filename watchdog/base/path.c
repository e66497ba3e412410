/* Paths of the host. See path.h. */

#include "watchdog/base/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/memory.h"

int path_real(const char *path, char **ret) {
    _cleanup_free_ char *there = xstrdup(path);
    for (;;) {
        _cleanup_free_ char *real = realpath(*there ? there : "/", NULL);
        if (real) {
            const char *rest = path + strlen(there);
            rest += *rest == '/' && string_equal(real, "/");
            *ret = xasprintf("%s%s", real, rest);
            return 0;
        }
        char *slash = strrchr(there, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || !slash)
            return -errno;
        *slash = '\0';
    }
}

bool path_covers(const char *directory, const char *path) {
    size_t size = strlen(directory);
    if (size > 0 && directory[size - 1] == '/') /* the root */
        return strncmp(path, directory, size) == 0;
    return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}
