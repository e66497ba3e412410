/* Opening below a root. See beneath.h. */

#include "watchdog/snapshot/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watchdog/base/memory.h"

/* What one call takes is PATH_MAX with its NUL; a tree can be deeper. */
#define PIECE 4000

static int open_directory(int fd, const char *path) {
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    for (;;) {
        int opened = (int)syscall(SYS_openat2, fd, path, &how, sizeof(how));
        /* EAGAIN: a rename elsewhere made the kernel unsure whether it is still beneath. */
        if (opened >= 0 || (errno != EINTR && errno != EAGAIN))
            return opened < 0 ? -errno : opened;
    }
}

int beneath_directory(struct beneath *root, const char *path) {
    if (root->file)
        return -ENOTDIR;
    if (!*path)
        return open_directory(root->fd, ".");
    int fd = -1;
    while (strlen(path) > PIECE) {
        size_t size = PIECE;
        while (size > 0 && path[size] != '/')
            size--;
        if (size == 0)
            size = strcspn(path, "/");
        _cleanup_free_ char *piece = xstrndup(path, size);
        int next = open_directory(fd >= 0 ? fd : root->fd, piece);
        if (fd >= 0)
            close(fd);
        if (next < 0)
            return next;
        fd = next;
        path += size + (path[size] == '/');
    }
    int last = open_directory(fd >= 0 ? fd : root->fd, path);
    if (fd >= 0)
        close(fd);
    return last;
}

void beneath_forget(struct beneath *root) {
    if (root->cached_fd >= 0)
        close(root->cached_fd);
    root->cached_fd = -1;
    replace_string(root->cached, NULL);
}

int beneath_parent(struct beneath *root, const char *path, const char **ret_name) {
    const char *slash = strrchr(path, '/');
    if (!slash) {
        *ret_name = *path ? path : root->file ? root->file : ".";
        return root->file && *path ? -ENOTDIR : root->fd;
    }
    size_t size = (size_t)(slash - path);
    *ret_name = slash + 1;
    if (root->cached && strlen(root->cached) == size && memcmp(root->cached, path, size) == 0)
        return root->cached_fd;
    _cleanup_free_ char *parent = xstrndup(path, size);
    int fd = beneath_directory(root, parent);
    if (fd < 0)
        return fd;
    beneath_forget(root);
    root->cached = take_ptr(parent);
    root->cached_fd = fd;
    return fd;
}

static int open_parent(const char *path, struct beneath *ret, struct error *err) {
    /* The place itself, so that a link to a single file is followed once, here, and never again. */
    _cleanup_free_ char *place = realpath(path, NULL);
    if (!place && errno == ENOENT)
        place = xstrdup(path);
    if (!place)
        return error_errno(err, errno, "cannot find \"%s\"", path);
    char *slash = strrchr(place, '/');
    if (!slash || !slash[1])
        return error_set(err, EINVAL, "\"%s\" is no absolute path of a file", path);
    _cleanup_free_ char *name = xstrdup(slash + 1);
    slash[slash == place] = '\0';
    _cleanup_close_ int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open the directory \"%s\"", place);
    *ret =
        (struct beneath){ .fd = take_fd(fd), .file = take_ptr(name), .path = xstrdup(path), .cached_fd = -1 };
    return 0;
}

int beneath_open(const char *path, struct beneath *ret, struct error *err) {
    struct stat status;
    if (stat(path, &status) < 0)
        return error_errno(err, errno, "cannot find \"%s\"", path);
    if (S_ISREG(status.st_mode))
        return open_parent(path, ret, err);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, EINVAL, "\"%s\" is neither a directory nor a regular file", path);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open the directory \"%s\"", path);
    *ret = (struct beneath){ .fd = take_fd(fd), .path = xstrdup(path), .cached_fd = -1 };
    return 0;
}

int beneath_open_file(const char *path, struct beneath *ret, struct error *err) {
    return open_parent(path, ret, err);
}

void beneath_done(struct beneath *root) {
    beneath_forget(root);
    if (root->fd >= 0)
        close(root->fd);
    free(root->file);
    free(root->path);
    *root = BENEATH_NONE;
}

char *beneath_name(const struct beneath *root, const char *path) {
    return xasprintf("%s%s%s", root->path, *path ? "/" : "", path);
}
