#pragma once

/*
 * The multiplexed stream of attach, exec and logs: 1 byte stream, 3 zero bytes, 4 bytes big-endian length,
 * then so many bytes (Engine API, ContainerAttach, "Stream format"). Pure: bytes in any portions go in,
 * pieces of streams come out. Zero-initialised is the beginning.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_stream {
    FRAME_INPUT = 0,
    FRAME_OUTPUT = 1,
    FRAME_ERRORS = 2,
    FRAME_DAEMON = 3 /* its own error */
};

struct frames {
    unsigned char header[8];
    size_t header_size;
    uint32_t left; /* bytes of the current frame still to come */
};

/* A piece of a stream; returns 0, or a negative value, which ends frames_feed() with it. */
typedef int frames_function(void *userdata, enum frame_stream stream, const char *data, size_t size);

/* Returns 0, -EBADMSG when the bytes are no such stream, or what @function returned. */
int frames_feed(struct frames *frames, const char *data, size_t size, frames_function *function,
                void *userdata);
/* Not in the middle of a frame: only here may the stream end. */
bool frames_whole(const struct frames *frames);
