/* The multiplexed stream. See frames.h. */

#include "watchdog/docker/frames.h"

#include <errno.h>
#include <string.h>

static bool header_valid(const unsigned char header[8]) {
    return header[0] <= FRAME_DAEMON && !header[1] && !header[2] && !header[3];
}

int frames_feed(struct frames *frames, const char *data, size_t size, frames_function *function,
                void *userdata) {
    unsigned char *header = frames->header;
    while (size > 0) {
        size_t piece;
        if (frames->left == 0) {
            piece = sizeof(frames->header) - frames->header_size;
            piece = size < piece ? size : piece;
            memcpy(header + frames->header_size, data, piece);
            frames->header_size += piece;
            if (frames->header_size == sizeof(frames->header)) {
                if (!header_valid(header))
                    return -EBADMSG;
                frames->left = (uint32_t)header[4] << 24 | (uint32_t)header[5] << 16 |
                               (uint32_t)header[6] << 8 | header[7];
                frames->header_size = 0;
            }
        } else {
            piece = size < frames->left ? size : frames->left;
            int r = function(userdata, header[0], data, piece);
            if (r < 0)
                return r;
            frames->left -= (uint32_t)piece;
        }
        data += piece;
        size -= piece;
    }
    return 0;
}

bool frames_whole(const struct frames *frames) {
    return frames->left == 0 && frames->header_size == 0;
}
