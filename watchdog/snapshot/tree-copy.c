/*
 * The first pass over a data directory, while the application works. See tree.h.
 *
 * Not by libarchive's read_disk and write_disk: they know neither reflinks nor ctime in nanoseconds, walk by
 * names that a running application may swap for links under them, and cannot link to an earlier copy. What
 * leaves the host is a pax archive written by libarchive.
 *
 * A page that is mapped and dirty takes further writes without a new ctime until it has been written back.
 * Hence the source is synced after the time of the start is taken: a later write through a mapping then
 * faults again and shows in ctime, where the second pass and the next snapshot look for it.
 */

#include "watchdog/snapshot/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/attributes.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/entry.h"
#include "watchdog/snapshot/tree-files.h"
#include "watchdog/snapshot/walk.h"

struct copying {
    struct beneath source, content;
    struct entry_index previous;
    struct manifest *manifest;
    bool *dropped; /* by entry */
    struct work work;
};

/* The inode of the entry at @first is not what the walk saw: the next of its names is the first now. */
static void promote(struct copying *copying, size_t first) {
    struct manifest_entry *entries = copying->manifest->entries, *heir = NULL;
    for (size_t i = first + 1; i < copying->manifest->entries_count; i++) {
        struct manifest_entry *entry = &entries[i];
        if (!entry->link || strcmp(entry->link, entries[first].path) != 0)
            continue;
        replace_string(entry->link, heir ? xstrdup(heir->path) : NULL);
        heir = heir ? heir : entry;
    }
}

static int copy_file(struct copying *copying, size_t i, int to_fd, const char *to_name, struct error *err) {
    struct manifest_entry *entry = &copying->manifest->entries[i];
    uint64_t inode = entry->inode;
    if (entry->link) {
        int r = entry_link(&copying->content, entry->link, entry->path, err);
        return r < 0 ? r : work_add(&copying->work, 1, 0, err);
    }
    if (entry_reuse(&copying->previous, entry, to_fd, to_name))
        return work_add(&copying->work, 1, entry->size, err);
    int r = entry_copy(&copying->source, entry, to_fd, to_name, &copying->work, err);
    copying->dropped[i] = r == 1;
    if (r == 1 || entry->inode != inode)
        promote(copying, i);
    return r;
}

static int copy_directory(struct copying *copying, size_t i, int to_fd, const char *to_name,
                          struct error *err) {
    struct manifest_entry *entry = &copying->manifest->entries[i];
    if (*entry->path && mkdirat(to_fd, to_name, 0700) < 0)
        return error_errno(err, errno, "cannot make the directory \"%s\"", entry->path);
    const char *name;
    int fd = beneath_parent(&copying->source, entry->path, &name);
    int r = fd < 0 ? fd : attributes_xattrs(fd, name, entry);
    if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP)
        return error_errno(err, -r, "cannot read the attributes of \"%s\"", entry->path);
    return 0;
}

static int copy_entries(struct copying *copying, struct error *err) {
    struct manifest *manifest = copying->manifest;
    for (size_t i = 0; i < manifest->entries_count; i++) {
        struct manifest_entry *entry = &manifest->entries[i];
        const char *name;
        int fd = beneath_parent(&copying->content, entry->path, &name);
        if (fd == -ENOENT || fd == -ENOTDIR) { /* what held it was dropped */
            copying->dropped[i] = true;
            promote(copying, i);
            continue;
        }
        if (fd < 0)
            return error_errno(err, -fd, "cannot make the copy of \"%s\"", entry->path);
        int r = S_ISDIR(entry->mode) ? copy_directory(copying, i, fd, name, err)
                                     : copy_file(copying, i, fd, name, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void compact(struct copying *copying) {
    size_t kept = 0;
    for (size_t i = 0; i < copying->manifest->entries_count; i++) {
        if (copying->dropped[i])
            manifest_entry_done(&copying->manifest->entries[i]);
        else
            copying->manifest->entries[kept++] = copying->manifest->entries[i];
    }
    copying->manifest->entries_count = kept;
}

static int copy(struct copying *copying, const char *directory, struct error *err) {
    int r = walk(&copying->source, WALK_TOLERANT, &copying->work, copying->manifest, err);
    if (r < 0)
        return r;
    copying->dropped = xcalloc(copying->manifest->entries_count, sizeof(bool));
    r = copy_entries(copying, err);
    if (r < 0)
        return r;
    compact(copying);
    r = tree_apply_directories(&copying->content, copying->manifest, err);
    if (r < 0)
        return r;
    r = durable_sync_filesystem(directory, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *path = tree_manifest_path(directory);
    return manifest_write(copying->manifest, path, err);
}

/* The earlier tree is a help, not a need: what is wrong with it means that everything is copied. */
static struct manifest *open_previous(struct copying *copying, const char *previous) {
    struct manifest *manifest = NULL;
    if (!previous)
        return NULL;
    _cleanup_free_ char *path = tree_manifest_path(previous), *content = tree_content_path(previous);
    if (manifest_read(path, &manifest, NULL) >= 0 &&
        entry_index_make(manifest, content, &copying->previous, NULL) < 0)
        entry_index_done(&copying->previous);
    return manifest;
}

static int open_copy(struct copying *copying, const char *directory, struct error *err) {
    int r = durable_remove_tree(AT_FDCWD, directory, err);
    if (r < 0 || (r = durable_mkdir(directory, 0700, err)) < 0)
        return r;
    r = tree_check_apart(copying->manifest->host_path, directory, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *content = tree_content_path(directory);
    if (copying->source.file)
        return beneath_open_file(content, &copying->content, err);
    if (mkdir(content, 0700) < 0)
        return error_errno(err, errno, "cannot make the directory \"%s\"", content);
    return beneath_open(content, &copying->content, err);
}

int tree_copy(const struct tree_source *source, const char *directory, const char *previous,
              const struct tree_run *run, struct manifest **ret, struct error *err) {
    struct copying copying = {
        .source = BENEATH_NONE, .content = BENEATH_NONE, .previous = ENTRY_INDEX_NONE, .work = { .run = run }
    };
    _cleanup_manifest_ struct manifest *manifest = xcalloc(1, sizeof(*manifest)), *earlier = NULL;
    copying.manifest = manifest;
    manifest->name = xstrdup(source->name);
    manifest->host_path = xstrdup(source->host_path);
    int r = beneath_open(source->host_path, &copying.source, err);
    if (r >= 0)
        r = tree_note_place(manifest, err);
    if (r >= 0)
        r = open_copy(&copying, directory, err);
    clock_gettime(CLOCK_REALTIME_COARSE, &manifest->started); /* the clock that ctime is taken from */
    if (r >= 0 && syncfs(copying.source.fd) < 0)
        r = error_errno(err, errno, "cannot sync the file system of \"%s\"", source->host_path);
    if (r >= 0) {
        earlier = open_previous(&copying, previous);
        r = copy(&copying, directory, err);
    }
    work_end(&copying.work);
    free(copying.dropped);
    beneath_done(&copying.source);
    beneath_done(&copying.content);
    entry_index_done(&copying.previous);
    if (r < 0) {
        error_prefix(err, "cannot copy \"%s\"", source->name);
        return r;
    }
    if (ret)
        *ret = take_ptr(manifest);
    return 0;
}

int tree_estimate(const char *host_path, const char *previous, const struct tree_run *run,
                  uint64_t *ret_bytes, struct error *err) {
    struct copying copying = {
        .source = BENEATH_NONE, .content = BENEATH_NONE, .previous = ENTRY_INDEX_NONE, .work = { .run = run }
    };
    _cleanup_manifest_ struct manifest *manifest = xcalloc(1, sizeof(*manifest)), *earlier = NULL;
    uint64_t bytes = 0;
    int r = beneath_open(host_path, &copying.source, err);
    if (r >= 0)
        r = walk(&copying.source, WALK_TOLERANT, &copying.work, manifest, err);
    if (r >= 0)
        earlier = open_previous(&copying, previous);
    for (size_t i = 0; r >= 0 && i < manifest->entries_count; i++) {
        const struct manifest_entry *entry = &manifest->entries[i];
        bytes += entry->link || entry_is_known(&copying.previous, entry) ? 0 : entry->allocated;
    }
    beneath_done(&copying.source);
    entry_index_done(&copying.previous);
    if (r >= 0)
        *ret_bytes = bytes;
    return r;
}
