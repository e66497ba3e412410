/*
 * The second pass, within the downtime. See tree.h.
 *
 * What changed is copied beside the tree first, then old names go, then new ones come: so no order of renames
 * between directories, files and links can be in its own way.
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

enum action {
    KEEP,      /* the copy is right */
    COPY,      /* made anew beside the tree, then moved in */
    LINK,      /* a hard link to its first name */
    MAKE,      /* a new directory */
    DIRECTORY, /* was there, only its metadata is put */
};

struct pass {
    struct beneath source, content;
    int staging;
    struct entry_index known; /* the first pass, by inode */
    struct manifest *before, *now;
    enum action *actions; /* by entry of now */
    bool *stays;          /* by entry of before: its name is left in place */
    struct tree_changes changes;
    struct work work;
};

static bool same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_copy(const struct pass *pass, const struct manifest_entry *old,
                      const struct manifest_entry *entry) {
    if (!attributes_same_inode(old, entry) || !entry_is_settled(old, pass->before->started) ||
        !same_text(old->link, entry->link) || !same_text(old->target, entry->target))
        return false;
    if (!entry->link)
        return true;
    const struct manifest_entry *first = manifest_find(pass->now, entry->link);
    return pass->actions[first - pass->now->entries] == KEEP;
}

static int plan_directory(struct pass *pass, struct manifest_entry *entry, const struct manifest_entry *old,
                          struct error *err) {
    if (old && attributes_same_inode(old, entry) && entry_is_settled(old, pass->before->started)) {
        entry_take_known(entry, old);
        return 0;
    }
    const char *name;
    int fd = beneath_parent(&pass->source, entry->path, &name);
    int r = fd < 0 ? fd : attributes_xattrs(fd, name, entry);
    return r < 0 ? error_errno(err, -r, "cannot read the attributes of \"%s\"", entry->path) : 0;
}

static int plan(struct pass *pass, struct error *err) {
    pass->actions = xcalloc(pass->now->entries_count, sizeof(*pass->actions));
    pass->stays = xcalloc(pass->before->entries_count, sizeof(*pass->stays));
    for (size_t i = 0; i < pass->now->entries_count; i++) {
        struct manifest_entry *entry = &pass->now->entries[i];
        struct manifest_entry *old = manifest_find(pass->before, entry->path);
        bool stays = false;
        if (S_ISDIR(entry->mode)) {
            stays = old && S_ISDIR(old->mode);
            pass->actions[i] = stays ? DIRECTORY : MAKE;
            int r = plan_directory(pass, entry, stays ? old : NULL, err);
            if (r < 0)
                return r;
        } else if (old && same_copy(pass, old, entry)) {
            stays = true;
            pass->actions[i] = KEEP;
            entry_take_known(entry, old);
            entry->shared = old->shared;
        } else {
            pass->actions[i] = entry->link ? LINK : COPY;
        }
        if (stays)
            pass->stays[old - pass->before->entries] = true;
    }
    return 0;
}

static int stage(struct pass *pass, struct error *err) {
    for (size_t i = 0; i < pass->now->entries_count; i++) {
        struct manifest_entry *entry = &pass->now->entries[i];
        if (pass->actions[i] != COPY)
            continue;
        char name[32];
        snprintf(name, sizeof(name), "%zu", i);
        if (entry_reuse(&pass->known, entry, pass->staging, name)) {
            entry->shared = false;
            pass->changes.linked++;
            continue;
        }
        struct manifest_entry seen = *entry;
        int r = entry_copy(&pass->source, entry, pass->staging, name, &pass->work, err);
        if (r < 0)
            return r;
        if (r > 0 || entry->unstable || (S_ISREG(entry->mode) && !attributes_same_inode(&seen, entry)))
            return error_set(err, ESTALE,
                             "\"%s/%s\" changed while it was copied: something still writes there",
                             pass->source.path, entry->path);
        pass->changes.copied++;
        pass->changes.bytes += entry->size;
    }
    return 0;
}

static int remove_old(struct pass *pass, struct error *err) {
    for (size_t i = pass->before->entries_count; i-- > 0;) {
        const struct manifest_entry *entry = &pass->before->entries[i];
        if (pass->stays[i])
            continue;
        const char *name;
        int fd = beneath_parent(&pass->content, entry->path, &name);
        int r = fd < 0 ? fd : unlinkat(fd, name, S_ISDIR(entry->mode) ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
        if (r < 0)
            return error_errno(err, -r, "cannot remove the copy of \"%s\"", entry->path);
        if (S_ISDIR(entry->mode))
            beneath_forget(&pass->content);
        pass->changes.removed += !manifest_find(pass->now, entry->path);
    }
    return 0;
}

static int put_new(struct pass *pass, struct error *err) {
    for (size_t i = 0; i < pass->now->entries_count; i++) {
        const struct manifest_entry *entry = &pass->now->entries[i];
        if (pass->actions[i] == KEEP || pass->actions[i] == DIRECTORY)
            continue;
        if (pass->actions[i] == LINK) {
            int r = entry_link(&pass->content, entry->link, entry->path, err);
            if (r < 0)
                return r;
            pass->changes.linked++;
            continue;
        }
        char staged[32];
        snprintf(staged, sizeof(staged), "%zu", i);
        const char *name;
        int fd = beneath_parent(&pass->content, entry->path, &name), r = fd;
        if (fd >= 0)
            r = pass->actions[i] == MAKE ? mkdirat(fd, name, 0700)
                                         : renameat(pass->staging, staged, fd, name);
        if (fd >= 0 && r < 0)
            r = -errno;
        if (r < 0)
            return error_errno(err, -r, "cannot put the copy of \"%s\"", entry->path);
    }
    return 0;
}

/* A change that came after the walk shows in a second one: every name with its ctime. */
static int check_quiet(struct pass *pass, struct error *err) {
    _cleanup_manifest_ struct manifest *again = xcalloc(1, sizeof(*again));
    int r = walk(&pass->source, 0, &pass->work, again, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < again->entries_count || i < pass->now->entries_count; i++) {
        const struct manifest_entry *a = i < again->entries_count ? &again->entries[i] : NULL,
                                    *b = i < pass->now->entries_count ? &pass->now->entries[i] : NULL;
        if (a && b && strcmp(a->path, b->path) == 0 && attributes_same_inode(a, b) &&
            same_text(a->link, b->link) && same_text(a->target, b->target))
            continue;
        return error_set(err, ESTALE, "\"%s/%s\" changed while it was copied: something still writes there",
                         pass->source.path, a ? a->path : b->path);
    }
    return 0;
}

static bool nothing_changed(const struct pass *pass) {
    for (size_t i = 0; i < pass->now->entries_count; i++) {
        const struct manifest_entry *entry = &pass->now->entries[i];
        if (pass->actions[i] != KEEP &&
            (pass->actions[i] != DIRECTORY ||
             !attributes_same_inode(entry, manifest_find(pass->before, entry->path))))
            return false;
    }
    for (size_t i = 0; i < pass->before->entries_count; i++)
        if (!pass->stays[i])
            return false;
    return true;
}

static int update(struct pass *pass, const char *directory, struct error *err) {
    _cleanup_free_ char *staging = xasprintf("%s/staging", directory);
    int r = durable_remove_tree(AT_FDCWD, staging, err);
    if (r < 0)
        return r;
    if (mkdir(staging, 0700) < 0)
        return error_errno(err, errno, "cannot make the directory \"%s\"", staging);
    pass->staging = open(staging, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (pass->staging < 0)
        return error_errno(err, errno, "cannot open \"%s\"", staging);
    if ((r = stage(pass, err)) < 0 || (r = remove_old(pass, err)) < 0 || (r = put_new(pass, err)) < 0)
        return r;
    if (rmdir(staging) < 0)
        return error_errno(err, errno, "cannot remove \"%s\"", staging);
    return tree_apply_directories(&pass->content, pass->now, err);
}

static int run_pass(struct pass *pass, const char *directory, struct error *err) {
    int r = walk(&pass->source, 0, &pass->work, pass->now, err);
    if (r < 0 || (r = plan(pass, err)) < 0)
        return r;
    if (!nothing_changed(pass) && (r = update(pass, directory, err)) < 0)
        return r;
    return check_quiet(pass, err);
}

/* An empty mount point, or another directory in its place, is not the data emptied. A file may be replaced.
 */
static int check_root(const struct pass *pass, const char *source, struct error *err) {
    struct stat status;
    if (fstat(pass->source.fd, &status) < 0)
        return error_errno(err, errno, "cannot look at \"%s\"", source);
    if (pass->source.file || status.st_ino == pass->before->entries[0].inode)
        return 0;
    return error_set(err, ESTALE, "\"%s\" is another directory than the one that was copied", source);
}

static int open_pass(struct pass *pass, const char *source, const char *content, struct error *err) {
    int r = tree_check_place(pass->before, source, err);
    if (r < 0 || (r = beneath_open(source, &pass->source, err)) < 0 ||
        (r = beneath_open(content, &pass->content, err)) < 0)
        return r;
    if ((pass->source.file != NULL) != (pass->content.file != NULL))
        return error_set(err, ESTALE, "\"%s\" was a %s in the first pass", source,
                         pass->content.file ? "file" : "directory");
    r = check_root(pass, source, err);
    return r < 0 ? r : entry_index_make(pass->before, content, &pass->known, err);
}

int tree_second_pass(const struct tree_source *source, const char *directory, const struct tree_run *run,
                     struct tree_changes *ret_changes, struct manifest **ret, struct error *err) {
    struct pass pass = { .source = BENEATH_NONE,
                         .content = BENEATH_NONE,
                         .known = ENTRY_INDEX_NONE,
                         .staging = -1,
                         .work = { .run = run } };
    _cleanup_manifest_ struct manifest *before = NULL, *now = xcalloc(1, sizeof(*now));
    _cleanup_free_ char *path = tree_manifest_path(directory), *content = tree_content_path(directory);
    now->name = xstrdup(source->name);
    now->host_path = xstrdup(source->host_path);
    clock_gettime(CLOCK_REALTIME_COARSE, &now->started);
    int r = manifest_read(path, &before, err);
    pass.before = before;
    pass.now = now;
    if (r >= 0)
        r = open_pass(&pass, source->host_path, content, err);
    if (r >= 0)
        r = tree_note_place(now, err);
    if (r >= 0)
        r = durable_unlink(AT_FDCWD, path, err);
    if (r >= 0)
        r = run_pass(&pass, directory, err);
    if (r >= 0)
        r = durable_sync_filesystem(directory, err);
    if (r >= 0)
        r = manifest_write(now, path, err);
    work_end(&pass.work);
    beneath_done(&pass.source);
    beneath_done(&pass.content);
    entry_index_done(&pass.known);
    cleanup_close(&pass.staging);
    free(pass.actions);
    free(pass.stays);
    if (r < 0) {
        error_prefix(err, "second pass over \"%s\"", source->name);
        return r;
    }
    if (ret_changes)
        *ret_changes = pass.changes;
    if (ret)
        *ret = take_ptr(now);
    return 0;
}
