/*
 * Walking a tree. See walk.h.
 *
 * Directories wait in a list and are opened by their path from the root, one at a time: neither the depth of
 * a tree nor the number of descriptors is a limit, and a directory that is moved away meanwhile leads
 * nowhere.
 */

#include "watchdog/snapshot/walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/snapshot/attributes.h"

struct walking {
    struct beneath *root;
    unsigned flags;
    struct work *work;
    struct manifest *manifest;
    struct attributes_place place; /* of the root */
    char **pending;                /* directories to read */
    size_t pending_count, pending_capacity;
};

static bool gone(int r) {
    return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

static void push(struct walking *walking, const char *path) {
    if (walking->pending_count == walking->pending_capacity) {
        walking->pending_capacity = walking->pending_capacity ? 2 * walking->pending_capacity : 64;
        walking->pending = xrealloc(walking->pending, walking->pending_capacity, sizeof(char *));
    }
    walking->pending[walking->pending_count++] = xstrdup(path);
}

static int vanished(struct walking *walking, const char *path, int r, struct error *err) {
    if (gone(r) && walking->flags & WALK_TOLERANT)
        return 0;
    _cleanup_free_ char *name = beneath_name(walking->root, path);
    return gone(r) ? error_set(err, ESTALE, "\"%s\" vanished while it was looked at", name)
                   : error_errno(err, -r, "cannot look at \"%s\"", name);
}

/* A bind mount of the same device is part of the tree; files of an overlay may show devices of its layers. */
static int check_place(const struct walking *walking, const char *path, mode_t mode,
                       const struct attributes_place *place, struct error *err) {
    if (place->device == walking->place.device || (!S_ISDIR(mode) && place->mount == walking->place.mount))
        return 0;
    _cleanup_free_ char *name = beneath_name(walking->root, path);
    return error_set(
        err, EXDEV,
        "\"%s\" is a file system of its own (a mount or a subvolume): give it a Data= or Ignore= "
        "of its own, and name directories beside it",
        name);
}

static int visit(struct walking *walking, int directory_fd, const char *name, const char *path,
                 struct error *err) {
    struct manifest_entry entry = { 0 };
    struct attributes_place place;
    int r = attributes_stat(directory_fd, name, &entry, &place);
    if (r >= 0 && S_ISLNK(entry.mode)) {
        r = attributes_target(directory_fd, name, &entry.target);
        if (r == -EINVAL) /* it became something else */
            r = -ENOENT;
    }
    if (r < 0)
        return vanished(walking, path, r, err);
    r = check_place(walking, path, entry.mode, &place, err);
    if (r < 0) {
        manifest_entry_done(&entry);
        return r;
    }
    if (S_ISDIR(entry.mode))
        push(walking, path);
    if (S_ISSOCK(entry.mode) && !(walking->flags & WALK_SOCKETS)) {
        strings_append(&walking->manifest->skipped, path);
        return 0;
    }
    entry.path = xstrdup(path);
    manifest_append(walking->manifest, &entry);
    return work_add(walking->work, 0, 0, err);
}

static int read_directory(struct walking *walking, const char *path, struct error *err) {
    int fd = beneath_directory(walking->root, path);
    if (fd < 0)
        return vanished(walking, path, fd, err);
    DIR *directory = fdopendir(fd);
    if (!directory)
        abort();
    int r = 0;
    while (r >= 0) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry) {
            if (errno)
                r = vanished(walking, path, -errno, err);
            break;
        }
        if (string_equal(entry->d_name, ".") || string_equal(entry->d_name, ".."))
            continue;
        _cleanup_free_ char *child = xasprintf("%s%s%s", path, *path ? "/" : "", entry->d_name);
        r = visit(walking, dirfd(directory), entry->d_name, child, err);
    }
    closedir(directory);
    return r;
}

static int compare_inodes(const void *a, const void *b) {
    const struct manifest_entry *x = *(struct manifest_entry *const *)a,
                                *y = *(struct manifest_entry *const *)b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return manifest_path_compare(x->path, y->path);
}

void walk_link(struct manifest *manifest) {
    _cleanup_free_ struct manifest_entry **linked =
        xcalloc(manifest->entries_count, sizeof(struct manifest_entry *));
    size_t count = 0;
    for (size_t i = 0; i < manifest->entries_count; i++) {
        struct manifest_entry *entry = &manifest->entries[i];
        replace_string(entry->link, NULL);
        if (!S_ISDIR(entry->mode) && entry->links > 1)
            linked[count++] = entry;
    }
    if (count > 1)
        qsort(linked, count, sizeof(*linked), compare_inodes);
    for (size_t i = 1, first = 0; i < count; i++) {
        /* The whole inode is compared, not its number alone: layers of an overlay count for themselves. */
        if (attributes_same_inode(linked[i], linked[first]))
            linked[i]->link = xstrdup(linked[first]->path);
        else
            first = i;
    }
}

/* A directory that changes while it is read may show a name twice. */
static void drop_twins(struct manifest *manifest) {
    size_t kept = 0;
    for (size_t i = 0; i < manifest->entries_count; i++) {
        struct manifest_entry *entry = &manifest->entries[i];
        if (kept > 0 && strcmp(manifest->entries[kept - 1].path, entry->path) == 0)
            manifest_entry_done(entry);
        else
            manifest->entries[kept++] = *entry;
    }
    manifest->entries_count = kept;
}

int walk(struct beneath *root, unsigned flags, struct work *work, struct manifest *ret, struct error *err) {
    struct walking walking = { .root = root, .flags = flags, .work = work, .manifest = ret };
    struct manifest_entry entry = { 0 };
    const char *name;
    int fd = beneath_parent(root, "", &name);
    int r = fd < 0 ? fd : attributes_stat(fd, name, &entry, &walking.place);
    if (r < 0)
        return error_errno(err, -r, "cannot look at \"%s\"", root->path);
    if (!S_ISDIR(entry.mode) && !S_ISREG(entry.mode))
        return error_set(err, EINVAL, "\"%s\" is neither a directory nor a regular file", root->path);
    if (S_ISDIR(entry.mode) == (root->file != NULL))
        return error_set(err, ESTALE, "\"%s\" was replaced while it was looked at", root->path);
    bool directory = S_ISDIR(entry.mode);
    entry.path = xstrdup("");
    manifest_append(ret, &entry);
    if (directory)
        push(&walking, "");
    while (r >= 0 && walking.pending_count > 0) {
        _cleanup_free_ char *path = walking.pending[--walking.pending_count];
        r = read_directory(&walking, path, err);
    }
    while (walking.pending_count > 0)
        free(walking.pending[--walking.pending_count]);
    free(walking.pending);
    if (r < 0)
        return r;
    manifest_sort(ret);
    drop_twins(ret);
    walk_link(ret);
    return 0;
}
