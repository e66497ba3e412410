/*
 * What of the snapshots stays: verification, retention, and the row that is shown. See store.h.
 *
 * An older snapshot goes only when a newer one has been verified: a machine that makes bad ones every night
 * keeps its last good one for ever.
 */

#include "watchdog/snapshot/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/contents.h"
#include "watchdog/snapshot/document.h"
#include "watchdog/snapshot/images.h"

static json_int_t sum(const json_t *document, const char *list, const char *key) {
    size_t i;
    json_t *entry;
    json_int_t total = 0;
    json_array_foreach(json_get_array(document, list), i, entry) total += json_get_integer(entry, key, 0);
    return total;
}

static json_t *column(const json_t *document, const char *list, const char *key) {
    size_t i;
    json_t *entry, *result = json_array();
    json_array_foreach(json_get_array(document, list), i, entry)
        json_array_append(result, json_object_get(entry, key));
    return result;
}

json_t *snapshot_summary(const struct snapshot *snapshot) {
    const json_t *document = snapshot->document;
    json_t *row = json_object();
    json_object_set_new(row, "id", json_string(snapshot->id));
    json_object_set_new(row, "complete", json_boolean(snapshot->complete));
    if (!snapshot->complete) {
        json_object_set_new(row, "problem", json_text_string(snapshot->problem ? snapshot->problem : ""));
        return row;
    }
    json_object_set(row, "created", json_object_get(document, "created"));
    json_object_set_new(row, "verified", json_string(snapshot_verified(snapshot)));
    if (json_object_get(document, "verified_at"))
        json_object_set(row, "verified_at", json_object_get(document, "verified_at"));
    json_object_set_new(row, "bytes",
                        json_integer(sum(document, "databases", "size") + sum(document, "trees", "bytes") +
                                     sum(document, "files", "size")));
    json_object_set_new(row, "shared_bytes", json_integer(sum(document, "trees", "shared_bytes")));
    json_object_set_new(row, "databases", column(document, "databases", "name"));
    json_object_set_new(row, "trees", column(document, "trees", "name"));
    json_object_set_new(row, "images", column(document, "images", "image_id"));
    if (json_object_get(document, "off_host"))
        json_object_set(row, "off_host", json_object_get(document, "off_host"));
    return row;
}

struct checking {
    const struct snapshot *snapshot;
    const struct tree_run *run;
    struct work work;
    struct snapshot_fault *faults;
    size_t count;
};

static void fault(struct checking *checking, char *file, const char *what) {
    checking->faults = xrealloc(checking->faults, checking->count + 1, sizeof(*checking->faults));
    checking->faults[checking->count++] = (struct snapshot_fault){ file, xstrdup(what) };
}

void snapshot_faults_free(struct snapshot_fault *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(list[i].file);
        free(list[i].what);
    }
    free(list);
}

/* A file with size and checksum in the document. */
static int check_file(struct checking *checking, const json_t *entry, struct error *err) {
    const char *name = json_get_string(entry, "file", "");
    char digest[MANIFEST_DIGEST_SIZE];
    _cleanup_free_ char *path = xasprintf("%s/%s", checking->snapshot->directory, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        fault(checking, xstrdup(name), errno == ENOENT ? "is missing" : "cannot be opened");
        return 0;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    _cleanup_error_ struct error problem = ERROR_NONE;
    int r = contents_digest(fd, &checking->work, digest, &problem);
    if (r == -EIO)
        fault(checking, xstrdup(name), "cannot be read: the disk is damaged");
    else if (r < 0)
        return error_move(err, &problem);
    else if (lseek(fd, 0, SEEK_END) != json_get_integer(entry, "size", -1))
        fault(checking, xstrdup(name), "has another size than was written");
    else if (strcmp(digest, json_get_string(entry, "sha256", "")) != 0)
        fault(checking, xstrdup(name), "is not what was written: its checksum is another");
    return 0;
}

static int check_list(struct checking *checking, const char *list, struct error *err) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_get_array(checking->snapshot->document, list), i, entry) {
        int r = check_file(checking, entry, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_trees(struct checking *checking, struct error *err) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_get_array(checking->snapshot->document, "trees"), i, entry) {
        const char *directory = json_get_string(entry, "directory", "");
        _cleanup_free_ char *path = xasprintf("%s/%s", checking->snapshot->directory, directory);
        struct tree_fault *faults;
        size_t count;
        int r = tree_verify(path, checking->run, &faults, &count, err);
        if (r < 0)
            return r;
        for (size_t j = 0; j < count; j++)
            fault(checking,
                  *faults[j].path ? xasprintf("%s/content/%s", directory, faults[j].path)
                                  : xstrdup(directory),
                  faults[j].what);
        tree_faults_free(faults, count);
    }
    return 0;
}

static int check_images(struct checking *checking, const char *state, struct error *err) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_get_array(checking->snapshot->document, "images"), i, entry) {
        const char *id = json_get_string(entry, "image_id", "");
        struct image_archive archive = { 0 };
        _cleanup_error_ struct error problem = ERROR_NONE;
        if (!json_get_boolean(entry, "archived", 0))
            continue;
        int r = image_archive_find(state, id, &archive, &problem);
        if (r >= 0)
            r = image_archive_check(&archive, checking->run, &problem);
        image_archive_done(&archive);
        if (r == -ENOENT || r == -EBADMSG || r == -EIO)
            fault(checking, xasprintf("image %s", id), error_text(&problem));
        else if (r < 0)
            return error_move(err, &problem);
    }
    return 0;
}

int snapshot_verify(const struct snapshot *snapshot, const char *state, const struct tree_run *run,
                    struct snapshot_fault **ret, size_t *ret_count, struct error *err) {
    struct checking checking = { .snapshot = snapshot, .run = run, .work = { .run = run } };
    const json_t *globals = json_get_object(snapshot->document, "globals");
    int r = check_list(&checking, "databases", err);
    if (r >= 0 && globals)
        r = check_file(&checking, globals, err);
    if (r < 0 || (r = check_list(&checking, "files", err)) < 0 || (r = check_trees(&checking, err)) < 0 ||
        (r = check_images(&checking, state, err)) < 0) {
        snapshot_faults_free(checking.faults, checking.count);
        error_prefix(err, "cannot verify the snapshot \"%s\"", snapshot->id);
        return r;
    }
    *ret = checking.faults;
    *ret_count = checking.count;
    return 0;
}

int snapshot_remove(const char *state, const char *id, struct error *err) {
    _cleanup_free_ char *directory = xasprintf("%s/snapshots/%s", state, id);
    _cleanup_free_ char *document = xasprintf("%s/snapshot.json", directory);
    if (!*id || strchr(id, '/') || *id == '.')
        return error_set(err, EINVAL, "\"%s\" is no id of a snapshot", id);
    if (access(directory, F_OK) < 0 && errno == ENOENT)
        return 0;
    /* Without this file it is partial, whatever is left of it. */
    int r = durable_unlink(AT_FDCWD, document, err);
    return r < 0 ? r : durable_remove_tree(AT_FDCWD, directory, err);
}

enum state_of { PARTIAL, DAMAGED, FOREIGN, COMPLETE };

static enum state_of look(const struct snapshot *snapshot) {
    _cleanup_free_ char *path = xasprintf("%s/snapshot.json", snapshot->directory);
    _cleanup_json_ json_t *document = NULL;
    if (snapshot->complete)
        return COMPLETE;
    int r = document_read(path, &document, NULL);
    return r == -ENOENT ? PARTIAL : r == -ENOTSUP ? FOREIGN : DAMAGED;
}

int snapshots_retain(const char *state, const char *app, unsigned keep, char *const *needed, char ***removed,
                     struct error *err) {
    struct snapshot **list;
    size_t count;
    int r = snapshots_list(state, app, &list, &count, err);
    if (r < 0)
        return r;
    unsigned complete = 0;
    bool verified = false; /* a newer one was */
    for (size_t i = 0; r >= 0 && i < count; i++) {
        const struct snapshot *snapshot = list[i];
        enum state_of what = look(snapshot);
        bool over = what == PARTIAL || (what != FOREIGN && verified && complete >= keep);
        complete += what == COMPLETE;
        verified = verified || (what == COMPLETE && *snapshot_verified(snapshot));
        if (!over || strings_contain(needed, snapshot->id))
            continue;
        r = snapshot_remove(state, snapshot->id, err);
        if (r >= 0 && removed)
            strings_append(removed, snapshot->id);
    }
    snapshots_free(list, count);
    return r;
}
