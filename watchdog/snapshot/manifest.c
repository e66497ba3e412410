/* The manifest in memory. See manifest.h. */

#include "watchdog/snapshot/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/memory.h"

int manifest_path_compare(const char *a, const char *b) {
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    while (*x && *x == *y)
        x++, y++;
    int left = *x == '/' ? 1 : *x ? *x + 1 : 0, right = *y == '/' ? 1 : *y ? *y + 1 : 0;
    return left - right;
}

static int compare_entries(const void *a, const void *b) {
    const struct manifest_entry *x = a, *y = b;
    return manifest_path_compare(x->path, y->path);
}

struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path) {
    const struct manifest_entry key = { .path = (char *)path };
    return manifest->entries_count == 0 ? NULL
                                        : bsearch(&key, manifest->entries, manifest->entries_count,
                                                  sizeof(struct manifest_entry), compare_entries);
}

void manifest_append(struct manifest *manifest, struct manifest_entry *entry) {
    size_t count = manifest->entries_count;
    /* Room for a power of two, so that a million entries are not copied a million times. */
    if ((count & (count - 1)) == 0)
        manifest->entries =
            xrealloc(manifest->entries, count == 0 ? 1 : 2 * count, sizeof(struct manifest_entry));
    manifest->entries[manifest->entries_count++] = *entry;
    *entry = (struct manifest_entry){ 0 };
}

void manifest_sort(struct manifest *manifest) {
    if (manifest->entries_count > 1)
        qsort(manifest->entries, manifest->entries_count, sizeof(struct manifest_entry), compare_entries);
}

uint64_t manifest_bytes(const struct manifest *manifest) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < manifest->entries_count; i++)
        if (S_ISREG(manifest->entries[i].mode) && !manifest->entries[i].link)
            bytes += manifest->entries[i].size;
    return bytes;
}

uint64_t manifest_shared_bytes(const struct manifest *manifest) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < manifest->entries_count; i++)
        if (S_ISREG(manifest->entries[i].mode) && !manifest->entries[i].link && manifest->entries[i].shared)
            bytes += manifest->entries[i].size;
    return bytes;
}

size_t manifest_unstable(const struct manifest *manifest) {
    size_t count = 0;
    for (size_t i = 0; i < manifest->entries_count; i++)
        count += manifest->entries[i].unstable;
    return count;
}

void manifest_entry_done(struct manifest_entry *entry) {
    free(entry->path);
    free(entry->target);
    free(entry->link);
    for (size_t i = 0; i < entry->xattrs_count; i++) {
        free(entry->xattrs[i].name);
        free(entry->xattrs[i].value);
    }
    free(entry->xattrs);
    *entry = (struct manifest_entry){ 0 };
}

void manifest_free(struct manifest *manifest) {
    if (!manifest)
        return;
    for (size_t i = 0; i < manifest->entries_count; i++)
        manifest_entry_done(&manifest->entries[i]);
    free(manifest->entries);
    free(manifest->name);
    free(manifest->host_path);
    free(manifest->real_path);
    free(manifest->file_system);
    free(manifest->mount_point);
    strings_free(manifest->skipped);
    free(manifest);
}

void cleanup_manifest(struct manifest **manifest) {
    manifest_free(*manifest);
}
