/*
 * Pins in the file itself. See pins.h.
 *
 * The file may lie in a directory that an ordinary user writes to: the temporary file is made with O_EXCL,
 * and owner, mode and attributes are read from a descriptor, not from a name.
 */

#include "watchdog/docker/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

#define TEXT_LIMIT ((size_t)1024 * 1024)

static int copy_attributes(int from, int to) {
    ssize_t size = flistxattr(from, NULL, 0);
    if (size <= 0)
        return size < 0 && errno != ENOTSUP ? -errno : 0;
    _cleanup_free_ char *names = xcalloc((size_t)size, 1);
    size = flistxattr(from, names, (size_t)size);
    if (size < 0)
        return -errno;
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        char value[65536]; /* the kernel's XATTR_SIZE_MAX */
        ssize_t value_size = fgetxattr(from, name, value, sizeof(value));
        if (value_size < 0)
            return -errno;
        if (fsetxattr(to, name, value, (size_t)value_size, 0) < 0)
            return -errno;
    }
    return 0;
}

static int fill(int from, int to, const char *text, size_t size) {
    struct stat status, made;
    if (fstat(from, &status) < 0 || fstat(to, &made) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    int r = write_all(to, text, size);
    if (r < 0)
        return r;
    if ((made.st_uid != status.st_uid || made.st_gid != status.st_gid) &&
        fchown(to, status.st_uid, status.st_gid) < 0)
        return -errno;
    if (fchmod(to, status.st_mode & 07777) < 0)
        return -errno;
    r = copy_attributes(from, to);
    if (r < 0)
        return r;
    return fsync(to) < 0 ? -errno : 0;
}

int pins_write(const char *path, const char *text, size_t size, struct error *err) {
    _cleanup_free_ char *target = realpath(path, NULL);
    if (!target)
        return error_errno(err, errno, "cannot find \"%s\"", path);
    char *slash = strrchr(target, '/');
    _cleanup_free_ char *directory =
        slash == target ? xstrdup("/") : xstrndup(target, (size_t)(slash - target));
    const char *name = slash + 1;
    _cleanup_free_ char *temporary = xasprintf(".%s.upgrade-watchdog", name);
    _cleanup_close_ int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0)
        return error_errno(err, errno, "cannot open the directory \"%s\"", directory);
    _cleanup_close_ int from = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0)
        return error_errno(err, errno, "cannot open \"%s\"", target);
    int r = durable_unlink(directory_fd, temporary, err); /* of a run that died here */
    if (r < 0)
        return r;
    _cleanup_close_ int to =
        openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return error_errno(err, errno, "cannot create \"%s/%s\"", directory, temporary);
    r = fill(from, to, text, size);
    if (r >= 0 && renameat(directory_fd, temporary, directory_fd, name) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(directory_fd, temporary, 0);
        return error_errno(err, -r, "cannot replace \"%s\"", target);
    }
    if (fsync(directory_fd) < 0)
        return error_errno(err, errno, "cannot sync the directory \"%s\"", directory);
    return 0;
}

static int finish(const char *path, const char *before, size_t before_size, const char *after,
                  size_t after_size, struct error *err) {
    if (before_size == after_size && memcmp(before, after, after_size) == 0)
        return 0;
    int r = pins_write(path, after, after_size, err);
    return r < 0 ? r : 1;
}

int pins_file_edit(const char *path, const char *service, const char *image, const char *transaction,
                   struct error *err) {
    _cleanup_free_ char *text = NULL, *edited = NULL;
    size_t size, edited_size;
    int r = file_read(AT_FDCWD, path, TEXT_LIMIT, &text, &size, err);
    if (r < 0)
        return r;
    r = pins_edit(text, size, service, image, transaction, &edited, &edited_size, err);
    if (r < 0) {
        error_prefix(err, "\"%s\"", path);
        return r;
    }
    return finish(path, text, size, edited, edited_size, err);
}

int pins_file_remove(const char *path, const char *service, const char *image, struct error *err) {
    _cleanup_free_ char *text = NULL, *edited = NULL;
    size_t size, edited_size;
    int r = file_read(AT_FDCWD, path, TEXT_LIMIT, &text, &size, err);
    if (r < 0)
        return r;
    r = pins_remove(text, size, service, image, &edited, &edited_size, err);
    if (r < 0) {
        error_prefix(err, "\"%s\"", path);
        return r;
    }
    return finish(path, text, size, edited, edited_size, err);
}
