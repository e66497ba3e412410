#pragma once

/*
 * A stream of bytes kept as a zstd file: libarchive's "raw" format with its zstd filter, written and read in
 * constant memory, with the SHA-256 of the file as it lies on disk. `zstd -d` reads it too.
 *
 * What one gets wrong: a checksum says only that the file is what was written. Whether the stream that was
 * written was whole, is for its own reader to say.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/error.h"

struct compressed_writer;

/* What lies on disk, and how much went into it. */
struct compressed_file {
    uint64_t bytes;                /* of the stream */
    uint64_t compressed;           /* of the file */
    char sha256[DIGEST_TEXT_SIZE]; /* of the file */
};

/* Makes @path (relative to @directory_fd, or AT_FDCWD), which must not exist, with @mode. */
int compressed_writer_new(int directory_fd, const char *path, mode_t mode, struct compressed_writer **ret,
                          struct error *err);
/* Adds @size bytes. -ENOSPC and the other errors of write(2) come through. */
int compressed_write(struct compressed_writer *writer, const void *data, size_t size, struct error *err);
/* Bytes that went in so far, and bytes on disk so far. */
uint64_t compressed_writer_bytes(const struct compressed_writer *writer);
uint64_t compressed_writer_file_bytes(const struct compressed_writer *writer);
/* Ends the stream, fsyncs the file and its directory. The writer stays to be freed. */
int compressed_finish(struct compressed_writer *writer, struct compressed_file *ret, struct error *err);
/* Frees it; a file that was not finished is removed. */
void compressed_writer_free(struct compressed_writer *writer);
void cleanup_compressed_writer(struct compressed_writer **writer);
#define _cleanup_compressed_writer_ __attribute__((cleanup(cleanup_compressed_writer)))

struct compressed_reader;

/* Opens a file made by a writer. -EBADMSG when it is no zstd stream. */
int compressed_reader_new(int directory_fd, const char *path, struct compressed_reader **ret,
                          struct error *err);
/* Reads up to @size bytes. Returns how many, 0 at the end, -EBADMSG where the stream is damaged or cut. */
ssize_t compressed_read(struct compressed_reader *reader, void *data, size_t size, struct error *err);
/* After the end: the sizes, and the SHA-256 of the whole file (also of bytes behind the stream's end). */
int compressed_reader_finish(struct compressed_reader *reader, struct compressed_file *ret,
                             struct error *err);
void compressed_reader_free(struct compressed_reader *reader);
void cleanup_compressed_reader(struct compressed_reader **reader);
#define _cleanup_compressed_reader_ __attribute__((cleanup(cleanup_compressed_reader)))
