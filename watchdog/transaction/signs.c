/* Following Docker's events. See signs.h. */

#include "watchdog/transaction/signs.h"

#include <poll.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define OPEN_TIME (10 * USEC_PER_SEC)
#define OPEN_AGAIN USEC_PER_SEC

void signs_init(struct signs *signs, usec_t since) {
    *signs = (struct signs){ .last = since, .seen = json_object() };
}

void signs_done(struct signs *signs) {
    events_free(signs->events);
    json_decref(signs->seen);
    *signs = (struct signs){ 0 };
}

static bool connect_to(struct signs *signs, struct engine *engine, const char *project) {
    if (!signs->events)
        events_open(engine, project, signs->last, deadline_in(OPEN_TIME), &signs->events, NULL);
    return signs->events;
}

static json_t *of_container(struct signs *signs, const struct event *event) {
    json_t *of = json_object_get(signs->seen, event->container);
    if (!of)
        json_object_set_new(signs->seen, event->container, of = json_object());
    return of;
}

/* The connection begins with the second of the last event: what was counted before is not counted again. */
static void remember(struct signs *signs, const struct event *event) {
    bool is_new = event->time > signs->last;
    if (is_new && string_equal(event->action, "oom"))
        json_object_set_new(of_container(signs, event), "oom",
                            json_integer(json_get_integer(of_container(signs, event), "oom", 0) + 1));
    /* "kill" comes with each signal that somebody has Docker send, and with none that the kernel sends */
    if (is_new && string_equal(event->action, "kill"))
        json_object_set_new(of_container(signs, event), "stopped", json_integer((json_int_t)event->time));
    if (event->time > signs->last)
        signs->last = event->time;
}

static bool wakes(const struct event *event) {
    static const char *const actions[] = { "die", "oom", "health_status", "start", "destroy" };
    for (size_t i = 0; i < ELEMENTS(actions); i++)
        if (string_equal(event->action, actions[i]))
            return true;
    return false;
}

/* Takes all that is there. Returns whether one of them wakes. */
static bool drain(struct signs *signs) {
    bool woken = false;
    while (signs->events) {
        struct event event = { 0 };
        int r = events_next(signs->events, &event, NULL);
        if (r == 0)
            break;
        if (r < 0) {
            events_free(signs->events);
            signs->events = NULL;
            break;
        }
        bool is_new = event.time > signs->last;
        remember(signs, &event);
        woken = woken || (is_new && wakes(&event));
        event_done(&event);
    }
    return woken;
}

void signs_take(struct signs *signs, struct engine *engine, const char *project) {
    if (connect_to(signs, engine, project))
        drain(signs);
}

void signs_wait(struct signs *signs, struct engine *engine, const char *project, int fd, usec_t deadline) {
    while (deadline_left(deadline) > 0) {
        bool connected = connect_to(signs, engine, project);
        usec_t again = deadline_in(OPEN_AGAIN), until = connected || again > deadline ? deadline : again;
        struct pollfd polled[] = { { connected ? events_fd(signs->events) : -1, POLLIN, 0 },
                                   { fd, POLLIN, 0 } };
        int ready = poll(polled, ELEMENTS(polled), deadline_poll(until));
        if (ready > 0 && (drain(signs) || polled[1].revents))
            return;
    }
}

bool signs_stopped_since(const struct signs *signs, usec_t span) {
    const char *id;
    json_t *of;
    json_object_foreach(signs->seen, id, of) if ((usec_t)json_get_integer(of, "stopped", 0) + span >
                                                 clock_realtime()) return true;
    return false;
}
