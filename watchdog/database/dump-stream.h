#pragma once

/* One dump on its way out of or into a program. */

#include "watchdog/database/dump.h"

struct dump_stream {
    struct compressed_writer *writer;
    struct compressed_reader *reader;
    const struct dump_progress *progress; /* NULL: none */
    uint64_t bytes;
    struct error failure; /* of ours: the program's runner knows only its errno */
};

/* Counts and tells. Returns 0, or the caller's wish to give up. */
int dump_stream_advanced(struct dump_stream *stream, size_t size);
/* The result of the run, or the failure of ours that led to it. */
int dump_stream_end(struct dump_stream *stream, int r, struct error *err);

/* Runs pg_restore with the dump on its standard input, then reads what it has left of it, and compares sizes
 * and SHA-256 with @expected. -EREMOTEIO: pg_restore is not content; -EBADMSG: the file is damaged. */
int dump_feed(struct programs *programs, struct server *server, const char *path, const struct dump *expected,
              char *const *arguments, const char *database, const struct dump_progress *progress,
              usec_t deadline, struct error *err);
