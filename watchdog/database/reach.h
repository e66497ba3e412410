#pragma once

/*
 * The ways to a server: addresses, sockets and passwords, in the order in which they are tried. What one gets
 * wrong: a path inside a container is not a path of the host: links in it lead through the container's own
 * root, never ours (openat2(2), RESOLVE_IN_ROOT).
 */

#include <stddef.h>

#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"

struct container;

struct reach_way {
    char *name, *host, *port;
    char *password;    /* NULL: none; wiped when freed */
    char **parameters; /* as of struct connection_target; NULL: none */
};

struct reach {
    struct reach_way *ways;
    size_t ways_count;
    int sockets[4]; /* directories that ways lead through, as /proc/self/fd/N */
    size_t sockets_count;
};

/* Adds one; everything is copied. */
void reach_add(struct reach *reach, const char *host, const char *port, const char *password,
               const char *name, ...) __attribute__((format(printf, 5, 6)));

/* The ways to the server in a running container, as server_open() describes them. Returns 0, -EINVAL when the
 * container does not run, or the error of a credential or password file that is there and cannot be read. */
int reach_container(const struct settings *settings, const struct container *container, struct reach *reach,
                    struct error *err);
/* The way to an external server, [Database] Url=. Returns 0, or the error of a credential that cannot be
 * read. */
int reach_url(const struct settings *settings, struct reach *reach, struct error *err);
void reach_done(struct reach *reach);

/* Opens a path inside a running container, links resolved in there. Returns the fd, or -errno. */
int reach_open(const struct container *container, const char *path, int flags, struct error *err);
