/* Reading the pax archive back. See tar.h. */

#include "watchdog/snapshot/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/tree-files.h"

#define BLOCK ((size_t)256 * 1024)

struct checking {
    struct archive *archive;
    const char *path;
    char *block;
    struct work *work;
};

static int failure(const struct checking *checking, struct error *err) {
    const char *words = archive_error_string(checking->archive);
    return error_set(err, EBADMSG, "the archive \"%s\" cannot be read: %s", checking->path,
                     words ? words : "no reason given");
}

static int differs(const struct checking *checking, const char *name, const char *what, struct error *err) {
    return error_set(err, EBADMSG, "\"%s\" in the archive \"%s\" %s", name, checking->path, what);
}

static int next_entry(struct checking *checking, const char *name, struct archive_entry **ret,
                      struct error *err) {
    int r = archive_read_next_header(checking->archive, ret);
    if (r == ARCHIVE_EOF)
        return differs(checking, name, "is missing", err);
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
        return failure(checking, err);
    const char *there = archive_entry_pathname(*ret);
    /* A directory's name ends with a slash in the archive. */
    size_t size = strlen(name);
    if (!there || strncmp(there, name, size) != 0 || !(there[size] == '\0' || strcmp(there + size, "/") == 0))
        return differs(checking, name, "is missing: another name is in its place", err);
    return 0;
}

static int check_data(struct checking *checking, const char *name, const char *expected, struct error *err) {
    _cleanup_digest_ struct digest contents = { 0 };
    char digest[DIGEST_TEXT_SIZE];
    digest_init(&contents);
    for (;;) {
        la_ssize_t size = archive_read_data(checking->archive, checking->block, BLOCK);
        if (size < 0)
            return failure(checking, err);
        if (size == 0)
            break;
        digest_update(&contents, checking->block, (size_t)size);
        int r = work_add(checking->work, 0, (uint64_t)size, err);
        if (r < 0)
            return r;
    }
    return string_equal(digest_final(&contents, digest), expected)
               ? 0
               : differs(checking, name, "has other contents than the snapshot", err);
}

/* libarchive shows the owning group's own entry of an ACL where stat shows the mask. */
static mode_t shown_mode(const struct manifest_entry *entry, mode_t mode) {
    for (size_t i = 0; i < entry->xattrs_count; i++)
        if (string_equal(entry->xattrs[i].name, "system.posix_acl_access"))
            return mode & ~(mode_t)S_IRWXG;
    return mode;
}

/* Each is written twice, for two generations of readers. */
static bool same_xattrs(struct archive_entry *there, const struct manifest_entry *entry) {
    for (size_t i = 0; i < entry->xattrs_count; i++) {
        const struct manifest_xattr *wanted = &entry->xattrs[i];
        const char *name;
        const void *value;
        size_t size;
        bool found = false;
        archive_entry_xattr_reset(there);
        while (!found && archive_entry_xattr_next(there, &name, &value, &size) == ARCHIVE_OK)
            found = string_equal(name, wanted->name) && size == wanted->size &&
                    memcmp(value, wanted->value, size) == 0;
        if (!found)
            return false;
    }
    return true;
}

static bool same_metadata(struct archive_entry *there, const struct manifest_entry *entry) {
    const char *target = archive_entry_symlink(there);
    return shown_mode(entry, archive_entry_mode(there)) == shown_mode(entry, entry->mode) &&
           archive_entry_uid(there) == entry->uid && archive_entry_gid(there) == entry->gid &&
           archive_entry_mtime(there) == entry->mtime.tv_sec &&
           archive_entry_mtime_nsec(there) == entry->mtime.tv_nsec && same_xattrs(there, entry) &&
           (!entry->target || (target && strcmp(target, entry->target) == 0)) &&
           (!S_ISREG(entry->mode) || archive_entry_size(there) == (la_int64_t)entry->size);
}

static int check_entry(struct checking *checking, const char *prefix, const struct manifest_entry *entry,
                       struct error *err) {
    struct archive_entry *there;
    _cleanup_free_ char *name = xasprintf("%s%s%s", prefix, *entry->path ? "/" : "", entry->path);
    int r = next_entry(checking, name, &there, err);
    if (r < 0)
        return r;
    if (entry->link) {
        _cleanup_free_ char *link = xasprintf("%s/%s", prefix, entry->link);
        const char *leads = archive_entry_hardlink(there);
        return leads && strcmp(leads, link) == 0 ? 0 : differs(checking, name, "is another hard link", err);
    }
    if (!same_metadata(there, entry))
        return differs(checking, name, "has another owner, mode, time or size than in the snapshot", err);
    return S_ISREG(entry->mode) ? check_data(checking, name, entry->digest, err) : 0;
}

static int check_tree(struct checking *checking, const char *directory, struct error *err) {
    _cleanup_free_ char *path = tree_manifest_path(directory);
    _cleanup_manifest_ struct manifest *manifest = NULL;
    int r = manifest_read(path, &manifest, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *prefix = tree_directory_name(manifest->name);
    for (size_t i = 0; r >= 0 && i < manifest->entries_count; i++) {
        r = check_entry(checking, prefix, &manifest->entries[i], err);
        if (r >= 0)
            r = work_add(checking->work, 1, 0, err);
    }
    return r;
}

static int check_everything(struct checking *checking, const struct snapshot *snapshot, struct error *err) {
    size_t i;
    json_t *value;
    int r = 0;
    json_array_foreach(json_get_array(snapshot->document, "trees"), i, value) {
        _cleanup_free_ char *directory =
            xasprintf("%s/%s", snapshot->directory, json_get_string(value, "directory", ""));
        r = r < 0 ? r : check_tree(checking, directory, err);
    }
    json_array_foreach(json_get_array(snapshot->document, "files"), i, value) {
        const char *name = json_get_string(value, "file", "");
        struct archive_entry *there;
        r = r < 0 ? r : next_entry(checking, name, &there, err);
        r = r < 0 ? r : check_data(checking, name, json_get_string(value, "sha256", ""), err);
    }
    struct archive_entry *more;
    if (r >= 0 && archive_read_next_header(checking->archive, &more) != ARCHIVE_EOF)
        r = error_set(err, EBADMSG, "the archive \"%s\" does not end where it should", checking->path);
    return r;
}

int tar_check(const struct snapshot *snapshot, const char *path, struct work *work, struct error *err) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    _cleanup_free_ char *block = xcalloc(BLOCK, 1);
    struct checking checking = { .archive = archive_read_new(), .path = path, .block = block, .work = work };
    if (!checking.archive)
        abort();
    int r = archive_read_support_filter_zstd(checking.archive) == ARCHIVE_OK &&
                    archive_read_support_format_tar(checking.archive) == ARCHIVE_OK &&
                    archive_read_open_fd(checking.archive, fd, BLOCK) == ARCHIVE_OK
                ? 0
                : failure(&checking, err);
    if (r >= 0)
        r = check_everything(&checking, snapshot, err);
    archive_read_free(checking.archive);
    return r;
}
