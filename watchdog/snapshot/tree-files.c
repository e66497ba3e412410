/* Names and directories of a tree in a snapshot. See tree-files.h and tree.h. */

#include "watchdog/snapshot/tree-files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/memory.h"
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
