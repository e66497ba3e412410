/*
 * Writing the pax archive. See tar.h.
 *
 * Owners, modes and times come from the manifest, never from the copies, which are shared between snapshots.
 * ACLs are written as ACLs (for tar --acls), and as the attributes that they are.
 */

#include "watchdog/snapshot/tar.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/tree-files.h"

#define BLOCK ((size_t)256 * 1024)

struct writing {
    struct archive *archive;
    int fd;
    const char *path;
    struct digest digest; /* of the archive on disk */
    uint64_t size;
    char *block;
    struct work *work;
};

static int failure(const struct writing *writing, const char *name, struct error *err) {
    int number = archive_errno(writing->archive);
    const char *words = archive_error_string(writing->archive);
    return error_set(err, number > 0 ? number : EIO, "cannot write \"%s\" to \"%s\": %s", name, writing->path,
                     words ? words : "no reason given");
}

static la_ssize_t write_block(struct archive *archive, void *userdata, const void *data, size_t size) {
    struct writing *writing = userdata;
    int r = write_all(writing->fd, data, size);
    if (r < 0) {
        archive_set_error(archive, -r, "%s", strerror(-r));
        return -1;
    }
    digest_update(&writing->digest, data, size);
    writing->size += size;
    return (la_ssize_t)size;
}

static int writing_begin(struct writing *writing, struct error *err) {
    writing->archive = archive_write_new();
    if (!writing->archive)
        abort();
    digest_init(&writing->digest);
    writing->block = xcalloc(BLOCK, 1);
    /* Names are bytes: no conversion between character sets. */
    if (archive_write_add_filter_zstd(writing->archive) != ARCHIVE_OK ||
        archive_write_set_format_pax(writing->archive) != ARCHIVE_OK ||
        archive_write_set_options(writing->archive, "hdrcharset=BINARY") != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(writing->archive, (int)BLOCK) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(writing->archive, 1) != ARCHIVE_OK ||
        archive_write_open(writing->archive, writing, NULL, write_block, NULL) != ARCHIVE_OK)
        return failure(writing, "the beginning", err);
    return 0;
}

/* struct posix_acl_xattr_entry of linux/posix_acl_xattr.h, little endian behind a version of 4 bytes. */
static void add_acl(struct archive_entry *entry, int type, const struct manifest_xattr *xattr) {
    const unsigned char *bytes = xattr->value;
    for (size_t at = 4; at + 8 <= xattr->size; at += 8) {
        uint16_t tag, permissions;
        uint32_t id;
        memcpy(&tag, bytes + at, 2);
        memcpy(&permissions, bytes + at + 2, 2);
        memcpy(&id, bytes + at + 4, 4);
        tag = le16toh(tag);
        int kind = tag == 1      ? ARCHIVE_ENTRY_ACL_USER_OBJ
                   : tag == 2    ? ARCHIVE_ENTRY_ACL_USER
                   : tag == 4    ? ARCHIVE_ENTRY_ACL_GROUP_OBJ
                   : tag == 8    ? ARCHIVE_ENTRY_ACL_GROUP
                   : tag == 0x10 ? ARCHIVE_ENTRY_ACL_MASK
                                 : ARCHIVE_ENTRY_ACL_OTHER;
        bool named = tag == 2 || tag == 8;
        /* The number as name too: GNU tar does not read the number behind an empty name. */
        _cleanup_free_ char *name = named ? xasprintf("%u", le32toh(id)) : NULL;
        archive_entry_acl_add_entry(entry, type, le16toh(permissions) & 7, kind,
                                    named ? (int)le32toh(id) : -1, name);
    }
}

static void add_xattrs(struct archive_entry *entry, const struct manifest_entry *from) {
    for (size_t i = 0; i < from->xattrs_count; i++) {
        const struct manifest_xattr *xattr = &from->xattrs[i];
        archive_entry_xattr_add_entry(entry, xattr->name, xattr->value, xattr->size);
        if (string_equal(xattr->name, "system.posix_acl_access"))
            add_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, xattr);
        else if (string_equal(xattr->name, "system.posix_acl_default"))
            add_acl(entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, xattr);
    }
}

static void add_holes(struct archive_entry *entry, int fd, uint64_t size) {
    off_t end = (off_t)size, hole = lseek(fd, 0, SEEK_HOLE);
    if (hole < 0 || hole >= end)
        return;
    for (off_t at = 0; at < end;) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 || data >= end)
            break;
        hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0 || hole > end)
            hole = end;
        archive_entry_sparse_add_entry(entry, data, hole - data);
        at = hole;
    }
}

static int write_data(struct writing *writing, int fd, const char *name, char digest[DIGEST_TEXT_SIZE],
                      struct error *err) {
    _cleanup_digest_ struct digest contents = { 0 };
    digest_init(&contents);
    for (off_t at = 0;;) {
        ssize_t size = pread(fd, writing->block, BLOCK, at);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return error_errno(err, errno, "cannot read \"%s\"", name);
        if (size == 0)
            break;
        digest_update(&contents, writing->block, (size_t)size);
        for (ssize_t done = 0; done < size;) {
            la_ssize_t written =
                archive_write_data(writing->archive, writing->block + done, (size_t)(size - done));
            if (written <= 0)
                return failure(writing, name, err);
            done += written;
        }
        at += size;
        int r = work_add(writing->work, 0, (uint64_t)size, err);
        if (r < 0)
            return r;
    }
    digest_final(&contents, digest);
    return 0;
}

/* A regular file open as @fd, with what the manifest (or the document) says of it. */
static int write_regular(struct writing *writing, struct archive_entry *entry, int fd, uint64_t size,
                         const char *expected, struct error *err) {
    const char *name = archive_entry_pathname(entry);
    struct stat status;
    char digest[DIGEST_TEXT_SIZE];
    if (fstat(fd, &status) < 0)
        return error_errno(err, errno, "cannot look at \"%s\"", name);
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != size)
        return error_set(err, EBADMSG, "the copy of \"%s\" in the snapshot is damaged", name);
    archive_entry_set_size(entry, (la_int64_t)size);
    add_holes(entry, fd, size);
    if (archive_write_header(writing->archive, entry) != ARCHIVE_OK)
        return failure(writing, name, err);
    int r = write_data(writing, fd, name, digest, err);
    if (r < 0)
        return r;
    return string_equal(digest, expected)
               ? 0
               : error_set(err, EBADMSG, "the copy of \"%s\" in the snapshot is damaged", name);
}

static int write_entry(struct writing *writing, struct beneath *content, const char *prefix,
                       const struct manifest_entry *from, struct archive_entry *entry, struct error *err) {
    _cleanup_free_ char *name = xasprintf("%s%s%s", prefix, *from->path ? "/" : "", from->path);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_mode(entry, from->mode);
    add_xattrs(entry, from); /* an ACL keeps its entry of the owning group in the mode: not before it */
    archive_entry_set_uid(entry, from->uid);
    archive_entry_set_gid(entry, from->gid);
    archive_entry_set_mtime(entry, from->mtime.tv_sec, from->mtime.tv_nsec);
    archive_entry_set_atime(entry, from->atime.tv_sec, from->atime.tv_nsec);
    if (from->link) {
        _cleanup_free_ char *link = xasprintf("%s/%s", prefix, from->link);
        archive_entry_set_hardlink(entry, link);
        archive_entry_set_size(entry, 0);
        return archive_write_header(writing->archive, entry) == ARCHIVE_OK ? 0 : failure(writing, name, err);
    }
    if (from->target)
        archive_entry_set_symlink(entry, from->target);
    if (S_ISCHR(from->mode) || S_ISBLK(from->mode))
        archive_entry_set_rdev(entry, from->device);
    if (!S_ISREG(from->mode)) {
        archive_entry_set_size(entry, 0);
        return archive_write_header(writing->archive, entry) == ARCHIVE_OK ? 0 : failure(writing, name, err);
    }
    const char *file;
    int fd = beneath_parent(content, from->path, &file);
    _cleanup_close_ int opened =
        fd < 0 ? -1 : openat(fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (opened < 0)
        return error_errno(err, fd < 0 ? -fd : errno, "cannot open the copy of \"%s\" in the snapshot", name);
    return write_regular(writing, entry, opened, from->size, from->digest, err);
}

static int write_tree(struct writing *writing, const char *directory, struct error *err) {
    _cleanup_free_ char *path = tree_manifest_path(directory), *copy = tree_content_path(directory);
    _cleanup_manifest_ struct manifest *manifest = NULL;
    _cleanup_beneath_ struct beneath content = BENEATH_NONE;
    int r = manifest_read(path, &manifest, err);
    if (r < 0 || (r = beneath_open(copy, &content, err)) < 0)
        return r;
    _cleanup_free_ char *prefix = tree_directory_name(manifest->name);
    struct archive_entry *entry = archive_entry_new();
    for (size_t i = 0; r >= 0 && i < manifest->entries_count; i++) {
        archive_entry_clear(entry);
        r = write_entry(writing, &content, prefix, &manifest->entries[i], entry, err);
        if (r >= 0)
            r = work_add(writing->work, 1, 0, err);
    }
    archive_entry_free(entry);
    return r;
}

static int write_configuration(struct writing *writing, const char *directory, const json_t *file,
                               struct error *err) {
    const char *name = json_get_string(file, "file", "");
    _cleanup_free_ char *path = xasprintf("%s/%s", directory, name);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_mode(entry, (mode_t)(S_IFREG | json_get_integer(file, "mode", 0600)));
    archive_entry_set_uid(entry, json_get_integer(file, "uid", 0));
    archive_entry_set_gid(entry, json_get_integer(file, "gid", 0));
    int r = write_regular(writing, entry, fd, (uint64_t)json_get_integer(file, "size", 0),
                          json_get_string(file, "sha256", ""), err);
    archive_entry_free(entry);
    return r;
}

static int write_everything(struct writing *writing, const struct snapshot *snapshot, struct error *err) {
    size_t i;
    json_t *value;
    int r = writing_begin(writing, err);
    json_array_foreach(json_get_array(snapshot->document, "trees"), i, value) {
        _cleanup_free_ char *directory =
            xasprintf("%s/%s", snapshot->directory, json_get_string(value, "directory", ""));
        r = r < 0 ? r : write_tree(writing, directory, err);
    }
    json_array_foreach(json_get_array(snapshot->document, "files"), i, value) {
        r = r < 0 ? r : write_configuration(writing, snapshot->directory, value, err);
    }
    if (r >= 0 && archive_write_close(writing->archive) != ARCHIVE_OK)
        r = failure(writing, "the end", err);
    if (r >= 0 && fsync(writing->fd) < 0)
        r = error_errno(err, errno, "cannot sync \"%s\"", writing->path);
    return r;
}

int tar_write(const struct snapshot *snapshot, const char *path, struct work *work, struct tar_file *ret,
              struct error *err) {
    struct writing writing = { .path = path, .work = work };
    writing.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (writing.fd < 0)
        return error_errno(err, errno, "cannot create \"%s\"", path);
    int r = write_everything(&writing, snapshot, err);
    if (r < 0)
        archive_write_fail(writing.archive);
    archive_write_free(writing.archive);
    close(writing.fd);
    free(writing.block);
    if (r >= 0) {
        ret->size = writing.size;
        digest_final(&writing.digest, ret->sha256);
    }
    digest_done(&writing.digest);
    return r;
}
