#pragma once

/*
 * Inside this directory only: a connection to the daemon on which bytes go both ways or without end, which
 * libcurl's transfers are not made for: a hijacked exec, the stream of events. Only the head of HTTP is read
 * here.
 */

#include "watchdog/base/memory.h"
#include "watchdog/docker/engine.h"

struct stream {
    int fd;             /* non-blocking, CLOEXEC; -1: none */
    struct buffer rest; /* what came after the answer's head */
    size_t rest_used;
};

/*
 * Sends @method @path with @body (NULL: none) and reads the answer's head, bounded. @upgrade asks for a
 * hijacked connection. HTTP/1.0 is spoken, so that a body is never chunked. Returns 0 on a success status
 * (101 or 2xx), else an error of engine.h.
 */
int stream_open(const struct engine *engine, const char *method, const char *path, const json_t *body,
                bool upgrade, usec_t deadline, struct stream *ret, struct error *err);
/* Takes what is there: bytes, 0 at the end of the stream, -EAGAIN, or -errno. */
ssize_t stream_read(struct stream *stream, char *buffer, size_t size);
void stream_done(struct stream *stream);
#define _cleanup_stream_ __attribute__((cleanup(stream_done)))

/*
 * Pure: looks for the end of an answer's head in @size bytes. Returns its size with the status, 0 when it is
 * not whole yet, -EBADMSG when it is none.
 */
ssize_t stream_head(const char *data, size_t size, int *ret_status);
