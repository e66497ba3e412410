/* What an application is. See project.h. */

#include "watchdog/docker/project.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/config/settings.h"
#include "watchdog/docker/mounts.h"

static void service_done(struct service *service) {
    free(service->name);
    free(service->image);
    free(service->pull_policy);
    strings_free(service->depends_on);
}

void project_free(struct project *project) {
    if (!project)
        return;
    for (size_t i = 0; i < project->services_count; i++)
        service_done(&project->services[i]);
    free(project->services);
    for (size_t i = 0; i < project->mounts_count; i++)
        mount_done(&project->mounts[i]);
    free(project->mounts);
    containers_free(project->containers, project->containers_count);
    json_decref(project->config);
    free(project->name);
    free(project->directory);
    free(project);
}

void cleanup_project(struct project **project) {
    project_free(*project);
}

const struct service *project_service(const struct project *project, const char *name) {
    for (size_t i = 0; i < project->services_count; i++)
        if (string_equal(project->services[i].name, name))
            return &project->services[i];
    return NULL;
}

const struct container *project_container(const struct project *project, const char *service) {
    for (size_t i = 0; i < project->containers_count; i++) {
        const struct container *container = &project->containers[i];
        if (string_equal(container->service, service) && !container->one_off && !*container->ours)
            return container;
    }
    return NULL;
}

/* `config` writes depends_on as an object, older ones may write a list. */
static char **dependencies_of(const json_t *config) {
    char **list = NULL;
    const char *name;
    json_t *value, *depends = json_object_get(config, "depends_on");
    size_t i;
    json_object_foreach(depends, name, value) strings_append(&list, name);
    json_array_foreach(depends, i, value) if (json_is_string(value))
        strings_append(&list, json_string_value(value));
    return list;
}

static int compare_services(const void *a, const void *b) {
    return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

static void read_services(struct project *project, const char *database) {
    json_t *services = json_get_object(project->config, "services"), *config;
    const char *name;
    project->services = xcalloc(json_object_size(services) + 1, sizeof(*project->services));
    json_object_foreach(services, name, config) project->services[project->services_count++] =
        (struct service){
            .name = xstrdup(name),
            .image = xstrdup(json_get_string(config, "image", "")),
            .is_database = string_equal(name, database),
            .has_build = json_object_get(config, "build") != NULL,
            .host_network = string_equal(json_get_string(config, "network_mode", ""), "host"),
            .depends_on = dependencies_of(config),
            .pull_policy = xstrdup(json_get_string(config, "pull_policy", "")),
            .config = config,
        };
    qsort(project->services, project->services_count, sizeof(*project->services), compare_services);
}

static int refuse_database(const struct project *project, const char *database, struct error *err) {
    _cleanup_strings_ char **names = NULL;
    for (size_t i = 0; i < project->services_count; i++)
        strings_append(&names, project->services[i].name);
    _cleanup_free_ char *list = strings_join(names, ", ");
    return error_set(err, ENOENT,
                     "\"%s\" (Service= in [Database]) is no service of the project \"%s\", which has %s",
                     database, project->name, list);
}

int project_load(const struct settings *settings, struct engine *engine, struct compose *compose,
                 usec_t deadline, struct project **ret, struct error *err) {
    _cleanup_project_ struct project *project = xcalloc(1, sizeof(*project));
    project->name = xstrdup(compose_project(compose));
    project->directory = xstrdup(compose_directory(compose));
    int r = compose_config(compose, deadline, &project->config, err);
    if (r < 0)
        return r;
    read_services(project, settings->database.service);
    if (settings->database.service && !project_service(project, settings->database.service))
        return refuse_database(project, settings->database.service, err);
    r = engine_containers(engine, project->name, deadline, &project->containers, &project->containers_count,
                          err);
    if (r == 0)
        r = mounts_read(engine, project, deadline, err);
    if (r < 0)
        return r;
    *ret = take_ptr(project);
    return 0;
}
