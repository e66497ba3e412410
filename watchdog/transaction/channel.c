/* Messages between worker and supervisor. See channel.h. */

#include "watchdog/transaction/channel.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "watchdog/base/json.h"

int channel_send(int fd, const json_t *message, usec_t deadline, struct error *err) {
    _cleanup_free_ char *text = json_text(message);
    uint32_t size = htole32((uint32_t)strlen(text));
    _cleanup_buffer_ struct buffer whole = { 0 };
    buffer_append(&whole, &size, sizeof(size));
    buffer_append(&whole, text, strlen(text));
    for (size_t sent = 0; sent < whole.size;) {
        ssize_t now = send(fd, whole.text + sent, whole.size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now >= 0) {
            sent += (size_t)now;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return error_errno(err, errno, "cannot tell the supervisor");
        struct pollfd ready = { fd, POLLOUT, 0 };
        if (poll(&ready, 1, deadline_poll(deadline)) == 0)
            return error_set(err, ETIME, "the supervisor does not listen");
    }
    return 0;
}

int channel_next(struct buffer *received, json_t **ret, struct error *err) {
    uint32_t size;
    if (received->size < sizeof(size))
        return 0;
    memcpy(&size, received->text, sizeof(size));
    size = le32toh(size);
    if (size > CHANNEL_LIMIT)
        return error_set(err, EBADMSG, "a message of %u bytes is too long", size);
    if (received->size < sizeof(size) + size)
        return 0;
    int r = json_parse(received->text + sizeof(size), size, "a worker's message", ret, err);
    if (r < 0)
        return r;
    received->size -= sizeof(size) + size;
    memmove(received->text, received->text + sizeof(size) + size, received->size + 1);
    return 1;
}

int channel_read(int fd, struct buffer *received, struct error *err) {
    int got = 0;
    for (;;) {
        char block[16384];
        ssize_t size = recv(fd, block, sizeof(block), MSG_DONTWAIT);
        if (size > 0) {
            buffer_append(received, block, (size_t)size);
            got = 1;
            continue;
        }
        if (size == 0 || (errno != EAGAIN && errno != EINTR))
            return got ? 1 : error_set(err, EPIPE, "the channel is closed");
        if (errno == EAGAIN)
            return got;
    }
}

int channel_receive(int fd, struct buffer *received, usec_t deadline, json_t **ret, struct error *err) {
    for (;;) {
        int r = channel_next(received, ret, err);
        if (r != 0)
            return r < 0 ? r : 0;
        struct pollfd ready = { fd, POLLIN, 0 };
        if (poll(&ready, 1, deadline_poll(deadline)) == 0)
            return error_set(err, ETIME, "the supervisor does not answer");
        r = channel_read(fd, received, err);
        if (r < 0)
            return r;
    }
}
