/* Looking at trees without changing them: compare with live files, verify the copy itself. See tree.h. */

#include "watchdog/snapshot/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/contents.h"
#include "watchdog/snapshot/difference.h"
#include "watchdog/snapshot/tree-files.h"
#include "watchdog/snapshot/walk.h"

void tree_differences_free(struct tree_difference *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(list[i].path);
        free(list[i].what);
    }
    free(list);
}

static struct tree_difference *take_differences(struct differences *differences) {
    struct tree_difference *list = xcalloc(differences->count, sizeof(*list));
    for (size_t i = 0; i < differences->count; i++) {
        struct difference *from = &differences->list[i];
        list[i] = (struct tree_difference){
            .path = xstrdup(from->wanted ? from->wanted->path : from->live->path),
            .kind = from->kind,
            .what = from->what,
        };
        from->what = NULL;
    }
    return list;
}

static struct tree_difference *root_is(enum tree_difference_kind kind, const char *what) {
    struct tree_difference *list = xcalloc(1, sizeof(*list));
    *list = (struct tree_difference){ .path = xstrdup(""), .kind = kind, .what = xstrdup(what) };
    return list;
}

int tree_compare(const struct manifest *manifest, const char *host_path, const struct tree_run *run,
                 struct tree_difference **ret, size_t *ret_count, struct error *err) {
    struct work work = { .run = run };
    _cleanup_beneath_ struct beneath root = BENEATH_NONE;
    _cleanup_manifest_ struct manifest *live = xcalloc(1, sizeof(*live));
    struct differences differences;
    struct stat status;
    if (stat(host_path, &status) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        *ret = root_is(TREE_MISSING, "is gone");
        *ret_count = 1;
        return 0;
    }
    int r = beneath_open(host_path, &root, err);
    if (r >= 0 && (root.file != NULL) == (S_ISDIR(manifest->entries[0].mode) != 0)) {
        *ret = root_is(TREE_CHANGED, "another type of file");
        *ret_count = 1;
        return 0;
    }
    if (r >= 0)
        r = walk(&root, WALK_SOCKETS, &work, live, err);
    if (r >= 0)
        r = differences_find(manifest, live, &root, &work, &differences, err);
    if (r < 0) {
        error_prefix(err, "cannot compare \"%s\" with its snapshot", manifest->name);
        return r;
    }
    work_end(&work);
    *ret = take_differences(&differences);
    *ret_count = differences.count;
    differences_done(&differences);
    return 0;
}

struct verifying {
    struct beneath content;
    struct manifest *manifest;
    struct work work;
    struct tree_fault *faults;
    size_t faults_count;
};

static void fault(struct verifying *verifying, const char *path, const char *what) {
    verifying->faults = xrealloc(verifying->faults, verifying->faults_count + 1, sizeof(struct tree_fault));
    verifying->faults[verifying->faults_count++] = (struct tree_fault){ xstrdup(path), xstrdup(what) };
}

static int verify_contents(struct verifying *verifying, const struct manifest_entry *entry,
                           struct error *err) {
    const char *name;
    int fd = beneath_parent(&verifying->content, entry->path, &name);
    _cleanup_close_ int file = fd < 0 ? -1 : openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) {
        fault(verifying, entry->path, "cannot be opened");
        return 0;
    }
    /* What is in memory may be better than what is on the disk. */
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    char digest[MANIFEST_DIGEST_SIZE];
    _cleanup_error_ struct error reading = ERROR_NONE;
    int r = contents_digest(file, &verifying->work, digest, &reading);
    if (r == -EIO) {
        fault(verifying, entry->path, "cannot be read: the disk is damaged");
        return 0;
    }
    if (r < 0)
        return error_move(err, &reading);
    if (strcmp(digest, entry->digest) != 0)
        fault(verifying, entry->path, "contents are not those that were copied");
    return 0;
}

static int verify_entries(struct verifying *verifying, struct manifest *there, struct error *err) {
    for (size_t i = 0; i < verifying->manifest->entries_count; i++) {
        const struct manifest_entry *entry = &verifying->manifest->entries[i];
        const struct manifest_entry *copy = manifest_find(there, entry->path);
        const struct manifest_entry *first = entry->link ? manifest_find(there, entry->link) : NULL;
        int r = work_add(&verifying->work, 1, 0, err);
        if (!copy)
            fault(verifying, entry->path, "is missing");
        else if ((copy->mode & S_IFMT) != (entry->mode & S_IFMT) || copy->device != entry->device ||
                 (entry->target && strcmp(entry->target, copy->target) != 0))
            fault(verifying, entry->path, "is not what was copied");
        else if (entry->link && (!first || first->inode != copy->inode))
            fault(verifying, entry->path, "is no hard link any more");
        else if (S_ISREG(entry->mode) && !entry->link && r >= 0)
            r = verify_contents(verifying, entry, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < there->entries_count; i++)
        if (!manifest_find(verifying->manifest, there->entries[i].path))
            fault(verifying, there->entries[i].path, "was not copied, but is there");
    return 0;
}

void tree_faults_free(struct tree_fault *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(list[i].path);
        free(list[i].what);
    }
    free(list);
}

int tree_verify(const char *directory, const struct tree_run *run, struct tree_fault **ret, size_t *ret_count,
                struct error *err) {
    struct verifying verifying = { .content = BENEATH_NONE, .work = { .run = run } };
    _cleanup_manifest_ struct manifest *manifest = NULL, *there = xcalloc(1, sizeof(*there));
    _cleanup_free_ char *path = tree_manifest_path(directory), *content = tree_content_path(directory);
    _cleanup_error_ struct error problem = ERROR_NONE;
    int r = manifest_read(path, &manifest, &problem);
    if (r >= 0) {
        verifying.manifest = manifest;
        r = beneath_open(content, &verifying.content, &problem);
    }
    if (r >= 0)
        r = walk(&verifying.content, WALK_SOCKETS, &verifying.work, there, &problem);
    if (r == -EBADMSG || r == -ENOENT || r == -EINVAL) {
        fault(&verifying, "", error_text(&problem));
        r = 0;
    } else if (r >= 0) {
        r = verify_entries(&verifying, there, &problem);
    }
    work_end(&verifying.work);
    beneath_done(&verifying.content);
    if (r < 0) {
        tree_faults_free(verifying.faults, verifying.faults_count);
        return error_move(err, &problem);
    }
    *ret = verifying.faults;
    *ret_count = verifying.faults_count;
    return 0;
}
