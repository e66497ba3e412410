/* Copies of snapshots on another disk. See offhost.h. */

#include "watchdog/snapshot/offhost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/contents.h"
#include "watchdog/snapshot/document.h"
#include "watchdog/snapshot/tar.h"

int offhost_look(const char *directory, const char *state, uint64_t *ret_available, struct error *err) {
    struct stat status, here;
    struct statvfs room;
    if (stat(directory, &status) < 0)
        return error_errno(err, errno, "OffHost= directory \"%s\"", directory);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ENOTDIR, "OffHost= \"%s\" is no directory", directory);
    if (access(directory, W_OK | X_OK) < 0 || statvfs(directory, &room) < 0)
        return error_errno(err, errno, "OffHost= directory \"%s\" cannot be written to", directory);
    /* Before the first run there is no state directory: the first of its parents that is there counts. */
    _cleanup_free_ char *place = xstrdup(state);
    while (stat(place, &here) < 0 && strrchr(place, '/') > place)
        *strrchr(place, '/') = '\0';
    if (stat(place, &here) == 0 && here.st_dev == status.st_dev)
        return error_set(err, EXDEV,
                         "OffHost=%s is on the same file system as \"%s\": a copy there is lost with it",
                         directory, state);
    if (ret_available)
        *ret_available = (uint64_t)room.f_bavail * room.f_frsize;
    return 0;
}

struct copying {
    const struct snapshot *snapshot;
    char *partial;
    json_t *files; /* what was written: file, size, sha256 */
    uint64_t bytes;
    struct work work;
};

static void written(struct copying *copying, const char *file, uint64_t size, const char *sha256) {
    json_array_append_new(copying->files, json_pack("{s:s, s:I, s:s}", "file", file, "size", (json_int_t)size,
                                                    "sha256", sha256));
    copying->bytes += size;
}

/* A dump, or the roles: as they are. */
static int copy_file(struct copying *copying, const json_t *entry, struct error *err) {
    const char *file = json_get_string(entry, "file", "");
    _cleanup_free_ char *source = xasprintf("%s/%s", copying->snapshot->directory, file);
    _cleanup_free_ char *target = xasprintf("%s/%s", copying->partial, file);
    char digest[MANIFEST_DIGEST_SIZE];
    uint64_t size;
    _cleanup_close_ int from = open(source, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return error_errno(err, errno, "cannot open \"%s\"", source);
    _cleanup_close_ int to = open(target, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return error_errno(err, errno, "cannot create \"%s\"", target);
    int r = contents_copy(from, to, &copying->work, &size, digest, err);
    if (r < 0) {
        error_prefix(err, "\"%s\"", target);
        return r;
    }
    if (!string_equal(digest, json_get_string(entry, "sha256", "")))
        return error_set(err, EBADMSG, "\"%s\" is not what was written: its checksum is another", source);
    if (fsync(to) < 0)
        return error_errno(err, errno, "cannot sync \"%s\"", target);
    written(copying, file, size, digest);
    return 0;
}

static int write_copy(struct copying *copying, struct error *err) {
    const json_t *document = copying->snapshot->document, *globals = json_get_object(document, "globals");
    size_t i;
    json_t *entry;
    int r = globals ? copy_file(copying, globals, err) : 0;
    json_array_foreach(json_get_array(document, "databases"), i, entry) {
        r = r < 0 ? r : copy_file(copying, entry, err);
    }
    if (r < 0)
        return r;
    _cleanup_free_ char *path = xasprintf("%s/files.tar.zst", copying->partial);
    struct tar_file tar;
    r = tar_write(copying->snapshot, path, &copying->work, &tar, err);
    if (r < 0)
        return r;
    written(copying, "files.tar.zst", tar.size, tar.sha256);
    char now[TIMESTAMP_SIZE];
    _cleanup_json_ json_t *copy = json_copy((json_t *)document);
    json_object_set_new(
        copy, "off_host",
        json_pack("{s:s, s:O}", "copied", timestamp_format(now, clock_realtime()), "files", copying->files));
    _cleanup_free_ char *name = xasprintf("%s/snapshot.json", copying->partial);
    r = document_write(copy, name, err);
    return r < 0 ? r : durable_sync_filesystem(copying->partial, err);
}

/* The files of a copy against the checksums in its own snapshot.json. */
static int verify_files(const char *directory, const char *app, const char *id, struct work *work,
                        json_t **ret, struct error *err) {
    _cleanup_free_ char *name = xasprintf("%s/snapshot.json", directory);
    _cleanup_json_ json_t *document = NULL;
    int r = document_read(name, &document, err);
    if (r < 0)
        return r;
    if (!string_equal(json_get_string(document, "app", ""), app) ||
        !string_equal(json_get_string(document, "id", ""), id))
        return error_set(err, EBADMSG, "\"%s\" is of another snapshot", name);
    size_t i;
    json_t *entry;
    json_array_foreach(json_path(document, "off_host.files"), i, entry) {
        _cleanup_free_ char *path = xasprintf("%s/%s", directory, json_get_string(entry, "file", ""));
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        char digest[MANIFEST_DIGEST_SIZE];
        if (fd < 0)
            return error_errno(err, errno == ENOENT ? EBADMSG : errno, "cannot open \"%s\"", path);
        /* From the disk, not from memory. */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        r = contents_digest(fd, work, digest, err);
        if (r < 0) {
            error_prefix(err, "\"%s\"", path);
            return r;
        }
        if (!string_equal(digest, json_get_string(entry, "sha256", "")))
            return error_set(err, EBADMSG, "\"%s\" is not what was written: its checksum is another", path);
    }
    if (i == 0)
        return error_set(err, EBADMSG, "\"%s\" names no files", name);
    *ret = take_ptr(document);
    return 0;
}

int offhost_verify(const char *directory, const char *app, const char *id, const struct tree_run *run,
                   struct error *err) {
    struct work work = { .run = run };
    _cleanup_free_ char *path = xasprintf("%s/%s/%s", directory, app, id);
    _cleanup_json_ json_t *document = NULL;
    int r = verify_files(path, app, id, &work, &document, err);
    work_end(&work);
    return r;
}

static int make_copy(struct copying *copying, const char *place, struct error *err) {
    const struct snapshot *snapshot = copying->snapshot;
    _cleanup_free_ char *databases = xasprintf("%s/databases", copying->partial);
    _cleanup_free_ char *tar = xasprintf("%s/files.tar.zst", copying->partial);
    _cleanup_json_ json_t *document = NULL;
    int r = durable_remove_tree(AT_FDCWD, copying->partial, err);
    if (r < 0 || (r = durable_mkdir(databases, 0700, err)) < 0 || (r = write_copy(copying, err)) < 0 ||
        (r = verify_files(copying->partial, snapshot->app, snapshot->id, &copying->work, &document, err)) <
            0 ||
        (r = tar_check(snapshot, tar, &copying->work, err)) < 0)
        return r;
    return durable_rename(AT_FDCWD, copying->partial, AT_FDCWD, place, err);
}

int offhost_copy(const struct snapshot *snapshot, const char *directory, const struct tree_run *run,
                 uint64_t *ret_bytes, struct error *err) {
    _cleanup_free_ char *parent = xasprintf("%s/%s", directory, snapshot->app);
    _cleanup_free_ char *place = xasprintf("%s/%s", parent, snapshot->id);
    struct copying copying = { .snapshot = snapshot, .work = { .run = run } };
    struct stat status;
    if (stat(directory, &status) < 0)
        return error_errno(err, errno, "OffHost= directory \"%s\"", directory);
    *ret_bytes = 0;
    if (access(place, F_OK) == 0) {
        int there = offhost_verify(directory, snapshot->app, snapshot->id, run, err);
        if (there < 0)
            error_prefix(err, "the copy that is there already");
        return there < 0 ? there : 0;
    }
    int r = durable_mkdir(parent, 0700, err);
    copying.partial = xasprintf("%s.partial", place);
    copying.files = json_array();
    if (r >= 0)
        r = make_copy(&copying, place, err);
    work_end(&copying.work);
    if (r < 0)
        durable_remove_tree(AT_FDCWD, copying.partial, NULL);
    else
        *ret_bytes = copying.bytes;
    json_decref(copying.files);
    free(copying.partial);
    if (r < 0)
        error_prefix(err, "cannot copy the snapshot to \"%s\"", directory);
    return r < 0 ? r : 0;
}

static int compare_newest_first(const void *a, const void *b) {
    return strcmp(*(char *const *)b, *(char *const *)a);
}

static int drop(const char *parent, const char *name, struct error *err) {
    _cleanup_free_ char *path = xasprintf("%s/%s", parent, name);
    _cleanup_free_ char *document = xasprintf("%s/snapshot.json", path);
    int r = durable_unlink(AT_FDCWD, document, err);
    return r < 0 ? r : durable_remove_tree(AT_FDCWD, path, err);
}

int offhost_retain(const char *directory, const char *app, unsigned keep, struct error *err) {
    _cleanup_free_ char *parent = xasprintf("%s/%s", directory, app);
    _cleanup_strings_ char **names = NULL;
    DIR *opened = opendir(parent);
    if (!opened)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot open \"%s\"", parent);
    for (struct dirent *entry; (entry = readdir(opened));)
        if (entry->d_name[0] != '.')
            strings_append(&names, entry->d_name);
    closedir(opened);
    if (names)
        qsort(names, strings_count(names), sizeof(char *), compare_newest_first);
    unsigned whole = 0;
    int r = 0;
    for (char **name = names; r >= 0 && name && *name; name++) {
        _cleanup_free_ char *document = xasprintf("%s/%s/snapshot.json", parent, *name);
        _cleanup_json_ json_t *read = NULL;
        bool partial = string_ends_with(*name, ".partial");
        int there = partial ? -ENOENT : document_read(document, &read, NULL);
        /* What is not ours, or of a newer version, is left alone. */
        if (!partial && there < 0 && there != -EBADMSG)
            continue;
        if (partial || whole >= keep)
            r = drop(parent, *name, err);
        whole += there >= 0;
    }
    return r < 0 ? r : 0;
}
