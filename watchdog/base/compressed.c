/* zstd files. See compressed.h. */

#include "watchdog/base/compressed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

#define BLOCK ((size_t)256 * 1024)

static int archive_failure(struct archive *archive, int fallback, const char *what, const char *path,
                           struct error *err) {
    int number = archive_errno(archive);
    const char *words = archive_error_string(archive);
    /* libarchive's own numbers for a damaged file (ARCHIVE_ERRNO_FILE_FORMAT, _MISC) are no errnos of use */
    if (number <= 0 || number == EILSEQ || number == EINVAL)
        number = fallback;
    return error_set(err, number, "cannot %s \"%s\": %s", what, path, words ? words : strerror(number));
}

struct compressed_writer {
    struct archive *archive;
    struct digest digest;
    int directory_fd, fd;
    char *path;
    uint64_t bytes, compressed;
    bool finished, abandoned;
};

static la_ssize_t write_block(struct archive *archive, void *userdata, const void *data, size_t size) {
    struct compressed_writer *writer = userdata;
    if (writer->abandoned)
        return (la_ssize_t)size;
    int r = write_all(writer->fd, data, size);
    if (r < 0) {
        archive_set_error(archive, -r, "%s", strerror(-r));
        return -1;
    }
    digest_update(&writer->digest, data, size);
    writer->compressed += size;
    return (la_ssize_t)size;
}

static int write_begin(struct compressed_writer *writer, struct error *err) {
    struct archive *archive = writer->archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    if (!archive || !entry)
        abort();
    archive_entry_set_pathname(entry, "data");
    archive_entry_set_filetype(entry, AE_IFREG);
    bool begun = archive_write_add_filter_zstd(archive) == ARCHIVE_OK &&
                 archive_write_set_format_raw(archive) == ARCHIVE_OK &&
                 archive_write_set_bytes_per_block(archive, (int)BLOCK) == ARCHIVE_OK &&
                 archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK &&
                 archive_write_open(archive, writer, NULL, write_block, NULL) == ARCHIVE_OK &&
                 archive_write_header(archive, entry) == ARCHIVE_OK;
    archive_entry_free(entry);
    return begun ? 0 : archive_failure(archive, EIO, "begin", writer->path, err);
}

int compressed_writer_new(int directory_fd, const char *path, mode_t mode, struct compressed_writer **ret,
                          struct error *err) {
    int fd = openat(directory_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return error_errno(err, errno, "cannot create \"%s\"", path);
    _cleanup_compressed_writer_ struct compressed_writer *writer = xcalloc(1, sizeof(*writer));
    writer->directory_fd = directory_fd;
    writer->fd = fd;
    writer->path = xstrdup(path);
    digest_init(&writer->digest);
    if (fchmod(fd, mode) < 0)
        return error_errno(err, errno, "cannot set the mode of \"%s\"", path);
    int r = write_begin(writer, err);
    if (r < 0)
        return r;
    *ret = take_ptr(writer);
    return 0;
}

int compressed_write(struct compressed_writer *writer, const void *data, size_t size, struct error *err) {
    for (const char *at = data; size > 0;) {
        la_ssize_t written = archive_write_data(writer->archive, at, size);
        if (written <= 0)
            return archive_failure(writer->archive, EIO, "write", writer->path, err);
        at += written;
        size -= (size_t)written;
        writer->bytes += (uint64_t)written;
    }
    return 0;
}

uint64_t compressed_writer_bytes(const struct compressed_writer *writer) {
    return writer->bytes;
}

uint64_t compressed_writer_file_bytes(const struct compressed_writer *writer) {
    return writer->compressed;
}

int compressed_finish(struct compressed_writer *writer, struct compressed_file *ret, struct error *err) {
    if (archive_write_close(writer->archive) != ARCHIVE_OK)
        return archive_failure(writer->archive, EIO, "write", writer->path, err);
    if (fsync(writer->fd) < 0)
        return error_errno(err, errno, "cannot sync \"%s\"", writer->path);
    int r = durable_sync_parent(writer->directory_fd, writer->path, err);
    if (r < 0)
        return r;
    writer->finished = true;
    ret->bytes = writer->bytes;
    ret->compressed = writer->compressed;
    digest_final(&writer->digest, ret->sha256);
    return 0;
}

void compressed_writer_free(struct compressed_writer *writer) {
    if (!writer)
        return;
    /* libarchive lets go of all its memory only when it may finish its stream */
    writer->abandoned = !writer->finished;
    archive_write_free(writer->archive);
    if (!writer->finished)
        unlinkat(writer->directory_fd, writer->path, 0);
    close(writer->fd);
    digest_done(&writer->digest);
    free(writer->path);
    free(writer);
}

void cleanup_compressed_writer(struct compressed_writer **writer) {
    compressed_writer_free(*writer);
}

struct compressed_reader {
    struct archive *archive;
    struct digest digest;
    int fd;
    char *path, *block;
    uint64_t bytes, compressed;
    bool ended;
};

static la_ssize_t read_block(struct archive *archive, void *userdata, const void **ret) {
    struct compressed_reader *reader = userdata;
    ssize_t size;
    do
        size = read(reader->fd, reader->block, BLOCK);
    while (size < 0 && errno == EINTR);
    if (size < 0) {
        archive_set_error(archive, errno, "%s", strerror(errno));
        return -1;
    }
    digest_update(&reader->digest, reader->block, (size_t)size);
    reader->compressed += (uint64_t)size;
    *ret = reader->block;
    return size;
}

static int read_begin(struct compressed_reader *reader, struct error *err) {
    struct archive *archive = reader->archive = archive_read_new();
    if (!archive)
        abort();
    if (archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        archive_read_support_format_raw(archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(archive) != ARCHIVE_OK ||
        archive_read_open(archive, reader, NULL, read_block, NULL) != ARCHIVE_OK)
        return archive_failure(archive, EBADMSG, "read", reader->path, err);
    /* without a filter that wants it, the raw format takes anything for its contents */
    if (archive_filter_code(archive, 0) != ARCHIVE_FILTER_ZSTD)
        return error_set(err, EBADMSG, "\"%s\" is damaged: it does not begin as a zstd file", reader->path);
    struct archive_entry *entry;
    int r = archive_read_next_header(archive, &entry);
    reader->ended = r == ARCHIVE_EOF;
    return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0
                                               : archive_failure(archive, EBADMSG, "read", reader->path, err);
}

int compressed_reader_new(int directory_fd, const char *path, struct compressed_reader **ret,
                          struct error *err) {
    int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    _cleanup_compressed_reader_ struct compressed_reader *reader = xcalloc(1, sizeof(*reader));
    reader->fd = fd;
    reader->path = xstrdup(path);
    reader->block = xcalloc(BLOCK, 1);
    digest_init(&reader->digest);
    int r = read_begin(reader, err);
    if (r < 0)
        return r;
    *ret = take_ptr(reader);
    return 0;
}

ssize_t compressed_read(struct compressed_reader *reader, void *data, size_t size, struct error *err) {
    if (reader->ended || size == 0)
        return 0;
    la_ssize_t got = archive_read_data(reader->archive, data, size);
    if (got < 0)
        return archive_failure(reader->archive, EBADMSG, "read", reader->path, err);
    reader->ended = got == 0;
    reader->bytes += (uint64_t)got;
    return got;
}

int compressed_reader_finish(struct compressed_reader *reader, struct compressed_file *ret,
                             struct error *err) {
    const void *rest;
    la_ssize_t size;
    while ((size = read_block(reader->archive, reader, &rest)) > 0)
        ;
    if (size < 0)
        return archive_failure(reader->archive, EIO, "read", reader->path, err);
    ret->bytes = reader->bytes;
    ret->compressed = reader->compressed;
    digest_final(&reader->digest, ret->sha256);
    return 0;
}

void compressed_reader_free(struct compressed_reader *reader) {
    if (!reader)
        return;
    archive_read_free(reader->archive);
    close(reader->fd);
    digest_done(&reader->digest);
    free(reader->block);
    free(reader->path);
    free(reader);
}

void cleanup_compressed_reader(struct compressed_reader **reader) {
    compressed_reader_free(*reader);
}
