/* Docker's events. See events.h. */

#include "watchdog/docker/events.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/json-lines.h"
#include "watchdog/docker/stream.h"

/* health_status comes as "health_status: healthy". Not the exec_* of each health check. */
static const char *const actions[] = { "create",  "start",  "die",   "oom",     "stop",          "kill",
                                       "restart", "rename", "pause", "unpause", "health_status", "destroy" };

struct events {
    struct stream stream;
    struct json_lines lines;
};

void event_done(struct event *event) {
    free(event->action);
    free(event->health);
    free(event->container);
    free(event->name);
    free(event->service);
    free(event->image);
    free(event->ours);
    *event = (struct event){ 0 };
}

static bool action_known(const char *action, size_t size) {
    for (size_t i = 0; i < ELEMENTS(actions); i++)
        if (strlen(actions[i]) == size && memcmp(actions[i], action, size) == 0)
            return true;
    return false;
}

int event_parse(const json_t *value, struct event *ret, struct error *err) {
    const json_t *actor = json_get_object(value, "Actor"), *attributes = json_get_object(actor, "Attributes");
    const char *action = json_get_string(value, "Action", NULL), *id = json_get_string(actor, "ID", "");
    if (!action)
        return error_set(err, EBADMSG, "an event of Docker has no Action");
    size_t size = strcspn(action, ":");
    if (!string_equal(json_get_string(value, "Type", "container"), "container") ||
        !action_known(action, size))
        return 0;
    if (!*id)
        return error_set(err, EBADMSG, "an event \"%s\" of Docker has no Actor.ID", action);
    const char *health = action[size] ? action + size + 1 + strspn(action + size + 1, " ") : "";
    const char *code = json_get_string(attributes, "exitCode", "");
    json_int_t nanoseconds = json_get_integer(value, "timeNano", 0),
               seconds = json_get_integer(value, "time", 0);
    *ret = (struct event){
        .action = xstrndup(action, size),
        .health = xstrdup(health),
        .container = xstrdup(id),
        .name = xstrdup(json_get_string(attributes, "name", "")),
        .service = xstrdup(json_get_string(attributes, "com.docker.compose.service", "")),
        .image = xstrdup(json_get_string(attributes, "image", "")),
        .ours = xstrdup(json_get_string(attributes, DOCKER_LABEL, "")),
        .exit_code = *code ? atoi(code) : -1,
        .time = nanoseconds > 0 ? (usec_t)nanoseconds / 1000
                : seconds > 0   ? (usec_t)seconds * USEC_PER_SEC
                                : 0,
    };
    return 1;
}

void events_free(struct events *events) {
    if (!events)
        return;
    stream_done(&events->stream);
    json_lines_done(&events->lines);
    free(events);
}

int events_fd(const struct events *events) {
    return events->stream.fd;
}

int events_open(struct engine *engine, const char *project, usec_t since, usec_t deadline,
                struct events **ret, struct error *err) {
    json_t *names = json_array();
    for (size_t i = 0; i < ELEMENTS(actions); i++)
        json_array_append_new(names, json_string(actions[i]));
    _cleanup_free_ char *label = xasprintf("com.docker.compose.project=%s", project);
    _cleanup_json_ json_t *filters = json_pack("{s:[s], s:[o], s:o}", "type", "container", "label",
                                               json_text_string(label), "event", names);
    if (!filters)
        abort();
    _cleanup_free_ char *text = json_text(filters);
    _cleanup_free_ char *escaped = url_escape(text);
    _cleanup_buffer_ struct buffer path = { 0 };
    buffer_printf(&path, "/events?filters=%s", escaped);
    if (since)
        buffer_printf(&path, "&since=%llu.%06llu000", (unsigned long long)(since / USEC_PER_SEC),
                      (unsigned long long)(since % USEC_PER_SEC));
    struct events *events = xcalloc(1, sizeof(*events));
    int r = stream_open(engine, "GET", path.text, NULL, false, deadline, &events->stream, err);
    if (r < 0) {
        free(events);
        return r;
    }
    *ret = events;
    return 0;
}

/* Adds what there is now. */
static int read_some(struct events *events, struct error *err) {
    char block[16384];
    ssize_t size = stream_read(&events->stream, block, sizeof(block));
    if (size == -EAGAIN)
        return 0;
    if (size <= 0)
        return error_set(err, ECONNRESET, "Docker's stream of events ended");
    json_lines_add(&events->lines, block, (size_t)size);
    return 1;
}

int events_next(struct events *events, struct event *ret, struct error *err) {
    for (;;) {
        _cleanup_json_ json_t *value = NULL;
        int r = json_lines_next(&events->lines, false, &value, err);
        if (r > 0)
            r = event_parse(value, ret, err);
        else if (r == 0) {
            r = read_some(events, err);
            if (r == 0)
                return 0;
            r = r > 0 ? 0 : r;
        }
        if (r != 0)
            return r;
    }
}
