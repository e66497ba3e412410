/* A connection that stays open. See stream.h. */

#include "watchdog/docker/stream.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "watchdog/docker/transport.h"

#define HEAD_LIMIT ((size_t)64 * 1024)

void stream_done(struct stream *stream) {
    if (stream->fd >= 0)
        close(stream->fd);
    buffer_done(&stream->rest);
    *stream = (struct stream){ .fd = -1 };
}

ssize_t stream_read(struct stream *stream, char *buffer, size_t size) {
    size_t rest = stream->rest.size - stream->rest_used;
    if (rest > 0) {
        size = size < rest ? size : rest;
        memcpy(buffer, stream->rest.text + stream->rest_used, size);
        stream->rest_used += size;
        if (stream->rest_used == stream->rest.size) {
            buffer_done(&stream->rest);
            stream->rest_used = 0;
        }
        return (ssize_t)size;
    }
    ssize_t r;
    do
        r = recv(stream->fd, buffer, size, 0);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

ssize_t stream_head(const char *data, size_t size, int *ret_status) {
    static const char start[] = "HTTP/1.";
    size_t known = size < sizeof(start) - 1 ? size : sizeof(start) - 1;
    if (memcmp(data, start, known) != 0)
        return -EBADMSG;
    const char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end)
        return size > HEAD_LIMIT ? -EBADMSG : 0;
    /* "HTTP/1.1 101 UPGRADED" */
    if (end - data < 12 || data[8] != ' ' || !isdigit((unsigned char)data[9]) ||
        !isdigit((unsigned char)data[10]) || !isdigit((unsigned char)data[11]))
        return -EBADMSG;
    *ret_status = (data[9] - '0') * 100 + (data[10] - '0') * 10 + (data[11] - '0');
    return end + 4 - data;
}

static int wait_for(int fd, short events, usec_t deadline, struct error *err) {
    struct pollfd pollfd = { .fd = fd, .events = events };
    for (;;) {
        int r = poll(&pollfd, 1, deadline_poll(deadline));
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return error_errno(err, errno, "cannot wait for Docker");
        if (deadline_left(deadline) == 0)
            return error_set(err, ETIME, "Docker did not answer in time");
    }
}

static int stream_connect(const struct engine *engine, usec_t deadline, struct error *err) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(engine->socket_path) >= sizeof(address.sun_path))
        return error_set(err, ENAMETOOLONG, "the path of Docker's socket \"%s\" is longer than %zu bytes",
                         engine->socket_path, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, engine->socket_path, strlen(engine->socket_path));
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_errno(err, errno, "cannot make a socket");
    while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: the queue of a busy daemon is full */
            return transport_unreachable(engine, errno, err);
        if (!deadline_sleep(deadline, 10 * USEC_PER_MSEC))
            return error_set(err, ETIME, "Docker did not take the connection in time");
    }
    return take_fd(fd);
}

static int send_all(int fd, const char *data, size_t size, usec_t deadline, struct error *err) {
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            int r = wait_for(fd, POLLOUT, deadline, err);
            if (r < 0)
                return r;
        } else if (sent < 0 && errno != EINTR) {
            return error_set(err, ECONNRESET, "the connection to Docker broke: %s", strerror(errno));
        } else if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        }
    }
    return 0;
}

/* Reads until the head is whole; @got then begins with it. */
static ssize_t read_head(int fd, struct buffer *got, int *ret_status, usec_t deadline, struct error *err) {
    for (;;) {
        char block[4096];
        int r = wait_for(fd, POLLIN, deadline, err);
        if (r < 0)
            return r;
        ssize_t size = recv(fd, block, sizeof(block), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (size <= 0)
            return error_set(err, ECONNRESET, "the connection to Docker broke before it answered");
        buffer_append(got, block, (size_t)size);
        ssize_t head = stream_head(got->text, got->size, ret_status);
        if (head < 0)
            return error_set(err, EBADMSG, "Docker's answer is not HTTP");
        if (head > 0)
            return head;
    }
}

/* Reads what an error's body says, to its end or for a second. */
static void read_refusal(int fd, struct buffer *got, usec_t deadline) {
    usec_t soon = deadline_in(USEC_PER_SEC);
    soon = soon < deadline ? soon : deadline;
    while (got->size < HEAD_LIMIT && wait_for(fd, POLLIN, soon, NULL) == 0) {
        char block[4096];
        ssize_t size = recv(fd, block, sizeof(block), 0);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
            break;
        if (size > 0)
            buffer_append(got, block, (size_t)size);
    }
}

int stream_open(const struct engine *engine, const char *method, const char *path, const json_t *body,
                bool upgrade, usec_t deadline, struct stream *ret, struct error *err) {
    _cleanup_close_ int fd = stream_connect(engine, deadline, err);
    if (fd < 0)
        return fd;
    _cleanup_free_ char *text = body ? json_text(body) : xstrdup("");
    _cleanup_buffer_ struct buffer head = { 0 };
    buffer_printf(&head, "%s /v%s%s HTTP/%s\r\nHost: docker\r\n", method, engine->api_version, path,
                  upgrade ? "1.1" : "1.0");
    if (upgrade)
        buffer_printf(&head, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
    if (body)
        buffer_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(text));
    buffer_printf(&head, "\r\n%s", text);
    int r = send_all(fd, head.text, head.size, deadline, err);
    if (r < 0)
        return error_prefix(err, "%s %.*s", method, (int)strcspn(path, "?"), path);
    _cleanup_buffer_ struct buffer got = { 0 };
    int status = 0;
    ssize_t size = read_head(fd, &got, &status, deadline, err);
    if (size < 0)
        return error_prefix(err, "%s %.*s", method, (int)strcspn(path, "?"), path);
    if (status != 101 && (status < 200 || status > 299)) {
        read_refusal(fd, &got, deadline);
        struct request request = { .method = method, .path = path };
        return transport_refused(&request, status, got.text + size, got.size - (size_t)size, err);
    }
    *ret = (struct stream){ .fd = take_fd(fd) };
    if (got.size > (size_t)size)
        buffer_append(&ret->rest, got.text + size, got.size - (size_t)size);
    return 0;
}
