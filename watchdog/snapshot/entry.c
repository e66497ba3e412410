/* One name of a snapshot. See entry.h. */

#include "watchdog/snapshot/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/snapshot/attributes.h"
#include "watchdog/snapshot/contents.h"

#define SLACK_SECONDS 2

static bool gone(int r) {
    return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -ENXIO || r == -ENODEV;
}

static int failed(const struct beneath *source, const struct manifest_entry *entry, int r,
                  struct error *err) {
    if (gone(r))
        return 1;
    _cleanup_free_ char *name = beneath_name(source, entry->path);
    return error_errno(err, -r, "cannot read \"%s\"", name);
}

static int open_source(int directory_fd, const char *name) {
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(directory_fd, name, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM)
        fd = openat(directory_fd, name, flags);
    return fd < 0 ? -errno : fd;
}

static int copy_opened(int from, struct manifest_entry *entry, int to_fd, const char *to_name,
                       struct work *work, struct error *err) {
    _cleanup_close_ int to = openat(to_fd, to_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return error_errno(err, errno, "cannot make the copy");
    int r = contents_copy(from, to, work, &entry->size, entry->digest, err);
    if (r < 0)
        unlinkat(to_fd, to_name, 0);
    return r;
}

static int copy_regular(struct beneath *source, int from_fd, const char *from_name,
                        struct manifest_entry *entry, int to_fd, const char *to_name, struct work *work,
                        struct error *err) {
    _cleanup_close_ int fd = open_source(from_fd, from_name);
    if (fd < 0)
        return failed(source, entry, fd, err);
    struct manifest_entry after = { 0 };
    int r = attributes_stat(fd, "", entry, NULL);
    if (r < 0)
        return failed(source, entry, r, err);
    if (!S_ISREG(entry->mode))
        return 1;
    uint64_t size = entry->size;
    r = copy_opened(fd, entry, to_fd, to_name, work, err);
    if (r < 0) {
        _cleanup_free_ char *name = beneath_name(source, entry->path);
        error_prefix(err, "\"%s\"", name);
        return r;
    }
    r = attributes_xattrs(from_fd, from_name, entry);
    if (r < 0 && !gone(r))
        return failed(source, entry, r, err);
    r = attributes_stat(fd, "", &after, NULL);
    if (r < 0)
        return failed(source, entry, r, err);
    after.size = after.size == size ? entry->size : after.size;
    entry->unstable = !attributes_same_inode(entry, &after);
    return 0;
}

static int copy_special(struct beneath *source, int from_fd, const char *from_name,
                        struct manifest_entry *entry, int to_fd, const char *to_name, struct error *err) {
    int r = attributes_xattrs(from_fd, from_name, entry);
    if (r < 0)
        return failed(source, entry, r, err);
    if (S_ISLNK(entry->mode))
        r = symlinkat(entry->target, to_fd, to_name);
    else
        r = mknodat(to_fd, to_name, (entry->mode & S_IFMT) | 0600, entry->device);
    if (r < 0)
        return error_errno(err, errno, "cannot make the copy of \"%s\"", entry->path);
    return 0;
}

int entry_copy(struct beneath *source, struct manifest_entry *entry, int to_fd, const char *to_name,
               struct work *work, struct error *err) {
    const char *name;
    int from_fd = beneath_parent(source, entry->path, &name);
    if (from_fd < 0)
        return failed(source, entry, from_fd, err);
    int r = S_ISREG(entry->mode) ? copy_regular(source, from_fd, name, entry, to_fd, to_name, work, err)
                                 : copy_special(source, from_fd, name, entry, to_fd, to_name, err);
    if (r != 0)
        return r;
    r = attributes_apply(to_fd, to_name, entry, true);
    if (r < 0)
        return error_errno(err, -r, "cannot set owner and times of the copy of \"%s\"", entry->path);
    return work_add(work, 1, 0, err);
}

int entry_link(struct beneath *root, const char *leader, const char *path, struct error *err) {
    const char *from_name, *to_name;
    int fd = beneath_parent(root, leader, &from_name);
    _cleanup_close_ int from_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int to_fd = fd < 0 ? fd : beneath_parent(root, path, &to_name);
    if (to_fd < 0)
        return error_errno(err, -to_fd, "cannot link \"%s\" to \"%s\"", path, leader);
    if (linkat(from_fd, from_name, to_fd, to_name, 0) < 0)
        return error_errno(err, errno, "cannot link \"%s\" to \"%s\"", path, leader);
    return 0;
}

bool entry_is_settled(const struct manifest_entry *entry, struct timespec started) {
    return !entry->unstable && entry->ctime.tv_sec < started.tv_sec - SLACK_SECONDS;
}

void entry_take_known(struct manifest_entry *entry, const struct manifest_entry *known) {
    memcpy(entry->digest, known->digest, MANIFEST_DIGEST_SIZE);
    entry->xattrs = xcalloc(known->xattrs_count, sizeof(struct manifest_xattr));
    entry->xattrs_count = known->xattrs_count;
    for (size_t i = 0; i < known->xattrs_count; i++) {
        entry->xattrs[i] = known->xattrs[i];
        entry->xattrs[i].name = xstrdup(known->xattrs[i].name);
        entry->xattrs[i].value = xcalloc(known->xattrs[i].size, 1);
        memcpy(entry->xattrs[i].value, known->xattrs[i].value, known->xattrs[i].size);
    }
}

static int compare_inodes(const void *a, const void *b) {
    const struct manifest_entry *x = *(const struct manifest_entry *const *)a,
                                *y = *(const struct manifest_entry *const *)b;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

int entry_index_make(const struct manifest *manifest, const char *content, struct entry_index *ret,
                     struct error *err) {
    *ret = ENTRY_INDEX_NONE;
    int r = beneath_open(content, &ret->content, err);
    if (r < 0)
        return r;
    ret->entries = xcalloc(manifest->entries_count, sizeof(*ret->entries));
    for (size_t i = 0; i < manifest->entries_count; i++) {
        const struct manifest_entry *entry = &manifest->entries[i];
        if (S_ISREG(entry->mode) && !entry->link && entry_is_settled(entry, manifest->started))
            ret->entries[ret->count++] = entry;
    }
    if (ret->count > 1)
        qsort(ret->entries, ret->count, sizeof(*ret->entries), compare_inodes);
    return 0;
}

void entry_index_done(struct entry_index *index) {
    beneath_done(&index->content);
    free(index->entries);
    *index = ENTRY_INDEX_NONE;
}

/* NULL: it has to be copied. */
static const struct manifest_entry *find_known(const struct entry_index *index,
                                               const struct manifest_entry *entry) {
    const struct manifest_entry **found =
        index->count == 0 || !S_ISREG(entry->mode)
            ? NULL
            : bsearch(&entry, index->entries, index->count, sizeof(*index->entries), compare_inodes);
    return found && attributes_same_inode(*found, entry) ? *found : NULL;
}

bool entry_is_known(const struct entry_index *index, const struct manifest_entry *entry) {
    return find_known(index, entry) != NULL;
}

int entry_reuse(struct entry_index *index, struct manifest_entry *entry, int to_fd, const char *to_name) {
    const struct manifest_entry *found = find_known(index, entry);
    if (!found)
        return 0;
    const char *name;
    int fd = beneath_parent(&index->content, found->path, &name);
    struct stat status;
    if (fd < 0 || fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode) ||
        (uint64_t)status.st_size != entry->size || linkat(fd, name, to_fd, to_name, 0) < 0)
        return 0;
    entry_take_known(entry, found);
    entry->shared = true;
    return 1;
}
