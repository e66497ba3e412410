/* What the services can write to. See mounts.h. */

#include "watchdog/docker/mounts.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/volume.h"

void mount_done(struct mount *mount) {
    free(mount->service);
    free(mount->type);
    free(mount->source);
    free(mount->target);
    free(mount->host_path);
    free(mount->mountpoint);
    free(mount->problem);
    *mount = (struct mount){ 0 };
}

/* Takes @mount over, unless the same service has the same target and source already (scaled services). */
static void append(struct project *project, struct mount *mount) {
    for (size_t i = 0; i < project->mounts_count; i++) {
        struct mount *other = &project->mounts[i];
        if (string_equal(other->service, mount->service) && string_equal(other->target, mount->target) &&
            string_equal(other->source, mount->source)) {
            other->read_only = other->read_only && mount->read_only;
            mount_done(mount);
            return;
        }
    }
    project->mounts = xrealloc(project->mounts, project->mounts_count + 1, sizeof(*project->mounts));
    project->mounts[project->mounts_count++] = *mount;
    *mount = (struct mount){ 0 };
}

/* Docker names an anonymous volume with 64 hex digits; newer ones have a label too. */
static bool looks_anonymous(const char *name) {
    return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

/* Where a volume is on the host. One that is not made yet has no place. */
static int locate(struct engine *engine, struct mount *mount, usec_t deadline, struct error *err) {
    struct volume volume = { 0 };
    int r = engine_volume(engine, mount->source, deadline, &volume, err);
    if (r == -ENOENT) {
        error_done(err);
        mount->host_path = xstrdup("");
        return 0;
    }
    if (r < 0)
        return r;
    mount->host_path = volume_place(&volume, &mount->problem);
    if (volume_comes_and_goes(&volume))
        mount->mountpoint = xstrdup(volume.mountpoint);
    if (!mount->host_path)
        mount->host_path = xstrdup(volume.mountpoint);
    mount->anonymous = volume.anonymous || looks_anonymous(mount->source);
    volume_done(&volume);
    return 0;
}

static int add(struct engine *engine, struct project *project, struct mount *mount, usec_t deadline,
               struct error *err) {
    int r = 0;
    if (string_equal(mount->type, "volume"))
        r = locate(engine, mount, deadline, err);
    else
        mount->host_path = xstrdup(mount->source);
    if (r == 0)
        append(project, mount);
    else
        mount_done(mount);
    return r;
}

static bool keeps_files(const char *type) {
    return string_equal(type, "bind") || string_equal(type, "volume");
}

/* What a container really has: with its anonymous volumes. */
static int add_of_container(struct engine *engine, struct project *project, const struct container *container,
                            usec_t deadline, struct error *err) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_get_array(container->inspect, "Mounts"), i, entry) {
        const char *type = json_get_string(entry, "Type", "");
        if (!keeps_files(type))
            continue;
        bool is_volume = string_equal(type, "volume");
        struct mount mount = {
            .service = xstrdup(container->service),
            .type = xstrdup(type),
            .source = xstrdup(json_get_string(entry, is_volume ? "Name" : "Source", "")),
            .target = xstrdup(json_get_string(entry, "Destination", "")),
            .read_only = !json_get_boolean(entry, "RW", 1),
        };
        int r = add(engine, project, &mount, deadline, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The name that Compose gives to a volume of the configuration: its own, or with the project's before it. */
static char *volume_name(const struct project *project, const char *key) {
    const json_t *volume = json_get_object(json_get_object(project->config, "volumes"), key);
    const char *name = json_get_string(volume, "name", NULL);
    return name ? xstrdup(name) : xasprintf("%s_%s", project->name, key);
}

/* What a service without a container will have. */
static int add_of_config(struct engine *engine, struct project *project, const struct service *service,
                         usec_t deadline, struct error *err) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_get_array(service->config, "volumes"), i, entry) {
        const char *type = json_get_string(entry, "type", ""), *source = json_get_string(entry, "source", "");
        if (!keeps_files(type) || !*source) /* an anonymous volume is not there before its container */
            continue;
        struct mount mount = {
            .service = xstrdup(service->name),
            .type = xstrdup(type),
            .source = string_equal(type, "volume") ? volume_name(project, source) : xstrdup(source),
            .target = xstrdup(json_get_string(entry, "target", "")),
            .read_only = json_get_boolean(entry, "read_only", 0),
        };
        int r = add(engine, project, &mount, deadline, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare(const void *a, const void *b) {
    const struct mount *left = a, *right = b;
    int r = strcmp(left->service, right->service);
    return r ? r : strcmp(left->target, right->target);
}

int mounts_read(struct engine *engine, struct project *project, usec_t deadline, struct error *err) {
    int r = 0;
    for (size_t i = 0; i < project->containers_count && r == 0; i++) {
        const struct container *container = &project->containers[i];
        if (!container->one_off && !*container->ours)
            r = add_of_container(engine, project, container, deadline, err);
    }
    for (size_t i = 0; i < project->services_count && r == 0; i++)
        if (!project_container(project, project->services[i].name))
            r = add_of_config(engine, project, &project->services[i], deadline, err);
    if (r == 0 && project->mounts_count > 0)
        qsort(project->mounts, project->mounts_count, sizeof(*project->mounts), compare);
    return r;
}
