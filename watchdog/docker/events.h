#pragma once

/*
 * What happens to a project's containers, as it happens: one connection that stays open, read without
 * waiting. Health checks' exec events are left out. After the connection broke, open again with the last
 * event's time: Docker keeps the last 256 events, so look at the containers too.
 */

#include "watchdog/docker/engine.h"

struct event {
    char *action;    /* create start die oom stop kill restart destroy rename pause unpause health_status */
    char *health;    /* of health_status: healthy, unhealthy; else "" */
    char *container; /* id */
    char *name, *service, *image;
    char *ours;    /* value of DOCKER_LABEL, "" */
    int exit_code; /* of die, else -1 */
    usec_t time;   /* realtime */
};
void event_done(struct event *event);

/* Pure: one JSON object of GET /events. Returns 1, 0 when it is none of the actions above, -EBADMSG. */
int event_parse(const json_t *value, struct event *ret, struct error *err);

struct events;
/* @since: realtime, inclusive, 0: from now on. @ret is owned by the caller. */
int events_open(struct engine *engine, const char *project, usec_t since, usec_t deadline,
                struct events **ret, struct error *err);
void events_free(struct events *events);
/* For poll(2), POLLIN. */
int events_fd(const struct events *events);
/* Returns 1 with the next event, 0 when there is none now, -ECONNRESET when the connection ended. */
int events_next(struct events *events, struct event *ret, struct error *err);
