/* Durable files. See durable.h. */

#include "watchdog/base/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/memory.h"

int write_all(int fd, const void *data, size_t size) {
    const char *at = data;
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

static char *parent_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

int durable_sync_parent(int directory_fd, const char *path, struct error *err) {
    _cleanup_free_ char *parent = parent_of(path);
    _cleanup_close_ int fd = openat(directory_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open the directory \"%s\"", parent);
    if (fsync(fd) < 0)
        return error_errno(err, errno, "cannot sync the directory \"%s\"", parent);
    return 0;
}

int durable_write(int directory_fd, const char *path, const void *data, size_t size, mode_t mode,
                  struct error *err) {
    _cleanup_free_ char *temporary = xasprintf("%s.new", path);
    _cleanup_close_ int fd =
        openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return error_errno(err, errno, "cannot create \"%s\"", temporary);
    int r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, data, size);
    if (r >= 0 && fsync(fd) < 0)
        r = -errno;
    if (r >= 0 && renameat(directory_fd, temporary, directory_fd, path) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(directory_fd, temporary, 0);
        return error_errno(err, -r, "cannot write \"%s\"", path);
    }
    return durable_sync_parent(directory_fd, path, err);
}

int durable_mkdir(const char *path, mode_t mode, struct error *err) {
    struct stat status;
    if (stat(path, &status) == 0)
        return S_ISDIR(status.st_mode) ? 0
                                       : error_set(err, ENOTDIR, "\"%s\" is there and is no directory", path);
    if (mkdir(path, mode) < 0) {
        if (errno != ENOENT)
            return error_errno(err, errno, "cannot make the directory \"%s\"", path);
        _cleanup_free_ char *parent = parent_of(path);
        if (string_equal(parent, path) || string_equal(parent, "."))
            return error_errno(err, ENOENT, "cannot make the directory \"%s\"", path);
        int r = durable_mkdir(parent, mode, err);
        if (r < 0)
            return r;
        if (mkdir(path, mode) < 0 && errno != EEXIST)
            return error_errno(err, errno, "cannot make the directory \"%s\"", path);
    }
    return durable_sync_parent(AT_FDCWD, path, err);
}

int durable_rename(int from_fd, const char *from, int to_fd, const char *to, struct error *err) {
    if (renameat(from_fd, from, to_fd, to) < 0)
        return error_errno(err, errno, "cannot rename \"%s\" to \"%s\"", from, to);
    int r = durable_sync_parent(to_fd, to, err);
    return r < 0 ? r : durable_sync_parent(from_fd, from, err);
}

int durable_unlink(int directory_fd, const char *path, struct error *err) {
    if (unlinkat(directory_fd, path, 0) < 0) {
        if (errno == ENOENT)
            return 0;
        return error_errno(err, errno, "cannot remove \"%s\"", path);
    }
    int r = durable_sync_parent(directory_fd, path, err);
    return r < 0 ? r : 1;
}

/* One open directory of the walk: a stack in memory, so that depth on disk is no recursion here. */
struct level {
    DIR *directory;
    char *name; /* in the level below; NULL at the bottom */
};

static int remove_entries(struct level **stack, size_t *depth, dev_t device, struct error *err) {
    while (*depth > 0) {
        struct level *top = &(*stack)[*depth - 1];
        errno = 0;
        struct dirent *entry = readdir(top->directory);
        if (!entry) {
            if (errno)
                return error_errno(err, errno, "cannot read a directory to be removed");
            closedir(top->directory);
            top->directory = NULL;
            (*depth)--;
            _cleanup_free_ char *name = take_ptr(top->name);
            if (*depth > 0 && unlinkat(dirfd((*stack)[*depth - 1].directory), name, AT_REMOVEDIR) < 0)
                return error_errno(err, errno, "cannot remove the directory \"%s\"", name);
            continue;
        }
        if (string_equal(entry->d_name, ".") || string_equal(entry->d_name, ".."))
            continue;
        if (unlinkat(dirfd(top->directory), entry->d_name, 0) == 0)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return error_errno(err, errno, "cannot remove \"%s\"", entry->d_name);
        int fd =
            openat(dirfd(top->directory), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat status;
        if (fd < 0 || fstat(fd, &status) < 0)
            return error_errno(err, errno, "cannot open \"%s\" to remove it", entry->d_name);
        if (status.st_dev != device) {
            close(fd);
            return error_set(err, EXDEV, "\"%s\" is a mount point, it is not removed", entry->d_name);
        }
        DIR *directory = fdopendir(fd);
        if (!directory) {
            close(fd);
            return error_errno(err, ENOMEM, "cannot read \"%s\"", entry->d_name);
        }
        *stack = xrealloc(*stack, *depth + 1, sizeof(struct level));
        (*stack)[(*depth)++] = (struct level){ directory, xstrdup(entry->d_name) };
    }
    return 0;
}

int durable_remove_tree(int directory_fd, const char *path, struct error *err) {
    struct stat status;
    if (fstatat(directory_fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at \"%s\"", path);
    if (!S_ISDIR(status.st_mode)) {
        int r = durable_unlink(directory_fd, path, err);
        return r < 0 ? r : 0;
    }
    int fd = openat(directory_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory)
        return error_errno(err, errno, "cannot open \"%s\" to remove it", path);
    struct level *stack = xcalloc(1, sizeof(struct level));
    size_t depth = 1;
    stack[0] = (struct level){ directory, NULL };
    int r = remove_entries(&stack, &depth, status.st_dev, err);
    while (depth > 0) {
        depth--;
        closedir(stack[depth].directory);
        free(stack[depth].name);
    }
    free(stack);
    if (r < 0)
        return error_prefix(err, "cannot remove \"%s\"", path);
    if (unlinkat(directory_fd, path, AT_REMOVEDIR) < 0)
        return error_errno(err, errno, "cannot remove \"%s\"", path);
    return durable_sync_parent(directory_fd, path, err);
}

int durable_sync_filesystem(const char *path, struct error *err) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    if (syncfs(fd) < 0)
        return error_errno(err, errno, "cannot sync the file system of \"%s\"", path);
    return 0;
}

int file_read(int directory_fd, const char *path, size_t limit, char **ret, size_t *ret_size,
              struct error *err) {
    _cleanup_close_ int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    _cleanup_buffer_ struct buffer contents = { 0 };
    for (;;) {
        char block[16384];
        ssize_t size = read(fd, block, sizeof(block));
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return error_errno(err, errno, "cannot read \"%s\"", path);
        if (size == 0)
            break;
        if (contents.size + (size_t)size > limit)
            return error_set(err, EFBIG, "\"%s\" is larger than %zu bytes", path, limit);
        buffer_append(&contents, block, (size_t)size);
    }
    if (ret_size)
        *ret_size = contents.size;
    *ret = buffer_take(&contents);
    return 0;
}
