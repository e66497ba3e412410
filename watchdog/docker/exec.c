/* A program inside a container. See exec.h. */

#include "watchdog/docker/exec.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "watchdog/base/digest.h"
#include "watchdog/docker/container.h"
#include "watchdog/docker/frames.h"
#include "watchdog/docker/marked.h"
#include "watchdog/docker/stream.h"

#define BLOCK ((size_t)64 * 1024)
#define ERRORS_LIMIT_DEFAULT ((size_t)64 * 1024)
#define SHORT_OUTPUT_LIMIT ((size_t)1024 * 1024)

struct session {
    const struct exec *exec;
    struct stream stream;
    struct frames frames;
    struct buffer errors;
    int failure; /* -errno of a callback */
    bool input_open;
    size_t input_size, input_used;
    char input[BLOCK], output[BLOCK];
};

static int take_frame(void *userdata, enum frame_stream stream, const char *data, size_t size) {
    struct session *session = userdata;
    const struct exec *exec = session->exec;
    if (stream == FRAME_OUTPUT) {
        if (exec->on_output)
            session->failure = exec->on_output(exec->userdata, data, size);
        return session->failure;
    }
    size_t limit = exec->errors_limit ? exec->errors_limit : ERRORS_LIMIT_DEFAULT;
    struct buffer *errors = &session->errors;
    buffer_append(errors, data, size);
    if (errors->size > 2 * limit) {
        memmove(errors->text, errors->text + errors->size - limit, limit + 1);
        errors->size = limit;
    }
    return 0;
}

static int lost(int number, struct error *err) {
    return error_set(err, ECONNRESET, "the connection to Docker broke during the exec: %s", strerror(number));
}

/* Everything that is there now. Returns 1 at the end of the stream, 0, or -errno. */
static int receive(struct session *session, struct error *err) {
    ssize_t size = stream_read(&session->stream, session->output, sizeof(session->output));
    if (size == -EAGAIN)
        return 0;
    if (size < 0)
        return lost((int)-size, err);
    if (size == 0)
        return frames_whole(&session->frames) ? 1 : lost(EPIPE, err);
    int r = frames_feed(&session->frames, session->output, (size_t)size, take_frame, session);
    if (r < 0 && session->failure < 0)
        return error_errno(err, -r, "what the exec wrote was not taken");
    if (r < 0)
        return error_set(err, EBADMSG, "Docker's stream of the exec has a frame with a bad header");
    return 0;
}

/* Fills the buffer when it is empty; half-closes the connection at the end of the input. */
static int fill(struct session *session, struct error *err) {
    if (!session->input_open || session->input_used < session->input_size)
        return 0;
    int size = session->exec->on_input
                   ? session->exec->on_input(session->exec->userdata, session->input, sizeof(session->input))
                   : 0;
    if (size < 0) {
        session->failure = size;
        return error_errno(err, -size, "the input of the exec could not be had");
    }
    session->input_used = 0;
    session->input_size = (size_t)size;
    if (size == 0) {
        session->input_open = false;
        shutdown(session->stream.fd, SHUT_WR);
    }
    return 0;
}

static int transmit(struct session *session, struct error *err) {
    if (!session->input_open)
        return 0;
    ssize_t sent = send(session->stream.fd, session->input + session->input_used,
                        session->input_size - session->input_used, MSG_NOSIGNAL);
    if (sent >= 0)
        session->input_used += (size_t)sent;
    else if (errno == EPIPE || errno == ECONNRESET)
        session->input_open = false; /* the program has ended without reading on: its exit code tells */
    else if (errno != EAGAIN && errno != EINTR)
        return lost(errno, err);
    return 0;
}

/* Waits for what can be done. Returns poll(2)'s events, or -errno. */
static int await(struct session *session, struct error *err) {
    struct pollfd pollfd = { .fd = session->stream.fd,
                             .events = (short)(POLLIN | (session->input_open ? POLLOUT : 0)) };
    if (deadline_left(session->exec->deadline) == 0)
        return error_set(err, ETIME, "\"%s\" in the container did not end in time", session->exec->argv[0]);
    if (session->stream.rest.size > 0)
        return POLLIN;
    int ready = poll(&pollfd, 1, deadline_poll(session->exec->deadline));
    if (ready < 0 && errno != EINTR)
        return lost(errno, err);
    return ready > 0 ? pollfd.revents : 0;
}

/* Both directions at once, so that a full pipe on one side cannot hold up the other. */
static int converse(struct session *session, struct error *err) {
    for (;;) {
        int r = fill(session, err);
        int events = r < 0 ? r : await(session, err);
        if (events < 0)
            return events;
        if (events & POLLOUT)
            r = transmit(session, err);
        if (r == 0 && events & ~POLLOUT)
            r = receive(session, err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
}

static json_t *string_array(char *const *list) {
    json_t *array = json_array();
    for (size_t i = 0; list && list[i]; i++)
        json_array_append_new(array, json_text_string(list[i]));
    return array;
}

static int create(struct engine *engine, const struct exec *exec, const char *mark, char **ret_id,
                  struct error *err) {
    json_t *environment = string_array(exec->environment);
    _cleanup_free_ char *marked = xasprintf("%s=%s", EXEC_MARK, mark);
    json_array_append_new(environment, json_string(marked));
    _cleanup_json_ json_t *body =
        json_pack("{s:b, s:b, s:b, s:b, s:o, s:o}", "AttachStdin", exec->on_input != NULL, "AttachStdout", 1,
                  "AttachStderr", 1, "Tty", 0, "Cmd", string_array(exec->argv), "Env", environment);
    if (!body)
        abort();
    if (exec->user)
        json_object_set_new(body, "User", json_text_string(exec->user));
    if (exec->directory)
        json_object_set_new(body, "WorkingDir", json_text_string(exec->directory));
    _cleanup_free_ char *escaped = url_escape(exec->container);
    _cleanup_free_ char *path = xasprintf("/containers/%s/exec", escaped);
    _cleanup_json_ json_t *answer = NULL;
    int r = engine_request(engine, "POST", path, body, exec->deadline, &answer, err);
    if (r < 0)
        return r;
    const char *id = json_get_string(answer, "Id", "");
    if (!*id)
        return error_set(err, EBADMSG, "Docker's answer to POST /containers/…/exec has no Id");
    *ret_id = xstrdup(id);
    return 0;
}

/* The end of the streams is not the end of the program. */
static int await_exit(struct engine *engine, const struct exec *exec, const char *id, int *ret_exit,
                      struct error *err) {
    _cleanup_free_ char *path = xasprintf("/exec/%s/json", id);
    for (usec_t pause = USEC_PER_MSEC;; pause = pause < 100 * USEC_PER_MSEC ? pause * 2 : pause) {
        _cleanup_json_ json_t *answer = NULL;
        int r = engine_request(engine, "GET", path, NULL, exec->deadline, &answer, err);
        if (r < 0) {
            error_prefix(err, "the exit code of \"%s\" is not known", exec->argv[0]);
            return r;
        }
        const json_t *code = json_object_get(answer, "ExitCode");
        if (json_is_false(json_object_get(answer, "Running")) && json_is_integer(code)) {
            *ret_exit = (int)json_integer_value(code);
            return 0;
        }
        if (!deadline_sleep(exec->deadline, pause))
            return error_set(err, ETIME, "\"%s\" in the container did not end in time", exec->argv[0]);
    }
}

/* What was begun runs on by itself when its connection is closed. */
static void put_down(struct engine *engine, const struct exec *exec, const char *mark) {
    usec_t deadline = deadline_in(5 * USEC_PER_SEC);
    struct container container = { 0 };
    if (engine_container(engine, exec->container, deadline, &container, NULL) < 0)
        return;
    marked_end(container.pid, mark, deadline);
    container_done(&container);
}

int engine_exec(struct engine *engine, const struct exec *exec, int *ret_exit, char **ret_errors,
                struct error *err) {
    char mark[33];
    random_text(mark, 16);
    _cleanup_free_ char *id = NULL;
    int r = create(engine, exec, mark, &id, err);
    if (r < 0)
        return r;
    _cleanup_free_ struct session *session = xcalloc(1, sizeof(*session));
    session->exec = exec;
    session->input_open = exec->on_input != NULL;
    _cleanup_free_ char *path = xasprintf("/exec/%s/start", id);
    _cleanup_json_ json_t *body = json_pack("{s:b, s:b}", "Detach", 0, "Tty", 0);
    r = stream_open(engine, "POST", path, body, true, exec->deadline, &session->stream, err);
    if (r < 0) {
        put_down(engine, exec, mark);
        return r;
    }
    r = converse(session, err);
    if (r == 0)
        r = await_exit(engine, exec, id, ret_exit, err);
    if (r < 0)
        put_down(engine, exec, mark);
    stream_done(&session->stream);
    if (r == 0 && ret_errors)
        *ret_errors = buffer_take(&session->errors);
    buffer_done(&session->errors);
    return r;
}

static int keep_output(void *userdata, const char *data, size_t size) {
    struct buffer *output = userdata;
    if (size > SHORT_OUTPUT_LIMIT - output->size)
        return -EFBIG;
    buffer_append(output, data, size);
    return 0;
}

int engine_exec_output(struct engine *engine, const char *container, char *const *argv, usec_t deadline,
                       char **ret_output, struct error *err) {
    _cleanup_buffer_ struct buffer output = { 0 };
    _cleanup_free_ char *errors = NULL;
    struct exec exec = { .container = container,
                         .argv = argv,
                         .on_output = keep_output,
                         .userdata = &output,
                         .deadline = deadline };
    int code = 0, r = engine_exec(engine, &exec, &code, &errors, err);
    if (r < 0)
        return r;
    if (code != 0) {
        size_t end = strlen(errors);
        while (end > 0 && strchr("\r\n ", errors[end - 1]))
            errors[--end] = '\0';
        const char *line = strrchr(errors, '\n');
        line = line ? line + 1 : errors;
        return error_set(err, EPROTO, "\"%s\" in the container exited with %d%s%s", argv[0], code,
                         *line ? ": " : "", line);
    }
    *ret_output = buffer_take(&output);
    return 0;
}

int engine_execs_end(struct engine *engine, const char *container, usec_t deadline, struct error *err) {
    struct container found = { 0 };
    int r = engine_container(engine, container, deadline, &found, err);
    if (r < 0)
        return r;
    pid_t pid = found.pid;
    container_done(&found);
    r = marked_end(pid, NULL, deadline);
    return r == -ETIME
               ? error_set(err, ETIME, "an earlier run's program in \"%s\" cannot be ended", container)
               : r;
}
