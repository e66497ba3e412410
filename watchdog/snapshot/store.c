/* Snapshots in the state directory. See store.h. */

#include "watchdog/snapshot/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/document.h"
#include "watchdog/snapshot/tree-files.h"

#define FILE_LIMIT ((size_t)1024 * 1024)

void snapshot_free(struct snapshot *snapshot) {
    if (!snapshot)
        return;
    free(snapshot->id);
    free(snapshot->app);
    free(snapshot->directory);
    free(snapshot->problem);
    json_decref(snapshot->document);
    free(snapshot);
}

void cleanup_snapshot(struct snapshot **snapshot) {
    snapshot_free(*snapshot);
}

void snapshots_free(struct snapshot **list, size_t count) {
    for (size_t i = 0; i < count; i++)
        snapshot_free(list[i]);
    free(list);
}

static bool id_is_valid(const char *id) {
    size_t size = strlen(id);
    return size > 0 && size <= 64 && id[0] != '-' &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

static struct snapshot *snapshot_new(const char *state, const char *app, const char *id) {
    struct snapshot *snapshot = xcalloc(1, sizeof(*snapshot));
    snapshot->id = xstrdup(id);
    snapshot->app = xstrdup(app);
    snapshot->directory = xasprintf("%s/snapshots/%s", state, id);
    return snapshot;
}

static char *document_path(const struct snapshot *snapshot) {
    return xasprintf("%s/snapshot.json", snapshot->directory);
}

static json_t *time_now(void) {
    char text[TIMESTAMP_SIZE];
    return json_string(timestamp_format(text, clock_realtime()));
}

int snapshot_create(const char *state, const char *app, const char *id, struct snapshot **ret,
                    struct error *err) {
    if (!id_is_valid(id))
        return error_set(err, EINVAL, "\"%s\" is no id of a snapshot", id);
    _cleanup_snapshot_ struct snapshot *snapshot = snapshot_new(state, app, id);
    _cleanup_free_ char *path = document_path(snapshot);
    if (access(path, F_OK) == 0)
        return error_set(err, EEXIST, "there is a snapshot \"%s\" already", id);
    int r = durable_remove_tree(AT_FDCWD, snapshot->directory, err);
    static const char *const parts[] = { "databases", "files", "configuration" };
    for (size_t i = 0; r >= 0 && i < ELEMENTS(parts); i++) {
        _cleanup_free_ char *part = xasprintf("%s/%s", snapshot->directory, parts[i]);
        r = durable_mkdir(part, 0700, err);
    }
    if (r < 0)
        return r;
    snapshot->document =
        json_pack("{s:i, s:s, s:s, s:o, s:[], s:[], s:[], s:[]}", "format", SNAPSHOT_FORMAT, "id", id, "app",
                  app, "created", time_now(), "databases", "trees", "files", "images");
    if (!snapshot->document)
        abort();
    *ret = take_ptr(snapshot);
    return 0;
}

char *snapshot_dump_path(const struct snapshot *snapshot, const char *database) {
    _cleanup_free_ char *name = tree_directory_name(database);
    return xasprintf("%s/databases/%s.dump.zst", snapshot->directory, name);
}

char *snapshot_globals_path(const struct snapshot *snapshot) {
    return xasprintf("%s/databases/globals.sql", snapshot->directory);
}

char *snapshot_tree_path(const struct snapshot *snapshot, const char *name) {
    _cleanup_free_ char *directory = tree_directory_name(name);
    return xasprintf("%s/files/%s", snapshot->directory, directory);
}

/* Puts @entry into the list, in the place of one with the same value of @key. */
static void put_entry(struct snapshot *snapshot, const char *list, const char *key, json_t *entry) {
    json_t *array = json_get_array(snapshot->document, list);
    size_t i;
    json_t *there;
    if (!array) {
        array = json_array();
        json_object_set_new(snapshot->document, list, array);
    }
    json_array_foreach(array, i, there) {
        if (string_equal(json_get_string(there, key, ""), json_get_string(entry, key, ""))) {
            json_array_set_new(array, i, entry);
            return;
        }
    }
    json_array_append_new(array, entry);
}

/* What was verified is not what is there any more. */
static void changed(struct snapshot *snapshot) {
    json_object_del(snapshot->document, "verified");
    json_object_del(snapshot->document, "verified_at");
}

static const char *inside(const struct snapshot *snapshot, const char *path) {
    return path + strlen(snapshot->directory) + 1;
}

void snapshot_add_dump(struct snapshot *snapshot, const char *database, uint64_t size, const char *sha256,
                       const json_t *details) {
    _cleanup_free_ char *path = snapshot_dump_path(snapshot, database);
    json_t *entry = json_object();
    json_object_set_new(entry, "name", json_text_string(database));
    json_object_set_new(entry, "file", json_string(inside(snapshot, path)));
    json_object_set_new(entry, "size", json_integer((json_int_t)size));
    json_object_set_new(entry, "sha256", json_string(sha256));
    if (details)
        json_object_set_new(entry, "details", json_deep_copy(details));
    put_entry(snapshot, "databases", "name", entry);
    changed(snapshot);
}

void snapshot_add_globals(struct snapshot *snapshot, uint64_t size, const char *sha256) {
    _cleanup_free_ char *path = snapshot_globals_path(snapshot);
    json_object_set_new(snapshot->document, "globals",
                        json_pack("{s:s, s:I, s:s}", "file", inside(snapshot, path), "size", (json_int_t)size,
                                  "sha256", sha256));
    changed(snapshot);
}

void snapshot_add_tree(struct snapshot *snapshot, const struct manifest *manifest) {
    _cleanup_free_ char *path = snapshot_tree_path(snapshot, manifest->name);
    json_t *entry = json_object();
    json_object_set_new(entry, "name", json_text_string(manifest->name));
    json_object_set_new(entry, "host_path", json_text_string(manifest->host_path));
    json_object_set_new(entry, "directory", json_string(inside(snapshot, path)));
    json_object_set_new(entry, "names", json_integer((json_int_t)manifest->entries_count));
    json_object_set_new(entry, "bytes", json_integer((json_int_t)manifest_bytes(manifest)));
    json_object_set_new(entry, "shared_bytes", json_integer((json_int_t)manifest_shared_bytes(manifest)));
    json_object_set_new(entry, "unstable", json_integer((json_int_t)manifest_unstable(manifest)));
    json_object_set_new(entry, "sockets", json_integer((json_int_t)strings_count(manifest->skipped)));
    put_entry(snapshot, "trees", "name", entry);
    changed(snapshot);
}

int snapshot_add_file(struct snapshot *snapshot, const char *path, struct error *err) {
    _cleanup_free_ char *text = NULL;
    size_t size;
    struct stat status;
    int r = file_read(AT_FDCWD, path, FILE_LIMIT, &text, &size, err);
    if (r < 0)
        return r;
    if (stat(path, &status) < 0)
        return error_errno(err, errno, "cannot look at \"%s\"", path);
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *name = tree_directory_name(slash ? slash + 1 : path);
    _cleanup_free_ char *copy =
        xasprintf("%s/configuration/%zu-%s", snapshot->directory,
                  json_array_size(json_object_get(snapshot->document, "files")), name);
    r = durable_write(AT_FDCWD, copy, text, size, 0600, err);
    if (r < 0)
        return r;
    char digest[DIGEST_TEXT_SIZE];
    json_t *entry = json_object();
    json_object_set_new(entry, "path", json_text_string(path));
    json_object_set_new(entry, "file", json_string(inside(snapshot, copy)));
    json_object_set_new(entry, "size", json_integer((json_int_t)size));
    json_object_set_new(entry, "sha256", json_string(digest_memory(text, size, digest)));
    json_object_set_new(entry, "mode", json_integer(status.st_mode & 07777));
    json_object_set_new(entry, "uid", json_integer(status.st_uid));
    json_object_set_new(entry, "gid", json_integer(status.st_gid));
    put_entry(snapshot, "files", "path", entry);
    changed(snapshot);
    return 0;
}

void snapshot_add_image(struct snapshot *snapshot, const char *service, const char *reference,
                        const char *image_id, bool archived) {
    json_t *entry = json_object();
    json_object_set_new(entry, "service", json_text_string(service));
    json_object_set_new(entry, "reference", json_text_string(reference));
    json_object_set_new(entry, "image_id", json_text_string(image_id));
    json_object_set_new(entry, "archived", json_boolean(archived));
    put_entry(snapshot, "images", "service", entry);
}

void snapshot_set(struct snapshot *snapshot, const char *key, json_t *value) {
    json_object_set_new(snapshot->document, key, value);
}

int snapshot_finish(struct snapshot *snapshot, struct error *err) {
    _cleanup_free_ char *path = document_path(snapshot);
    json_object_set_new(snapshot->document, "finished", time_now());
    int r = durable_sync_filesystem(snapshot->directory, err);
    if (r >= 0)
        r = document_write(snapshot->document, path, err);
    if (r < 0) {
        error_prefix(err, "cannot finish the snapshot \"%s\"", snapshot->id);
        return r;
    }
    snapshot->complete = true;
    return 0;
}

void snapshot_set_verified(struct snapshot *snapshot, const char *how, usec_t realtime) {
    char text[TIMESTAMP_SIZE];
    json_object_set_new(snapshot->document, "verified", json_string(how));
    json_object_set_new(snapshot->document, "verified_at", json_string(timestamp_format(text, realtime)));
}

const char *snapshot_verified(const struct snapshot *snapshot) {
    return snapshot->document ? json_get_string(snapshot->document, "verified", "") : "";
}

/* A tree whose second pass was cut has no manifest. */
static int check_trees(const struct snapshot *snapshot, const json_t *document, struct error *err) {
    size_t i;
    json_t *tree;
    json_array_foreach(json_get_array(document, "trees"), i, tree) {
        _cleanup_free_ char *directory =
            xasprintf("%s/%s", snapshot->directory, json_get_string(tree, "directory", ""));
        _cleanup_free_ char *manifest = tree_manifest_path(directory);
        if (access(manifest, F_OK) < 0)
            return error_set(err, EBADMSG, "the files of \"%s\" in the snapshot \"%s\" are not whole",
                             json_get_string(tree, "name", ""), snapshot->id);
    }
    return 0;
}

int snapshot_load(const char *state, const char *app, const char *id, struct snapshot **ret,
                  struct error *err) {
    if (!id_is_valid(id))
        return error_set(err, EINVAL, "\"%s\" is no id of a snapshot", id);
    _cleanup_snapshot_ struct snapshot *snapshot = snapshot_new(state, app, id);
    _cleanup_free_ char *path = document_path(snapshot);
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return error_set(err, ENOENT,
                         access(snapshot->directory, F_OK) < 0 ? "there is no snapshot \"%s\""
                                                               : "the snapshot \"%s\" was not finished",
                         id);
    int r = document_read(path, &snapshot->document, err);
    if (r < 0)
        return r;
    const char *said = json_get_string(snapshot->document, "app", "");
    if (!string_equal(said, app) || !string_equal(json_get_string(snapshot->document, "id", ""), id))
        return error_set(err, EINVAL, "\"%s\" is of the snapshot \"%s\" of \"%s\"", path,
                         json_get_string(snapshot->document, "id", ""), said);
    r = check_trees(snapshot, snapshot->document, err);
    if (r < 0)
        return r;
    snapshot->complete = true;
    *ret = take_ptr(snapshot);
    return 0;
}

static int compare_newest_first(const void *a, const void *b) {
    const struct snapshot *x = *(struct snapshot *const *)a, *y = *(struct snapshot *const *)b;
    return strcmp(y->id, x->id);
}

int snapshots_list(const char *state, const char *app, struct snapshot ***ret, size_t *ret_count,
                   struct error *err) {
    _cleanup_free_ char *path = xasprintf("%s/snapshots", state);
    struct snapshot **list = NULL;
    size_t count = 0;
    DIR *directory = opendir(path);
    if (!directory && errno != ENOENT)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        _cleanup_error_ struct error problem = ERROR_NONE;
        struct snapshot *snapshot = NULL;
        if (!id_is_valid(entry->d_name))
            continue;
        if (snapshot_load(state, app, entry->d_name, &snapshot, &problem) < 0) {
            snapshot = snapshot_new(state, app, entry->d_name);
            snapshot->problem = xstrdup(error_text(&problem));
        }
        list = xrealloc(list, count + 1, sizeof(*list));
        list[count++] = snapshot;
    }
    if (directory)
        closedir(directory);
    if (count > 1)
        qsort(list, count, sizeof(*list), compare_newest_first);
    *ret = list;
    *ret_count = count;
    return 0;
}

char *snapshots_previous_tree(const char *state, const char *app, const char *id, const char *name) {
    struct snapshot **list;
    size_t count;
    char *found = NULL;
    if (snapshots_list(state, app, &list, &count, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < count && !found; i++) {
        _cleanup_free_ char *directory = snapshot_tree_path(list[i], name);
        _cleanup_free_ char *manifest = tree_manifest_path(directory);
        if (list[i]->complete && !string_equal(list[i]->id, id) && access(manifest, F_OK) == 0)
            found = take_ptr(directory);
    }
    snapshots_free(list, count);
    return found;
}
