#pragma once

/* What an application is: the services of its Compose files, and the mounts that its containers really have.
 */

#include "watchdog/docker/compose.h"
#include "watchdog/docker/container.h"

struct service {
    char *name;
    char *image; /* as in `config`; "" when it is only built */
    bool is_database, has_build;
    bool host_network;
    char **depends_on; /* NULL-ended, may be NULL */
    char *pull_policy; /* "" */
    json_t *config;    /* borrowed from the project's */
};

struct mount {
    char *service;
    char *type;      /* "bind" or "volume" */
    char *source;    /* host path, or volume name */
    char *target;    /* in the container */
    char *host_path; /* where its files are on the host; "" for a volume that is not made yet */
    bool read_only;
    bool anonymous;
    /* Of a volume that shows nothing on the host while no container uses it, where it comes and goes;
     * host_path is then the directory that is bound there, or the same with a problem. NULL: any other mount.
     */
    char *mountpoint;
    char *problem; /* why its files cannot be kept, the rest of a sentence; NULL: they can */
};

struct project {
    char *name, *directory;
    json_t *config; /* of compose_config(): holds secrets */
    struct service *services;
    size_t services_count; /* sorted by name */
    struct mount *mounts;
    size_t mounts_count; /* sorted by service, target; tmpfs is left out */
    struct container *containers;
    size_t containers_count; /* as of engine_containers() */
};

/*
 * Asks Compose and the Engine. Mounts come from the containers where a service has one (anonymous volumes
 * have no other source), else from `config`. -ENOENT when Database.Service is no service of the project,
 * naming those there are. @ret is owned by the caller.
 */
int project_load(const struct settings *settings, struct engine *engine, struct compose *compose,
                 usec_t deadline, struct project **ret, struct error *err);
void project_free(struct project *project);
void cleanup_project(struct project **project);
#define _cleanup_project_ __attribute__((cleanup(cleanup_project)))

/* NULL when there is none. */
const struct service *project_service(const struct project *project, const char *name);
/* The service's container: neither one-off nor ours; of several (scale) the first by name. NULL when there is
 * none. */
const struct container *project_container(const struct project *project, const char *service);
