/* Quarantine. See quarantine.h. */

#include "watchdog/snapshot/quarantine.h"

#include <dirent.h>
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
#include "watchdog/snapshot/entry.h"
#include "watchdog/snapshot/manifest-text.h"

struct moving {
    struct beneath *live, content;
    struct manifest *now;
    struct work *work;
    struct manifest_entry **foreign; /* what could not be renamed: on another file system */
    size_t foreign_count;
};

static int check_empty(const char *directory, struct error *err) {
    DIR *opened = opendir(directory);
    if (!opened)
        return error_errno(err, errno, "cannot open \"%s\"", directory);
    bool empty = true;
    for (struct dirent *entry; (entry = readdir(opened));)
        if (!string_equal(entry->d_name, ".") && !string_equal(entry->d_name, ".."))
            empty = false;
    closedir(opened);
    return empty ? 0
                 : error_set(err, EEXIST, "the quarantine \"%s\" holds something already, expected a new one",
                             directory);
}

int quarantine_begin(const char *directory, const struct differences *differences, struct error *err) {
    static const char *const kinds[] = { "", "added", "missing", "changed", "metadata" };
    _cleanup_buffer_ struct buffer text = { 0 };
    int r = durable_mkdir(directory, 0700, err);
    if (r < 0 || (r = check_empty(directory, err)) < 0)
        return r;
    for (size_t i = 0; i < differences->count; i++) {
        const struct difference *difference = &differences->list[i];
        if (!difference->live)
            continue;
        buffer_printf(&text, "{\"kind\":\"%s\",\"what\":\"", kinds[difference->kind]);
        manifest_encode(&text, difference->what);
        buffer_printf(&text, "\",\"live\":");
        manifest_entry_format(&text, difference->live);
        buffer_printf(&text, "}\n");
    }
    _cleanup_free_ char *path = xasprintf("%s/displaced.jsonl", directory);
    return durable_write(AT_FDCWD, path, text.text, text.size, 0600, err);
}

/* The directories that lead to @path in the quarantine. */
static int make_parents(struct moving *moving, const char *path, struct error *err) {
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        _cleanup_free_ char *parent = xstrndup(path, (size_t)(slash - path));
        const char *name;
        int fd = beneath_parent(&moving->content, parent, &name);
        if (fd < 0 || (mkdirat(fd, name, 0700) < 0 && errno != EEXIST))
            return error_errno(err, fd < 0 ? -fd : errno, "cannot make \"%s\" in quarantine", parent);
    }
    return 0;
}

static int move(struct moving *moving, struct manifest_entry *entry, struct error *err) {
    const char *from_name, *to_name;
    int r = make_parents(moving, entry->path, err);
    if (r < 0)
        return r;
    beneath_forget(moving->live);
    int from = beneath_parent(moving->live, entry->path, &from_name);
    int to = from < 0 ? from : beneath_parent(&moving->content, entry->path, &to_name);
    if (to < 0)
        return error_errno(err, -to, "cannot move \"%s\" to quarantine", entry->path);
    if (renameat(from, from_name, to, to_name) == 0)
        return 0;
    if (errno != EXDEV)
        return error_errno(err, errno, "cannot move \"%s\" to quarantine", entry->path);
    moving->foreign = xrealloc(moving->foreign, moving->foreign_count + 1, sizeof(*moving->foreign));
    moving->foreign[moving->foreign_count++] = entry;
    return 0;
}

static struct manifest_entry *end_of(const struct moving *moving, struct manifest_entry *entry) {
    struct manifest_entry *end = entry + 1, *last = moving->now->entries + moving->now->entries_count;
    while (end < last && path_is_inside(end->path, entry->path))
        end++;
    return end;
}

static int copy_name(struct moving *moving, struct manifest_entry *entry, struct error *err) {
    int r = make_parents(moving, entry->path, err);
    if (r < 0)
        return r;
    const char *name, *from_name;
    int to = beneath_parent(&moving->content, entry->path, &name);
    if (to < 0)
        return error_errno(err, -to, "cannot copy \"%s\" to quarantine", entry->path);
    if (!S_ISDIR(entry->mode)) {
        r = entry_copy(moving->live, entry, to, name, moving->work, err);
        return r > 0 ? error_set(err, ESTALE, "\"%s\" vanished on its way to quarantine", entry->path) : r;
    }
    if (mkdirat(to, name, 0700) < 0)
        return error_errno(err, errno, "cannot make \"%s\" in quarantine", entry->path);
    int from = beneath_parent(moving->live, entry->path, &from_name);
    r = from < 0 ? from : attributes_xattrs(from, from_name, entry);
    return r < 0 ? error_errno(err, -r, "cannot read the attributes of \"%s\"", entry->path) : 0;
}

static int copy_tree(struct moving *moving, struct manifest_entry *entry, struct error *err) {
    struct manifest_entry *end = end_of(moving, entry);
    for (struct manifest_entry *at = entry; at < end; at++) {
        int r = copy_name(moving, at, err);
        if (r < 0)
            return r;
    }
    for (struct manifest_entry *at = end; at-- > entry;) {
        const char *name;
        int fd = S_ISDIR(at->mode) ? beneath_parent(&moving->content, at->path, &name) : -1;
        if (fd >= 0 && attributes_apply(fd, name, at, true) < 0)
            return error_errno(err, EIO, "cannot set the owner of \"%s\" in quarantine", at->path);
    }
    return 0;
}

static int remove_tree(struct moving *moving, struct manifest_entry *entry, struct error *err) {
    for (struct manifest_entry *at = end_of(moving, entry); at-- > entry;) {
        const char *name;
        beneath_forget(moving->live);
        int fd = beneath_parent(moving->live, at->path, &name);
        if (fd < 0 || unlinkat(fd, name, S_ISDIR(at->mode) ? AT_REMOVEDIR : 0) < 0)
            return error_errno(err, fd < 0 ? -fd : errno, "cannot remove \"%s\", which is in quarantine",
                               at->path);
    }
    return 0;
}

static int move_foreign(struct moving *moving, const char *directory, struct error *err) {
    int r = 0;
    for (size_t i = 0; r >= 0 && i < moving->foreign_count; i++)
        r = copy_tree(moving, moving->foreign[i], err);
    if (r >= 0)
        r = durable_sync_filesystem(directory, err);
    for (size_t i = 0; r >= 0 && i < moving->foreign_count; i++)
        r = remove_tree(moving, moving->foreign[i], err);
    return r;
}

static int open_content(struct moving *moving, const char *directory, struct error *err) {
    _cleanup_free_ char *content = xasprintf("%s/content", directory);
    if (moving->live->file)
        return beneath_open_file(content, &moving->content, err);
    if (mkdir(content, 0700) < 0)
        return error_errno(err, errno, "cannot make \"%s\"", content);
    return beneath_open(content, &moving->content, err);
}

static int move_all(struct moving *moving, const struct differences *differences, size_t *ret_displaced,
                    struct error *err) {
    const char *moved = NULL; /* the directory that went last */
    for (size_t i = 0; i < differences->count; i++) {
        const struct difference *difference = &differences->list[i];
        if (!difference->live || difference->kind == TREE_METADATA ||
            (moved && path_is_inside(difference->live->path, moved)))
            continue;
        int r = move(moving, difference->live, err);
        if (r < 0 || (r = work_add(moving->work, 1, 0, err)) < 0)
            return r;
        moved = difference->live->path;
        (*ret_displaced)++;
    }
    return 0;
}

int quarantine_move(const char *directory, struct beneath *live, struct manifest *now,
                    const struct differences *differences, struct work *work, size_t *ret_displaced,
                    struct error *err) {
    struct moving moving = { .live = live, .content = BENEATH_NONE, .now = now, .work = work };
    int r = open_content(&moving, directory, err);
    if (r >= 0)
        r = move_all(&moving, differences, ret_displaced, err);
    if (r >= 0 && moving.foreign_count > 0)
        r = move_foreign(&moving, directory, err);
    if (r >= 0)
        r = durable_sync_filesystem(directory, err);
    beneath_forget(live);
    beneath_done(&moving.content);
    free(moving.foreign);
    return r;
}
