/*
 * Metadata of one name. See attributes.h.
 *
 * Names that are neither regular files nor directories are reached through an O_PATH descriptor and its name
 * in /proc/self/fd: the *xattr calls have no form with a directory and a name before Linux 6.13.
 */

#include "watchdog/snapshot/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "watchdog/base/memory.h"

#define XATTR_VALUE_LIMIT 65536 /* XATTR_SIZE_MAX */

#define PLACE_SIZE 32
struct place {
    int fd;
    char path[PLACE_SIZE];
};

static int place_open(int directory_fd, const char *name, struct place *ret) {
    ret->fd = openat(directory_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (ret->fd < 0)
        return -errno;
    snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", ret->fd);
    return 0;
}

static struct timespec time_of(const struct statx_timestamp *stamp) {
    return (struct timespec){ .tv_sec = stamp->tv_sec, .tv_nsec = stamp->tv_nsec };
}

int attributes_stat(int directory_fd, const char *name, struct manifest_entry *entry,
                    struct attributes_place *ret_place) {
    struct statx status;
    if (statx(directory_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH),
              STATX_BASIC_STATS | STATX_MNT_ID, &status) < 0)
        return -errno;
    entry->mode = status.stx_mode;
    entry->uid = status.stx_uid;
    entry->gid = status.stx_gid;
    entry->size = S_ISREG(status.stx_mode) ? status.stx_size : 0;
    entry->allocated = status.stx_blocks * 512;
    entry->inode = status.stx_ino;
    entry->links = status.stx_nlink;
    entry->mtime = time_of(&status.stx_mtime);
    entry->ctime = time_of(&status.stx_ctime);
    entry->atime = time_of(&status.stx_atime);
    entry->device = S_ISCHR(status.stx_mode) || S_ISBLK(status.stx_mode)
                        ? makedev(status.stx_rdev_major, status.stx_rdev_minor)
                        : 0;
    entry->flags = (status.stx_attributes & STATX_ATTR_IMMUTABLE ? MANIFEST_IMMUTABLE : 0) |
                   (status.stx_attributes & STATX_ATTR_APPEND ? MANIFEST_APPEND : 0);
    if (ret_place)
        *ret_place = (struct attributes_place){
            .mount = status.stx_mnt_id,
            .device = makedev(status.stx_dev_major, status.stx_dev_minor),
        };
    return 0;
}

int attributes_target(int directory_fd, const char *name, char **ret) {
    char target[PATH_MAX + 1];
    ssize_t size = readlinkat(directory_fd, name, target, sizeof(target));
    if (size <= 0)
        return size < 0 ? -errno : -EINVAL;
    if ((size_t)size == sizeof(target))
        return -ENAMETOOLONG;
    *ret = xstrndup(target, (size_t)size);
    return 0;
}

static int compare_xattrs(const void *a, const void *b) {
    const struct manifest_xattr *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* All names, each with its NUL. Owned by the caller; *ret_size 0: none. */
static int list_names(const char *path, char **ret, size_t *ret_size) {
    for (;;) {
        ssize_t size = listxattr(path, NULL, 0);
        if (size <= 0) {
            *ret_size = 0;
            *ret = NULL;
            return size < 0 && errno != ENOTSUP ? -errno : 0;
        }
        char *names = xcalloc((size_t)size, 1);
        ssize_t got = listxattr(path, names, (size_t)size);
        if (got >= 0) {
            *ret = names;
            *ret_size = (size_t)got;
            return 0;
        }
        free(names);
        if (errno != ERANGE) /* one more came in between */
            return -errno;
    }
}

static int read_xattrs(const char *path, struct manifest_entry *entry) {
    _cleanup_free_ char *names = NULL;
    size_t size = 0;
    int r = list_names(path, &names, &size);
    if (r < 0 || size == 0)
        return r;
    _cleanup_free_ char *value = xcalloc(XATTR_VALUE_LIMIT, 1);
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        ssize_t value_size = getxattr(path, name, value, XATTR_VALUE_LIMIT);
        if (value_size < 0 && errno == ENODATA)
            continue;
        if (value_size < 0)
            return -errno;
        entry->xattrs = xrealloc(entry->xattrs, entry->xattrs_count + 1, sizeof(struct manifest_xattr));
        struct manifest_xattr *xattr = &entry->xattrs[entry->xattrs_count++];
        *xattr = (struct manifest_xattr){ .name = xstrdup(name),
                                          .value = xcalloc((size_t)value_size, 1),
                                          .size = (size_t)value_size };
        memcpy(xattr->value, value, (size_t)value_size);
    }
    if (entry->xattrs_count > 1)
        qsort(entry->xattrs, entry->xattrs_count, sizeof(struct manifest_xattr), compare_xattrs);
    return 0;
}

static void drop_xattrs(struct manifest_entry *entry) {
    for (size_t i = 0; i < entry->xattrs_count; i++) {
        free(entry->xattrs[i].name);
        free(entry->xattrs[i].value);
    }
    free(entry->xattrs);
    entry->xattrs = NULL;
    entry->xattrs_count = 0;
}

int attributes_xattrs(int directory_fd, const char *name, struct manifest_entry *entry) {
    struct place place;
    drop_xattrs(entry);
    int r = place_open(directory_fd, name, &place);
    if (r < 0)
        return r;
    r = read_xattrs(place.path, entry);
    close(place.fd);
    return r;
}

static bool same_xattr(const struct manifest_xattr *a, const struct manifest_xattr *b) {
    return strcmp(a->name, b->name) == 0 && a->size == b->size && memcmp(a->value, b->value, a->size) == 0;
}

static const struct manifest_xattr *find_xattr(const struct manifest_entry *entry, const char *name) {
    for (size_t i = 0; i < entry->xattrs_count; i++)
        if (strcmp(entry->xattrs[i].name, name) == 0)
            return &entry->xattrs[i];
    return NULL;
}

static int apply_xattrs(const char *path, const struct manifest_entry *entry, bool lenient) {
    struct manifest_entry now = { 0 };
    int r = read_xattrs(path, &now);
    for (size_t i = 0; r >= 0 && i < now.xattrs_count; i++)
        if (!find_xattr(entry, now.xattrs[i].name) && removexattr(path, now.xattrs[i].name) < 0 &&
            errno != ENODATA && !lenient)
            r = -errno;
    for (size_t i = 0; r >= 0 && i < entry->xattrs_count; i++) {
        const struct manifest_xattr *wanted = &entry->xattrs[i], *there = find_xattr(&now, wanted->name);
        if (there && same_xattr(there, wanted))
            continue;
        if (setxattr(path, wanted->name, wanted->value, wanted->size, 0) < 0 && !lenient)
            r = -errno;
    }
    manifest_entry_done(&now);
    return r;
}

int attributes_apply(int directory_fd, const char *name, const struct manifest_entry *entry, bool lenient) {
    struct place place;
    int r = place_open(directory_fd, name, &place);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = place.fd;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    /* chown takes setuid bits and capabilities away, so it comes first. */
    if ((status.st_uid != entry->uid || status.st_gid != entry->gid) &&
        fchownat(fd, "", entry->uid, entry->gid, AT_EMPTY_PATH) < 0)
        return -errno;
    if (!S_ISLNK(entry->mode) && chmod(place.path, entry->mode & 07777) < 0)
        return -errno;
    r = apply_xattrs(place.path, entry, lenient);
    if (r < 0)
        return r;
    const struct timespec times[2] = { entry->atime, entry->mtime };
    return utimensat(directory_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int attributes_flags(int directory_fd, const char *name, unsigned flags) {
    _cleanup_close_ int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int now, wanted;
    if (ioctl(fd, FS_IOC_GETFLAGS, &now) < 0)
        return flags == 0 && (errno == ENOTTY || errno == ENOTSUP || errno == ENOSYS) ? 0 : -errno;
    wanted = now & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    wanted |=
        (flags & MANIFEST_IMMUTABLE ? FS_IMMUTABLE_FL : 0) | (flags & MANIFEST_APPEND ? FS_APPEND_FL : 0);
    return wanted != now && ioctl(fd, FS_IOC_SETFLAGS, &wanted) < 0 ? -errno : 0;
}

bool attributes_same_xattrs(const struct manifest_entry *a, const struct manifest_entry *b) {
    if (a->xattrs_count != b->xattrs_count)
        return false;
    for (size_t i = 0; i < a->xattrs_count; i++)
        if (!same_xattr(&a->xattrs[i], &b->xattrs[i]))
            return false;
    return true;
}

static bool same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool attributes_same_inode(const struct manifest_entry *a, const struct manifest_entry *b) {
    return a->inode == b->inode && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
           a->size == b->size && a->links == b->links && a->device == b->device && a->flags == b->flags &&
           same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime);
}
