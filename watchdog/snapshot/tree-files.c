/* Names and directories of a tree in a snapshot. See tree-files.h and tree.h. */

#include "watchdog/snapshot/tree-files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/path.h"
#include "watchdog/snapshot/attributes.h"
#include "watchdog/snapshot/difference.h"
#include "watchdog/snapshot/tree.h"

/* Less than NAME_MAX, so that suffixes fit. */
#define NAME_LIMIT 200

char *tree_manifest_path(const char *directory) {
    return xasprintf("%s/manifest.jsonl", directory);
}

char *tree_content_path(const char *directory) {
    return xasprintf("%s/content", directory);
}

char *tree_directory_name(const char *name) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    struct buffer result = { 0 };
    for (const char *at = name; *at; at++)
        if (strchr(plain, *at) && (*at != '.' || at != name))
            buffer_append(&result, at, 1);
        else
            buffer_printf(&result, "%%%02X", (unsigned char)*at);
    if (result.size > NAME_LIMIT) {
        char digest[DIGEST_TEXT_SIZE];
        digest_memory(name, strlen(name), digest);
        result.size = NAME_LIMIT - 33;
        buffer_printf(&result, "-%.32s", digest);
    }
    return buffer_take(&result);
}

int tree_check_apart(const char *host_path, const char *directory, struct error *err) {
    _cleanup_free_ char *outer = realpath(host_path, NULL), *inner = realpath(directory, NULL);
    if (!outer || !inner)
        return error_errno(err, errno, "cannot find \"%s\"", outer ? directory : host_path);
    if (strcmp(outer, inner) != 0 && strcmp(outer, "/") != 0 && !path_is_inside(inner, outer))
        return 0;
    return error_set(err, EINVAL, "\"%s\" holds \"%s\", where its own copies would be", host_path, directory);
}

int tree_note_place(struct manifest *manifest, struct error *err) {
    int r = path_real(manifest->host_path, &manifest->real_path);
    if (r >= 0)
        r = path_file_system(manifest->real_path, &manifest->file_system);
    if (r >= 0)
        r = path_mount(manifest->real_path, &manifest->mount_point, &manifest->mount_inode);
    return r < 0 && r != -ENOTSUP ? error_errno(err, -r, "cannot find \"%s\"", manifest->host_path) : 0;
}

static int not_mounted(const struct manifest *manifest, const char *place, struct error *err) {
    return error_set(err, ENXIO, "what held \"%s\" is not mounted on \"%s\": mount it, then recover",
                     manifest->real_path, place);
}

/* A file system is told by its device; a bind mount of the same device is not, but that something is mounted.
 */
static int check_mounted(const struct manifest *manifest, const char *file_system, struct error *err) {
    if (!string_equal(file_system, manifest->file_system))
        return path_covers(file_system, manifest->file_system)
                   ? not_mounted(manifest, manifest->file_system, err)
                   : error_set(err, ENXIO,
                               "another file system is mounted on \"%s\" and hides \"%s\": unmount it, then "
                               "recover",
                               file_system, manifest->real_path);
    int r = manifest->mount_point ? path_is_mount(manifest->mount_point, manifest->mount_inode) : 1;
    if (r < 0)
        return error_errno(err, -r, "cannot look at \"%s\"", manifest->mount_point);
    return r > 0 ? 0 : not_mounted(manifest, manifest->mount_point, err);
}

int tree_check_place(const struct manifest *manifest, const char *host_path, struct error *err) {
    _cleanup_free_ char *real = NULL, *still = NULL, *file_system = NULL;
    if (!manifest->real_path || !string_equal(manifest->host_path, host_path))
        return 0;
    int r = path_real(host_path, &real);
    if (r >= 0)
        r = path_real(manifest->real_path, &still);
    if (r >= 0)
        r = path_file_system(still, &file_system);
    if (r < 0)
        return error_errno(err, -r, "cannot find \"%s\"", host_path);
    /* The mount first: where links lead says little while a file system is gone. */
    r = string_equal(still, manifest->real_path) ? check_mounted(manifest, file_system, err) : 0;
    if (r < 0 || string_equal(real, manifest->real_path))
        return r;
    return error_set(err, ESTALE, "\"%s\" leads to \"%s\", was \"%s\": put that back, then recover",
                     host_path, real, manifest->real_path);
}

int tree_apply_directories(struct beneath *content, const struct manifest *manifest, struct error *err) {
    for (size_t i = manifest->entries_count; i-- > 0;) {
        const struct manifest_entry *entry = &manifest->entries[i];
        if (!S_ISDIR(entry->mode))
            continue;
        const char *name;
        int fd = beneath_parent(content, entry->path, &name);
        int r = fd < 0 ? fd : attributes_apply(fd, name, entry, true);
        if (r < 0)
            return error_errno(err, -r, "cannot set owner and times of the copy of \"%s\"", entry->path);
    }
    return 0;
}
