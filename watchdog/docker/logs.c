/* What a container wrote. See logs.h. */

#include "watchdog/docker/logs.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/container.h"
#include "watchdog/docker/transport.h"

#define LIMIT_DEFAULT ((size_t)64 * 1024 * 1024)

struct reading {
    const struct logs *logs;
    bool terminal; /* no frames */
    struct frames frames;
    size_t left;
    bool cut;
    struct error error;
};

static int take_piece(void *userdata, enum frame_stream stream, const char *data, size_t size) {
    struct reading *reading = userdata;
    if (stream == FRAME_DAEMON)
        return error_set(&reading->error, EPROTO, "Docker could not read on: %.*s",
                         (int)(size < 500 ? size : 500), data);
    if (size > reading->left) {
        reading->cut = true;
        size = reading->left;
    }
    reading->left -= size;
    int r = size ? reading->logs->on_data(reading->logs->userdata, stream, data, size) : 0;
    return r < 0 ? r : reading->cut ? -ECANCELED : 0;
}

static int take_data(void *userdata, const char *data, size_t size) {
    struct reading *reading = userdata;
    if (reading->terminal)
        return take_piece(reading, FRAME_OUTPUT, data, size);
    int r = frames_feed(&reading->frames, data, size, take_piece, reading);
    if (r == -EBADMSG && !reading->error.number)
        return error_set(&reading->error, EBADMSG,
                         "Docker's stream of the log has a frame with a bad header");
    return r;
}

/* Seconds with a fraction, as the API wants a time. */
static void append_time(struct buffer *path, const char *name, usec_t time) {
    if (time)
        buffer_printf(path, "&%s=%llu.%06llu000", name, (unsigned long long)(time / USEC_PER_SEC),
                      (unsigned long long)(time % USEC_PER_SEC));
}

static int read_all(struct engine *engine, const struct logs *logs, const char *id, struct reading *reading,
                    struct error *err) {
    _cleanup_buffer_ struct buffer path = { 0 };
    buffer_printf(&path, "/containers/%s/logs?stdout=1&stderr=1&timestamps=%d", id, logs->timestamps);
    append_time(&path, "since", logs->since);
    append_time(&path, "until", logs->until);
    if (logs->tail)
        buffer_printf(&path, "&tail=%u", logs->tail);
    struct request request = { .method = "GET",
                               .path = path.text,
                               .on_data = take_data,
                               .userdata = reading,
                               .deadline = logs->deadline };
    int r = transport_request(engine, &request, NULL, err);
    if (reading->error.number)
        return error_move(err, &reading->error);
    if (reading->cut && r == -ECANCELED) {
        error_done(err);
        return 1;
    }
    if (r == 0 && !frames_whole(&reading->frames))
        return error_set(err, ECONNRESET, "the connection to Docker broke in the middle of the log");
    return r;
}

int engine_logs(struct engine *engine, const struct logs *logs, struct error *err) {
    struct container container = { 0 };
    int r = engine_container(engine, logs->container, logs->deadline, &container, err);
    if (r == 0) {
        struct reading reading = {
            .logs = logs,
            .terminal = json_get_boolean(json_get_object(container.inspect, "Config"), "Tty", 0),
            .left = logs->limit ? logs->limit : LIMIT_DEFAULT,
        };
        r = read_all(engine, logs, container.id, &reading, err);
        error_done(&reading.error);
    }
    container_done(&container);
    if (r < 0)
        error_prefix(err, "the log of the container \"%s\"", logs->container);
    return r;
}
