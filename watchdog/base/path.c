/* Paths of the host. See path.h. */

#include "watchdog/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/memory.h"

#define LINKS 40 /* as many as the kernel follows */

static void to_parent(char *path) {
    char *slash = strrchr(path, '/');
    slash[slash == path] = '\0';
}

/* Where the symbolic link @path leads, absolute; NULL when it is none. */
static char *target_of(const char *path) {
    char target[PATH_MAX];
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    if (size <= 0)
        return NULL;
    target[size] = '\0';
    _cleanup_free_ char *parent = xstrdup(path);
    to_parent(parent);
    return *target == '/' ? xstrdup(target) : xasprintf("%s/%s", parent, target);
}

int path_real(const char *path, char **ret) {
    _cleanup_free_ char *whole = xstrdup(path), *there = xstrdup(path);
    for (int links = 0;;) {
        const char *rest = whole + strlen(there);
        _cleanup_free_ char *real = realpath(*there ? there : "/", NULL);
        if (real) {
            *ret = xasprintf("%s%s", real, rest + (*rest == '/' && string_equal(real, "/")));
            return 0;
        }
        char *slash = strrchr(there, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || !slash)
            return -errno;
        _cleanup_free_ char *target = target_of(there); /* one that leads nowhere at present */
        if (!target) {
            *slash = '\0';
            continue;
        }
        if (++links > LINKS)
            return -ELOOP;
        replace_string(whole, xasprintf("%s%s", target, rest));
        replace_string(there, take_ptr(target));
    }
}

/* Only directories are asked: files of an overlay may show devices of its layers. */
static int nearest_directory(const char *real, char **ret, struct stat *ret_status) {
    _cleanup_free_ char *found = xstrdup(real);
    int r;
    while (((r = stat(found, ret_status)) < 0 && (errno == ENOENT || errno == ENOTDIR)) ||
           (r == 0 && !S_ISDIR(ret_status->st_mode)))
        to_parent(found);
    if (r < 0)
        return -errno;
    *ret = take_ptr(found);
    return 0;
}

/* Whether something is mounted there, -ENOTSUP where the kernel does not say (before Linux 5.8). */
static int look_at_mount(const char *path, uint64_t *ret_inode) {
    struct statx status;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &status) < 0)
        return -errno;
    *ret_inode = status.stx_ino;
    if (!(status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
        return -ENOTSUP;
    return status.stx_attributes & STATX_ATTR_MOUNT_ROOT ? 1 : 0;
}

int path_mount(const char *real, char **ret, uint64_t *ret_inode) {
    _cleanup_free_ char *found = NULL;
    struct stat status;
    uint64_t inode;
    int r = nearest_directory(real, &found, &status);
    if (r < 0)
        return r;
    while ((r = look_at_mount(found, &inode)) == 0 && !string_equal(found, "/"))
        to_parent(found);
    if (r < 0)
        return r;
    *ret = take_ptr(found);
    *ret_inode = inode;
    return 0;
}

int path_is_mount(const char *path, uint64_t inode) {
    uint64_t there;
    int r = look_at_mount(path, &there);
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    return r < 0 ? r : r > 0 || there == inode;
}

int path_file_system(const char *real, char **ret) {
    _cleanup_free_ char *found = NULL;
    struct stat status, above;
    int r = nearest_directory(real, &found, &status);
    if (r < 0)
        return r;
    while (!string_equal(found, "/")) {
        _cleanup_free_ char *parent = xstrdup(found);
        to_parent(parent);
        if (stat(parent, &above) < 0)
            return -errno;
        if (above.st_dev != status.st_dev)
            break;
        replace_string(found, take_ptr(parent));
    }
    *ret = take_ptr(found);
    return 0;
}

bool path_covers(const char *directory, const char *path) {
    size_t size = strlen(directory);
    if (size > 0 && directory[size - 1] == '/') /* the root */
        return strncmp(path, directory, size) == 0;
    return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}
