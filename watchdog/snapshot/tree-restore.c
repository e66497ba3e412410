/*
 * Putting files back, in place. See tree.h.
 *
 * The order is what makes it safe to be killed anywhere: what is displaced is whole in quarantine before its
 * place is taken, a file gets its name when its contents are on disk, and whatever is half done is a
 * difference that the next attempt finds. Nothing of the snapshot is ever linked to a live name: the
 * application would write into the snapshot.
 */

#include "watchdog/snapshot/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/attributes.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/contents.h"
#include "watchdog/snapshot/difference.h"
#include "watchdog/snapshot/entry.h"
#include "watchdog/snapshot/quarantine.h"
#include "watchdog/snapshot/tree-files.h"
#include "watchdog/snapshot/walk.h"

/* A new name that waits for the contents to be on disk. */
struct pending {
    const char *path;
    char *temporary;    /* to be renamed; NULL: to be linked */
    const char *linked; /* to this path */
};

struct restoring {
    const struct tree_restore *restore;
    struct beneath live, content;
    struct manifest *manifest, *now;
    struct differences differences;
    const char **names; /* by entry of the manifest that is first of its inode: a live name that has it */
    struct pending *pending;
    size_t pending_count;
    struct tree_restored counts;
    struct work work;
};

static int cannot(const struct restoring *restoring, const char *path, int r, struct error *err) {
    _cleanup_free_ char *name = beneath_name(&restoring->live, path);
    return error_errno(err, -r, "cannot restore \"%s\"", name);
}

static const struct difference *difference_of(const struct restoring *restoring, const char *path) {
    size_t low = 0, high = restoring->differences.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct difference *difference = &restoring->differences.list[middle];
        int order = manifest_path_compare(path, difference->wanted ? difference->wanted->path
                                                                   : difference->live->path);
        if (order == 0)
            return difference;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Flags forbid renaming and writing. They are set again at the end, from the manifest. */
static int clear_flags(struct restoring *restoring, struct error *err) {
    for (size_t i = 0; i < restoring->now->entries_count; i++) {
        const struct manifest_entry *entry = &restoring->now->entries[i];
        bool untouched = S_ISREG(entry->mode) && manifest_find(restoring->manifest, entry->path) &&
                         !difference_of(restoring, entry->path);
        if (entry->flags == 0 || untouched)
            continue;
        const char *name;
        int fd = beneath_parent(&restoring->live, entry->path, &name);
        int r = fd < 0 ? fd : attributes_flags(fd, name, 0);
        if (r < 0)
            return cannot(restoring, entry->path, r, err);
    }
    return 0;
}

static int set_flags(struct restoring *restoring, struct error *err) {
    for (size_t i = 0; i < restoring->manifest->entries_count; i++) {
        const struct manifest_entry *entry = &restoring->manifest->entries[i];
        if (entry->flags == 0 || entry->link)
            continue;
        const char *name;
        int fd = beneath_parent(&restoring->live, entry->path, &name);
        int r = fd < 0 ? fd : attributes_flags(fd, name, entry->flags);
        if (r < 0)
            return cannot(restoring, entry->path, r, err);
    }
    return 0;
}

static bool is_put(const struct difference *difference) {
    return difference->wanted && (difference->kind == TREE_MISSING || difference->kind == TREE_CHANGED);
}

/* For each inode of the manifest the first of its names that stands in the live tree and stays there. */
static void find_names(struct restoring *restoring) {
    struct manifest *manifest = restoring->manifest;
    restoring->names = xcalloc(manifest->entries_count, sizeof(*restoring->names));
    for (size_t i = 0, next = 0; i < manifest->entries_count; i++) {
        const struct manifest_entry *entry = &manifest->entries[i];
        const struct differences *differences = &restoring->differences;
        while (next < differences->count &&
               (!differences->list[next].wanted || differences->list[next].wanted < entry))
            next++;
        bool standing = next == differences->count || differences->list[next].wanted != entry ||
                        !is_put(&differences->list[next]);
        const struct manifest_entry *first = difference_first(manifest, entry);
        if (standing && !restoring->names[first - manifest->entries])
            restoring->names[first - manifest->entries] = entry->path;
    }
}

static struct pending *wait_for(struct restoring *restoring, const char *path) {
    restoring->pending =
        xrealloc(restoring->pending, restoring->pending_count + 1, sizeof(*restoring->pending));
    restoring->pending[restoring->pending_count] = (struct pending){ .path = path };
    return &restoring->pending[restoring->pending_count++];
}

static int fill(struct restoring *restoring, const struct manifest_entry *entry, int to, struct error *err) {
    const char *name;
    int fd = beneath_parent(&restoring->content, entry->path, &name);
    _cleanup_close_ int from = fd < 0 ? -1 : openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0)
        return error_errno(err, fd < 0 ? -fd : errno, "cannot open the copy of \"%s\" in the snapshot",
                           entry->path);
    char digest[MANIFEST_DIGEST_SIZE];
    uint64_t size;
    int r = contents_copy(from, to, &restoring->work, &size, digest, err);
    if (r < 0) {
        error_prefix(err, "cannot restore \"%s/%s\"", restoring->live.path, entry->path);
        return r;
    }
    if (strcmp(digest, entry->digest) != 0)
        return error_set(err, EBADMSG, "the copy of \"%s\" in the snapshot \"%s\" is damaged", entry->path,
                         restoring->restore->directory);
    return 0;
}

static int put_regular(struct restoring *restoring, const struct manifest_entry *entry, int fd,
                       struct error *err) {
    struct pending *pending = wait_for(restoring, entry->path);
    pending->temporary =
        xasprintf(".upgrade-watchdog-%s-%zu", restoring->restore->id, restoring->pending_count);
    const char *temporary = pending->temporary;
    if (restoring->live.file) /* beside a single file no walk finds what a dead run left */
        unlinkat(fd, temporary, 0);
    _cleanup_close_ int to = openat(fd, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return cannot(restoring, entry->path, -errno, err);
    int r = fill(restoring, entry, to, err);
    if (r < 0)
        return r;
    r = attributes_apply(fd, temporary, entry, false);
    return r < 0 ? cannot(restoring, entry->path, r, err) : 0;
}

static int put_special(struct restoring *restoring, const struct manifest_entry *entry, int fd,
                       const char *name, struct error *err) {
    int r = S_ISLNK(entry->mode) ? symlinkat(entry->target, fd, name)
                                 : mknodat(fd, name, (entry->mode & S_IFMT) | 0600, entry->device);
    r = r < 0 ? -errno : attributes_apply(fd, name, entry, false);
    return r < 0 ? cannot(restoring, entry->path, r, err) : 0;
}

static int put(struct restoring *restoring, const struct manifest_entry *entry, struct error *err) {
    const char *name, **standing = NULL;
    int fd = beneath_parent(&restoring->live, entry->path, &name);
    if (fd < 0)
        return cannot(restoring, entry->path, fd, err);
    restoring->counts.restored++;
    if (S_ISDIR(entry->mode))
        return mkdirat(fd, name, 0700) < 0 ? cannot(restoring, entry->path, -errno, err) : 0;
    standing = &restoring->names[difference_first(restoring->manifest, entry) - restoring->manifest->entries];
    if (*standing) {
        wait_for(restoring, entry->path)->linked = *standing;
        return 0;
    }
    *standing = entry->path;
    return S_ISREG(entry->mode) ? put_regular(restoring, entry, fd, err)
                                : put_special(restoring, entry, fd, name, err);
}

static int put_all(struct restoring *restoring, struct error *err) {
    for (size_t i = 0; i < restoring->differences.count; i++) {
        const struct difference *difference = &restoring->differences.list[i];
        int r = is_put(difference) ? put(restoring, difference->wanted, err) : 0;
        if (r < 0 || (r = work_add(&restoring->work, 1, 0, err)) < 0)
            return r;
    }
    return 0;
}

/* The contents are on disk: names next, links to them last. */
static int name_all(struct restoring *restoring, struct error *err) {
    for (size_t i = 0; i < restoring->pending_count; i++) {
        struct pending *pending = &restoring->pending[i];
        if (!pending->temporary)
            continue;
        const char *name;
        int fd = beneath_parent(&restoring->live, pending->path, &name);
        if (fd < 0 || renameat(fd, pending->temporary, fd, name) < 0)
            return cannot(restoring, pending->path, fd < 0 ? fd : -errno, err);
        replace_string(pending->temporary, NULL);
    }
    for (size_t i = 0; i < restoring->pending_count; i++) {
        struct pending *pending = &restoring->pending[i];
        int r = pending->linked ? entry_link(&restoring->live, pending->linked, pending->path, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int apply(struct restoring *restoring, const struct manifest_entry *entry, struct error *err) {
    struct manifest_entry whole = *entry;
    const struct manifest_entry *first = difference_first(restoring->manifest, entry);
    whole.xattrs = first->xattrs;
    whole.xattrs_count = first->xattrs_count;
    const char *name;
    int fd = beneath_parent(&restoring->live, entry->path, &name);
    int r = fd < 0 ? fd : attributes_apply(fd, name, &whole, false);
    return r < 0 ? cannot(restoring, entry->path, r, err) : 0;
}

/* Metadata of what is there already, and of directories that were touched: these from the inside out. */
static int apply_all(struct restoring *restoring, struct error *err) {
    struct manifest *manifest = restoring->manifest;
    _cleanup_free_ bool *touched = xcalloc(manifest->entries_count, sizeof(bool));
    for (size_t i = 0; i < restoring->differences.count; i++) {
        const struct difference *difference = &restoring->differences.list[i];
        const char *path = difference->wanted ? difference->wanted->path : difference->live->path;
        if (difference->wanted && (difference->kind == TREE_METADATA || S_ISDIR(difference->wanted->mode)))
            touched[difference->wanted - manifest->entries] = true;
        restoring->counts.metadata += difference->kind == TREE_METADATA;
        if (difference->kind == TREE_METADATA || !*path)
            continue;
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
        const struct manifest_entry *directory = manifest_find(manifest, parent);
        if (directory)
            touched[directory - manifest->entries] = true;
    }
    for (size_t i = manifest->entries_count; i-- > 0;) {
        int r = touched[i] ? apply(restoring, &manifest->entries[i], err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int sync_live(struct restoring *restoring, struct error *err) {
    return syncfs(restoring->live.fd) < 0
               ? error_errno(err, errno, "cannot sync the file system of \"%s\"", restoring->live.path)
               : 0;
}

static int change(struct restoring *restoring, struct error *err) {
    const char *quarantine = restoring->restore->quarantine;
    bool displaces = false;
    for (size_t i = 0; i < restoring->differences.count; i++)
        displaces = displaces || restoring->differences.list[i].live;
    int r = displaces ? quarantine_begin(quarantine, &restoring->differences, err) : 0;
    if (r < 0 || (r = clear_flags(restoring, err)) < 0)
        return r;
    if (displaces)
        r = quarantine_move(quarantine, &restoring->live, restoring->now, &restoring->differences,
                            &restoring->work, &restoring->counts.displaced, err);
    if (r < 0)
        return r;
    find_names(restoring);
    if ((r = put_all(restoring, err)) < 0 || (r = sync_live(restoring, err)) < 0 ||
        (r = name_all(restoring, err)) < 0 || (r = apply_all(restoring, err)) < 0)
        return r;
    return set_flags(restoring, err);
}

/* Opens the live root; one that is gone is made again, empty. */
static int open_live(struct restoring *restoring, struct error *err) {
    const char *path = restoring->restore->host_path;
    int r = tree_check_place(restoring->manifest, path, err);
    if (r < 0)
        return r;
    bool directory = S_ISDIR(restoring->manifest->entries[0].mode);
    struct stat status;
    if (stat(path, &status) < 0) {
        if (errno != ENOENT)
            return error_errno(err, errno, "cannot look at \"%s\"", path);
        return directory && mkdir(path, 0700) < 0 ? error_errno(err, errno, "cannot make \"%s\" again", path)
               : directory                        ? beneath_open(path, &restoring->live, err)
                                                  : beneath_open_file(path, &restoring->live, err);
    }
    if (directory != S_ISDIR(status.st_mode))
        return error_set(err, directory ? ENOTDIR : EISDIR, "\"%s\" was a %s: move away what is there now",
                         path, directory ? "directory" : "file");
    return beneath_open(path, &restoring->live, err);
}

static int find_differences(struct restoring *restoring, struct error *err) {
    struct stat status;
    /* A single file that is gone: nothing to walk. */
    bool empty = restoring->live.file &&
                 fstatat(restoring->live.fd, restoring->live.file, &status, AT_SYMLINK_NOFOLLOW) < 0 &&
                 errno == ENOENT;
    int r = empty ? 0 : walk(&restoring->live, WALK_SOCKETS, &restoring->work, restoring->now, err);
    return r < 0 ? r
                 : differences_find(restoring->manifest, restoring->now, &restoring->live, &restoring->work,
                                    &restoring->differences, err);
}

static void drop_temporaries(struct restoring *restoring) {
    for (size_t i = 0; i < restoring->pending_count; i++) {
        struct pending *pending = &restoring->pending[i];
        const char *name;
        int fd = pending->temporary ? beneath_parent(&restoring->live, pending->path, &name) : -1;
        if (fd >= 0)
            unlinkat(fd, pending->temporary, 0);
        free(pending->temporary);
    }
    free(restoring->pending);
}

int tree_can_restore(const char *directory, const char *host_path, struct error *err) {
    _cleanup_manifest_ struct manifest *manifest = NULL;
    _cleanup_free_ char *path = tree_manifest_path(directory);
    int r = manifest_read(path, &manifest, err);
    return r < 0 ? r : tree_check_place(manifest, host_path, err);
}

int tree_restore(const struct tree_restore *restore, const struct tree_run *run, struct tree_restored *ret,
                 struct error *err) {
    struct restoring restoring = {
        .restore = restore, .live = BENEATH_NONE, .content = BENEATH_NONE, .work = { .run = run }
    };
    _cleanup_manifest_ struct manifest *manifest = NULL, *now = xcalloc(1, sizeof(*now));
    _cleanup_free_ char *path = tree_manifest_path(restore->directory),
                        *content = tree_content_path(restore->directory);
    int r = manifest_read(path, &manifest, err);
    restoring.manifest = manifest;
    restoring.now = now;
    if (r >= 0)
        r = beneath_open(content, &restoring.content, err);
    if (r >= 0)
        r = open_live(&restoring, err);
    if (r >= 0)
        r = find_differences(&restoring, err);
    if (r >= 0 && restoring.differences.count > 0)
        r = change(&restoring, err);
    if (r >= 0)
        r = sync_live(&restoring, err);
    work_end(&restoring.work);
    drop_temporaries(&restoring);
    differences_done(&restoring.differences);
    beneath_done(&restoring.live);
    beneath_done(&restoring.content);
    free(restoring.names);
    if (r < 0) {
        error_prefix(err, "cannot restore \"%s\"", manifest ? manifest->name : restore->directory);
        return r;
    }
    if (ret)
        *ret = restoring.counts;
    return 0;
}
