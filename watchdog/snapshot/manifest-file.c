/*
 * The manifest in its file. See manifest.h.
 *
 * The last line carries a checksum over all others and is what says that the file is whole; a manifest steers
 * a restore that runs as root, so it is read as if somebody else had written it.
 */

#include "watchdog/snapshot/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/snapshot/manifest-text.h"

#define FORMAT 1
#define FLUSH_SIZE ((size_t)1024 * 1024)
#define LINE_LIMIT ((ssize_t)16 * 1024 * 1024)

struct output {
    int fd;
    struct buffer pending;
    struct digest digest;
};

static int output_line(struct output *output, bool flush) {
    buffer_append(&output->pending, "\n", 1);
    if (!flush && output->pending.size < FLUSH_SIZE)
        return 0;
    digest_update(&output->digest, output->pending.text, output->pending.size);
    int r = write_all(output->fd, output->pending.text, output->pending.size);
    output->pending.size = 0;
    return r;
}

static void format_header(struct buffer *line, const struct manifest *manifest) {
    buffer_printf(line, "{\"manifest\":%d,\"name\":\"", FORMAT);
    manifest_encode(line, manifest->name);
    buffer_printf(line, "\",\"host_path\":\"");
    manifest_encode(line, manifest->host_path);
    if (manifest->real_path && manifest->file_system) {
        buffer_printf(line, "\",\"real_path\":\"");
        manifest_encode(line, manifest->real_path);
        buffer_printf(line, "\",\"file_system\":\"");
        manifest_encode(line, manifest->file_system);
    }
    if (manifest->mount_point) {
        buffer_printf(line, "\",\"mount_inode\":%" PRId64 ",\"mount_point\":\"",
                      (int64_t)manifest->mount_inode);
        manifest_encode(line, manifest->mount_point);
    }
    buffer_printf(line, "\",\"started\":\"");
    manifest_time_format(line, manifest->started);
    buffer_printf(line, "\",\"entries\":%zu,\"skipped\":[", manifest->entries_count);
    for (char **path = manifest->skipped; path && *path; path++) {
        buffer_printf(line, "%s\"", path == manifest->skipped ? "" : ",");
        manifest_encode(line, *path);
        buffer_printf(line, "\"");
    }
    buffer_printf(line, "]}");
}

static int write_lines(const struct manifest *manifest, struct output *output) {
    format_header(&output->pending, manifest);
    int r = output_line(output, manifest->entries_count == 0);
    for (size_t i = 0; r >= 0 && i < manifest->entries_count; i++) {
        manifest_entry_format(&output->pending, &manifest->entries[i]);
        r = output_line(output, i + 1 == manifest->entries_count);
    }
    if (r < 0)
        return r;
    char text[DIGEST_TEXT_SIZE];
    buffer_printf(&output->pending, "{\"sha256\":\"%s\"}\n", digest_final(&output->digest, text));
    r = write_all(output->fd, output->pending.text, output->pending.size);
    return r >= 0 && fsync(output->fd) < 0 ? -errno : r;
}

int manifest_write(const struct manifest *manifest, const char *path, struct error *err) {
    _cleanup_free_ char *temporary = xasprintf("%s.new", path);
    struct output output = { 0 };
    output.fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (output.fd < 0)
        return error_errno(err, errno, "cannot create \"%s\"", temporary);
    digest_init(&output.digest);
    int r = write_lines(manifest, &output);
    close(output.fd);
    buffer_done(&output.pending);
    digest_done(&output.digest);
    if (r < 0) {
        unlink(temporary);
        return error_errno(err, -r, "cannot write \"%s\"", temporary);
    }
    return durable_rename(AT_FDCWD, temporary, AT_FDCWD, path, err);
}

/* A path that stays below the root wherever it is opened. */
static bool path_is_safe(const char *path) {
    if (!*path)
        return true;
    for (const char *part = path;; part++) {
        size_t size = strcspn(part, "/");
        if (size == 0 || size > 255 || (size == 1 && part[0] == '.') ||
            (size == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += size;
        if (!*part)
            return true;
    }
}

static const struct manifest_entry *parent_of(const struct manifest *manifest, const char *path) {
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
    return manifest_find(manifest, parent);
}

/* What an entry must be among those before it. */
static int check_entry(const struct manifest *manifest, const struct manifest_entry *entry,
                       struct error *err) {
    if (!path_is_safe(entry->path))
        return error_set(err, EBADMSG, "the path \"%s\" leads out of the tree", entry->path);
    if (manifest->entries_count == 0)
        return *entry->path ? error_set(err, EBADMSG, "expected the root first") : 0;
    const struct manifest_entry *last = &manifest->entries[manifest->entries_count - 1];
    if (manifest_path_compare(last->path, entry->path) >= 0)
        return error_set(err, EBADMSG, "the path \"%s\" is out of order", entry->path);
    const struct manifest_entry *parent = parent_of(manifest, entry->path);
    if (!parent || !S_ISDIR(parent->mode))
        return error_set(err, EBADMSG, "the path \"%s\" lies in no directory", entry->path);
    if (!entry->link)
        return 0;
    const struct manifest_entry *first = manifest_find(manifest, entry->link);
    if (!first || first->link || S_ISDIR(first->mode) || (first->mode & S_IFMT) != (entry->mode & S_IFMT))
        return error_set(err, EBADMSG, "\"%s\" is a hard link to \"%s\", which is no earlier file",
                         entry->path, entry->link);
    return 0;
}

/* Members that came later: missing ones stay NULL. */
static int read_place(const json_t *line, struct manifest *manifest) {
    const char *real_path = json_get_string(line, "real_path", NULL),
               *file_system = json_get_string(line, "file_system", NULL);
    const char *mount_point = json_get_string(line, "mount_point", NULL);
    if (!real_path || !file_system)
        return 0;
    manifest->mount_point = mount_point ? manifest_decode(mount_point) : NULL;
    manifest->mount_inode = (uint64_t)json_get_integer(line, "mount_inode", 0);
    manifest->real_path = manifest_decode(real_path);
    manifest->file_system = manifest_decode(file_system);
    return manifest->real_path && manifest->file_system && !mount_point == !manifest->mount_point ? 0
                                                                                                  : -EBADMSG;
}

static int read_header(const json_t *line, struct manifest *manifest, size_t *ret_count, struct error *err) {
    json_int_t format = json_get_integer(line, "manifest", 0);
    if (format > FORMAT)
        return error_set(err, ENOTSUP, "written by a newer version of upgrade-watchdog (format %lld)",
                         (long long)format);
    manifest->name = manifest_decode(json_get_string(line, "name", ""));
    manifest->host_path = manifest_decode(json_get_string(line, "host_path", ""));
    json_int_t count = json_get_integer(line, "entries", -1);
    if (format != FORMAT || count < 0 || !manifest->name || !manifest->host_path ||
        read_place(line, manifest) < 0 ||
        manifest_time_parse(json_get_string(line, "started", ""), &manifest->started) < 0)
        return error_set(err, EBADMSG, "expected the header of a manifest");
    size_t i;
    json_t *value;
    json_array_foreach(json_get_array(line, "skipped"), i, value) {
        _cleanup_free_ char *path = json_is_string(value) ? manifest_decode(json_string_value(value)) : NULL;
        if (!path || !path_is_safe(path))
            return error_set(err, EBADMSG, "\"skipped\": expected paths");
        strings_append(&manifest->skipped, path);
    }
    *ret_count = (size_t)count;
    return 0;
}

static int read_line(json_t *line, size_t number, struct manifest *manifest, size_t *count,
                     struct digest *digest, struct error *err) {
    if (number == 1)
        return read_header(line, manifest, count, err);
    if (manifest->entries_count == *count) {
        char text[DIGEST_TEXT_SIZE];
        if (strcmp(json_get_string(line, "sha256", ""), digest_final(digest, text)) != 0)
            return error_set(err, EBADMSG, "the checksum is not that of the lines before it");
        return 1;
    }
    struct manifest_entry entry;
    int r = manifest_entry_parse(line, &entry, err);
    if (r < 0)
        return r;
    r = check_entry(manifest, &entry, err);
    if (r >= 0)
        manifest_append(manifest, &entry);
    manifest_entry_done(&entry);
    return r;
}

static int read_lines(FILE *file, struct manifest *manifest, size_t *ret_number, struct error *err) {
    _cleanup_free_ char *text = NULL;
    _cleanup_digest_ struct digest digest = { 0 };
    digest_init(&digest);
    size_t capacity = 0, count = 0;
    int r = 0;
    while (r == 0) {
        ssize_t size = getline(&text, &capacity, file);
        if (size < 0)
            return ferror(file) ? error_errno(err, EIO, "cannot read it")
                                : error_set(err, EBADMSG, "it ends before its last line");
        (*ret_number)++;
        if (text[size - 1] != '\n' || size > LINE_LIMIT)
            return error_set(err, EBADMSG, "the line has no end");
        _cleanup_json_ json_t *line = NULL;
        r = json_parse(text, (size_t)size, "the line", &line, err);
        if (r >= 0)
            r = read_line(line, *ret_number, manifest, &count, &digest, err);
        if (r == 0)
            digest_update(&digest, text, (size_t)size);
    }
    if (r > 0 && fgetc(file) != EOF)
        return error_set(err, EBADMSG, "something follows its last line");
    return r;
}

int manifest_read(const char *path, struct manifest **ret, struct error *err) {
    _cleanup_file_ FILE *file = fopen(path, "re");
    if (!file)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    _cleanup_manifest_ struct manifest *manifest = xcalloc(1, sizeof(*manifest));
    size_t number = 0;
    int r = read_lines(file, manifest, &number, err);
    if (r < 0) {
        error_prefix(err, "\"%s\", line %zu", path, number);
        return r;
    }
    if (manifest->entries_count == 0)
        return error_set(err, EBADMSG, "\"%s\" has no entries", path);
    *ret = take_ptr(manifest);
    return 0;
}
