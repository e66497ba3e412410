#pragma once

/*
 * Containers: what there is, and start, stop, policy. Stopping many goes in parallel: it is downtime.
 *
 * What a reader would get wrong: "restarting" runs (its process may be back at any moment), "created" never
 * ran and is not started by the daemon by itself.
 */

#include <stdint.h>
#include <sys/types.h>

#include "watchdog/docker/engine.h"

struct container {
    char *id;
    char *name;    /* without the slash */
    char *service; /* label com.docker.compose.service, "" */
    char *project; /* label com.docker.compose.project, "" */
    char *image_id;
    char *image_reference; /* what it was created from, as written: "qaid/server:1" */
    char *status;          /* created running restarting exited paused dead removing */
    char *health;          /* starting healthy unhealthy; "" when it has no health check */
    char *config_hash;     /* label com.docker.compose.config-hash, "" */
    char *policy;          /* no always unless-stopped on-failure */
    int policy_retries;
    pid_t pid; /* on the host; 0 when it does not run */
    int exit_code;
    bool oom_killed;
    bool one_off; /* made by `compose run` */
    int restart_count;
    char *ours;                        /* value of DOCKER_LABEL, "" */
    usec_t created, started, finished; /* realtime, 0: never */
    char *error;                       /* why it could not be started, "" */
    json_t *inspect;                   /* the whole of GET /containers/ID/json: holds secrets (Env) */
};

/* running, restarting or paused */
bool container_runs(const struct container *container);
/* The earliest time (realtime) at which this run of it can have done anything: @started will not do, Docker
 * takes it after the process has begun. */
usec_t container_run_began(const struct container *container);
void container_done(struct container *container);
void containers_free(struct container *list, size_t count);
/* "" when it has no such label */
const char *container_label(const struct container *container, const char *label);
/* A variable of its environment as configured; NULL: none. May be a secret. */
const char *container_variable(const struct container *container, const char *name, size_t *ret_size);
/* Pure: makes @ret of one answer of GET /containers/ID/json, of which it takes a reference. Returns 0 or
 * -EBADMSG. */
int container_parse(json_t *inspect, struct container *ret, struct error *err);

/*
 * The first address that the host reaches it at: of its networks in the order of their names, 127.0.0.1 for
 * host networking. Returns 0 with @ret_address owned by the caller, -EADDRNOTAVAIL when it has none (not
 * running, or it shares another container's network).
 */
int container_address(const struct container *container, char **ret_address, struct error *err);

/*
 * All containers of a Compose project, also created and exited ones, one-off ones and twins; sorted by
 * service, then name. One that vanishes meanwhile is left out. @ret is owned by the caller
 * (containers_free()).
 */
int engine_containers(struct engine *engine, const char *project, usec_t deadline, struct container **ret,
                      size_t *ret_count, struct error *err);
/* The same for any label: "name" or "name=value". NULL: all containers of the daemon. */
int engine_containers_labelled(struct engine *engine, const char *label, usec_t deadline,
                               struct container **ret, size_t *ret_count, struct error *err);
/* One, by id or name. */
int engine_container(struct engine *engine, const char *container, usec_t deadline, struct container *ret,
                     struct error *err);

/* Already started, already stopped: 0. */
int engine_start(struct engine *engine, const char *container, usec_t deadline, struct error *err);
/* Its stop signal, SIGKILL after @seconds (-1: its own stop timeout). Returns when it has ended. */
int engine_stop(struct engine *engine, const char *container, int seconds, usec_t deadline,
                struct error *err);
/* The same for a NULL-ended list, in parallel. One that is gone counts as stopped. Returns the first error
 * after all have been tried. */
int engine_stop_all(struct engine *engine, char *const *containers, int seconds, usec_t deadline,
                    struct error *err);
/* Waits until none of them runs; one that is gone does not. Returns 0, or -ETIME naming the first that does.
 */
int engine_wait_stopped(struct engine *engine, char *const *containers, usec_t deadline, struct error *err);
/* @signal by name, "SIGKILL". Counts for Docker as a manual stop. -EEXIST when it does not run. */
int engine_kill(struct engine *engine, const char *container, const char *signal, usec_t deadline,
                struct error *err);
int engine_rename(struct engine *engine, const char *container, const char *name, usec_t deadline,
                  struct error *err);
/* By force, also while it runs; its volumes stay. -ENOENT when there is none. */
int engine_remove(struct engine *engine, const char *container, usec_t deadline, struct error *err);
/* The same for a container that this program made: its anonymous volumes (one for each VOLUME of its image)
 * go with it. Never for the application's: they hold data. */
int engine_remove_ours(struct engine *engine, const char *container, usec_t deadline, struct error *err);
/* Restart policy of a live container; Compose does not see the difference (so put it back). */
int engine_set_policy(struct engine *engine, const char *container, const char *policy, int retries,
                      usec_t deadline, struct error *err);
/* POST /containers/create with @config as its body; not started. @name NULL: Docker chooses. @ret_id is owned
 * by the caller. -ENOENT: no such image, -EEXIST: the name is in use. */
int engine_create(struct engine *engine, const char *name, const json_t *config, usec_t deadline,
                  char **ret_id, struct error *err);
/*
 * Reads a regular file of at most @limit bytes out of a container, running or not, following symbolic links
 * inside it; ends with a NUL that is not counted. What lies on a tmpfs of the container is not seen. @ret is
 * owned by the caller. -ENOENT, -EFBIG, -EISDIR.
 */
int engine_copy_file_out(struct engine *engine, const char *container, const char *path, size_t limit,
                         usec_t deadline, char **ret, size_t *ret_size, struct error *err);
