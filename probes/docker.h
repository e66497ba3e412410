#pragma once

/* What several kinds of probes want to know from Docker: the project's containers, asked for once per child.
 */

#include "probes/probe.h"
#include "watchdog/docker/container.h"

struct probe_docker {
    bool asked;
    int result; /* 0 or the negative errno of asking */
    char *error;
    struct container *containers;
    size_t count;
};

/* The project's containers; asks Docker at the first call, or after probe_docker_done(). Returns 0, or -errno
 * with Docker's words: the probe could not look. The list stays owned by @look->docker. */
int probe_docker_containers(const struct probe_look *look, const struct container **ret, size_t *ret_count,
                            struct error *err);
void probe_docker_done(struct probe_docker *docker);

/* Whether a container counts for the service: not a one-off of `compose run`, unless it is the twin; and
 * while there is a twin it stands for the gate, whose own container does not count. */
bool probe_docker_counts(const struct probe_view *view, const struct container *container,
                         const char *service);

/* When the Docker daemon behind @engine was started (realtime), 0 when it cannot be told. */
usec_t docker_daemon_started(struct engine *engine);
/* When the machine was booted (realtime). */
usec_t machine_booted(void);

/* The host's trouble, as of struct probe_round: a sentence owned by the caller, NULL none. */
char *host_trouble(const struct probe_view *view, usec_t deadline);
