#pragma once

/*
 * Who holds a database server's sessions, for the moment when it has none left for us: counted without one,
 * by the titles of its processes.
 */

#include "probes/probe.h"
#include "watchdog/docker/container.h"

struct session_count {
    size_t total;        /* sessions of clients */
    size_t application;  /* of them: from containers of the project that are not the database's */
    const char *service; /* the service that holds most of those; borrowed, NULL: none */
    size_t of_service;
};

/* The address in a title such as "postgres: qaid qaid 172.18.0.3(43210) idle", or "[local]"; not NUL-ended.
 * Returns its length, 0: it is no client's. Pure. */
size_t session_address(const char *title, const char **ret);

/* Counts the sessions of the server in @database. -ESRCH when its processes cannot be seen. */
int sessions_count(const struct container *containers, size_t count, const struct container *database,
                   struct session_count *ret, struct error *err);
