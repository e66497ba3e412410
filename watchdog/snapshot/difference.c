/*
 * Comparing a manifest with live files. See difference.h.
 *
 * An inode that nothing has happened to is not read. One whose ctime or number is another may still be the
 * same file (chmod and back, restored by an earlier attempt): its contents decide.
 */

#include "watchdog/snapshot/difference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/snapshot/attributes.h"
#include "watchdog/snapshot/contents.h"
#include "watchdog/snapshot/difference-links.h"
#include "watchdog/snapshot/entry.h"

struct comparing {
    const struct manifest *manifest;
    struct manifest *live;
    struct beneath *root;
    struct work *work;
    struct differences *result;
};

bool path_is_inside(const char *path, const char *directory) {
    size_t size = strlen(directory);
    return size == 0 ? *path != '\0' : strncmp(path, directory, size) == 0 && path[size] == '/';
}

const struct manifest_entry *difference_first(const struct manifest *manifest,
                                              const struct manifest_entry *entry) {
    return entry->link ? manifest_find(manifest, entry->link) : entry;
}

static void found(struct difference *difference, enum tree_difference_kind kind, char *what) {
    difference->kind = kind;
    replace_string(difference->what, what);
}

static int cannot(const struct comparing *comparing, const char *path, int r, struct error *err) {
    _cleanup_free_ char *name = beneath_name(comparing->root, path);
    return error_errno(err, -r, "cannot read \"%s\"", name);
}

static int compare_contents(struct comparing *comparing, struct difference *difference, struct error *err) {
    const struct manifest_entry *first = difference_first(comparing->manifest, difference->wanted);
    const struct manifest_entry *live = difference->live;
    if (live->size != difference->wanted->size) {
        found(difference, TREE_CHANGED,
              xasprintf("%llu bytes, was %llu", (unsigned long long)live->size,
                        (unsigned long long)difference->wanted->size));
        return 0;
    }
    const char *name;
    int fd = beneath_parent(comparing->root, live->path, &name);
    if (fd < 0)
        return cannot(comparing, live->path, fd, err);
    _cleanup_close_ int file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
    if (file < 0)
        return cannot(comparing, live->path, -errno, err);
    char digest[MANIFEST_DIGEST_SIZE];
    int r = contents_digest(file, comparing->work, digest, err);
    if (r < 0) {
        error_prefix(err, "\"%s\"", live->path);
        return r;
    }
    if (strcmp(digest, first->digest) != 0)
        found(difference, TREE_CHANGED, xstrdup("other contents"));
    return 0;
}

static int compare_metadata(struct comparing *comparing, struct difference *difference, struct error *err) {
    struct manifest_entry *live = difference->live;
    const struct manifest_entry *wanted = difference->wanted;
    const char *name;
    int fd = beneath_parent(comparing->root, live->path, &name);
    int r = fd < 0 ? fd : live->xattrs ? 0 : attributes_xattrs(fd, name, live);
    if (r < 0)
        return cannot(comparing, live->path, r, err);
    char *what = NULL;
    if (live->mode != wanted->mode)
        what = xasprintf("mode %04o, was %04o", live->mode & 07777, wanted->mode & 07777);
    else if (live->uid != wanted->uid || live->gid != wanted->gid)
        what = xasprintf("owner %u:%u, was %u:%u", live->uid, live->gid, wanted->uid, wanted->gid);
    else if (live->mtime.tv_sec != wanted->mtime.tv_sec || live->mtime.tv_nsec != wanted->mtime.tv_nsec)
        what = xstrdup("another time of modification");
    else if (live->flags != wanted->flags)
        what = xstrdup("another immutable or append-only flag");
    else if (!attributes_same_xattrs(live, difference_first(comparing->manifest, wanted)))
        what = xstrdup("other extended attributes");
    if (what)
        found(difference, TREE_METADATA, what);
    return 0;
}

static int compare_entry(struct comparing *comparing, struct difference *difference, struct error *err) {
    const struct manifest_entry *wanted = difference->wanted, *live = difference->live;
    if (!live) {
        found(difference, TREE_MISSING, xstrdup("is gone"));
        return 0;
    }
    if ((live->mode & S_IFMT) != (wanted->mode & S_IFMT) || live->device != wanted->device) {
        found(difference, TREE_CHANGED, xstrdup("another type of file"));
        return 0;
    }
    if (wanted->target && strcmp(live->target, wanted->target) != 0) {
        found(difference, TREE_CHANGED,
              xasprintf("leads to \"%s\", was \"%s\"", live->target, wanted->target));
        return 0;
    }
    if (entry_is_settled(wanted, comparing->manifest->started) && attributes_same_inode(live, wanted))
        return 0;
    if (S_ISREG(wanted->mode)) {
        int r = compare_contents(comparing, difference, err);
        if (r < 0 || difference->kind)
            return r;
    }
    return compare_metadata(comparing, difference, err);
}

static struct difference *add(struct differences *differences, struct manifest_entry *wanted,
                              struct manifest_entry *live) {
    size_t count = differences->count;
    if ((count & (count - 1)) == 0)
        differences->list =
            xrealloc(differences->list, count == 0 ? 1 : 2 * count, sizeof(struct difference));
    differences->list[count] = (struct difference){ .wanted = wanted, .live = live };
    differences->count++;
    return &differences->list[count];
}

/* Goes through both lists side by side. */
static int merge(struct comparing *comparing, struct error *err) {
    struct manifest_entry *wanted = comparing->manifest->entries, *live = comparing->live->entries;
    const struct manifest_entry *wanted_end = wanted + comparing->manifest->entries_count,
                                *live_end = live + comparing->live->entries_count;
    const char *added = NULL; /* the added directory that the walk is in */
    int r = 0;
    while (r >= 0 && (wanted < wanted_end || live < live_end)) {
        int order = wanted == wanted_end ? 1
                    : live == live_end   ? -1
                                         : manifest_path_compare(wanted->path, live->path);
        if (order <= 0) {
            r = compare_entry(comparing, add(comparing->result, wanted, order == 0 ? live : NULL), err);
            if (r >= 0)
                r = work_add(comparing->work, 1, 0, err);
            wanted++;
            live += order == 0;
            continue;
        }
        bool known = S_ISSOCK(live->mode) && strings_contain(comparing->manifest->skipped, live->path);
        if (!known && (!added || !path_is_inside(live->path, added))) {
            found(add(comparing->result, NULL, live), TREE_ADDED, xstrdup("is new"));
            added = S_ISDIR(live->mode) ? live->path : NULL;
        }
        live++;
    }
    return r;
}

static void compact(struct differences *differences) {
    size_t kept = 0;
    for (size_t i = 0; i < differences->count; i++)
        if (differences->list[i].kind)
            differences->list[kept++] = differences->list[i];
    differences->count = kept;
}

int differences_find(const struct manifest *manifest, struct manifest *live, struct beneath *root,
                     struct work *work, struct differences *ret, struct error *err) {
    *ret = (struct differences){ 0 };
    struct comparing comparing = {
        .manifest = manifest, .live = live, .root = root, .work = work, .result = ret
    };
    int r = merge(&comparing, err);
    if (r < 0) {
        differences_done(ret);
        return r;
    }
    difference_links(manifest, ret);
    compact(ret);
    return 0;
}

void differences_done(struct differences *differences) {
    for (size_t i = 0; i < differences->count; i++)
        free(differences->list[i].what);
    free(differences->list);
    *differences = (struct differences){ 0 };
}
