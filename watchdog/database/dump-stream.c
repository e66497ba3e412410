/* A dump on its way. See dump-stream.h. */

#include "watchdog/database/dump-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

int dump_stream_advanced(struct dump_stream *stream, size_t size) {
    stream->bytes += size;
    if (!stream->progress)
        return 0;
    int r = stream->progress->advanced(stream->progress->userdata, stream->bytes);
    return r < 0 ? error_errno(&stream->failure, -r, "given up") : 0;
}

static int read_input(void *userdata, char *data, size_t size) {
    struct dump_stream *stream = userdata;
    ssize_t got = compressed_read(stream->reader, data, size, &stream->failure);
    if (got > 0) {
        int r = dump_stream_advanced(stream, (size_t)got);
        if (r < 0)
            return r;
    }
    return (int)got;
}

int dump_stream_end(struct dump_stream *stream, int r, struct error *err) {
    if (stream->failure.number)
        return error_move(err, &stream->failure);
    return r;
}

/* What a program has left of the stream, for the sizes and the checksum are of all of it. */
static int drain(struct dump_stream *stream, const struct dump *expected, struct error *err) {
    struct compressed_file found;
    _cleanup_free_ char *block = xcalloc(1, 65536);
    ssize_t got;
    while ((got = compressed_read(stream->reader, block, 65536, err)) > 0)
        ;
    if (got < 0)
        return (int)got;
    int r = compressed_reader_finish(stream->reader, &found, err);
    if (r < 0)
        return r;
    if (found.compressed != expected->file.compressed || found.bytes != expected->file.bytes)
        return error_set(err, EBADMSG,
                         "it has %" PRIu64 " bytes (%" PRIu64 " unpacked), it was written with %" PRIu64
                         " (%" PRIu64 ")",
                         found.compressed, found.bytes, expected->file.compressed, expected->file.bytes);
    if (!string_equal(found.sha256, expected->file.sha256))
        return error_set(err, EBADMSG, "it is damaged: its SHA-256 is %s, it was written with %s",
                         found.sha256, expected->file.sha256);
    return 0;
}

int dump_feed(struct programs *programs, struct server *server, const char *path, const struct dump *expected,
              char *const *arguments, const char *database, const struct dump_progress *progress,
              usec_t deadline, struct error *err) {
    _cleanup_compressed_reader_ struct compressed_reader *reader = NULL;
    int r = programs_find(programs, server, deadline, err);
    if (r >= 0)
        r = compressed_reader_new(AT_FDCWD, path, &reader, err);
    if (r < 0)
        return r;
    struct dump_stream stream = { .reader = reader, .progress = progress };
    const struct program_call io = { .on_input = read_input, .userdata = &stream, .deadline = deadline };
    r = programs_run(programs, server, "pg_restore", arguments, database, &io, err);
    r = dump_stream_end(&stream, r, err);
    error_done(&stream.failure);
    return r < 0 ? r : drain(&stream, expected, err);
}
