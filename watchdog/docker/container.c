/* Containers: what there is. See container.h. */

#include "watchdog/docker/container.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"

bool container_runs(const struct container *container) {
    return string_equal(container->status, "running") || string_equal(container->status, "restarting") ||
           string_equal(container->status, "paused");
}

usec_t container_run_began(const struct container *container) {
    bool ran_before = container->finished && container->finished <= container->started;
    return ran_before ? container->finished : container->created;
}

void container_done(struct container *container) {
    char *owned[] = { container->id,     container->name,   container->service,         container->project,
                      container->status, container->health, container->image_reference, container->image_id,
                      container->policy, container->ours,   container->config_hash,     container->error };
    for (size_t i = 0; i < ELEMENTS(owned); i++)
        free(owned[i]);
    json_decref(container->inspect);
    *container = (struct container){ 0 };
}

void containers_free(struct container *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        container_done(&list[i]);
    free(list);
}

const char *container_label(const struct container *container, const char *label) {
    return json_get_string(json_path(container->inspect, "Config.Labels"), label, "");
}

const char *container_variable(const struct container *container, const char *name, size_t *ret_size) {
    size_t i, length = strlen(name);
    const json_t *line;
    json_array_foreach(json_path(container->inspect, "Config.Env"), i, line) {
        const char *text = json_string_value(line);
        if (text && strncmp(text, name, length) == 0 && text[length] == '=') {
            if (ret_size)
                *ret_size = json_string_length(line) - length - 1;
            return text + length + 1;
        }
    }
    return NULL;
}

/* Docker's zero time ("0001-01-01T00:00:00Z") and an empty one are 0. */
static usec_t time_of(const json_t *object, const char *key) {
    usec_t time = 0;
    return timestamp_parse(json_get_string(object, key, ""), &time) < 0 ? 0 : time;
}

static char *text_of(const json_t *object, const char *key) {
    return xstrdup(json_get_string(object, key, ""));
}

int container_parse(json_t *inspect, struct container *ret, struct error *err) {
    const json_t *state = json_get_object(inspect, "State"), *config = json_get_object(inspect, "Config");
    const json_t *labels = json_get_object(config, "Labels");
    const json_t *policy = json_path(inspect, "HostConfig.RestartPolicy");
    const char *id = json_get_string(inspect, "Id", ""), *status = json_get_string(state, "Status", "");
    const char *name = json_get_string(inspect, "Name", "");
    if (!*id || !*status || !config)
        return error_set(err, EBADMSG,
                         "Docker's description of a container has no Id, State.Status or Config");
    const char *health = json_get_string(json_get_object(state, "Health"), "Status", "");
    const char *policy_name = json_get_string(policy, "Name", "");
    *ret = (struct container){
        .id = xstrdup(id),
        .name = xstrdup(name[0] == '/' ? name + 1 : name),
        .service = text_of(labels, "com.docker.compose.service"),
        .project = text_of(labels, "com.docker.compose.project"),
        .image_id = text_of(inspect, "Image"),
        .image_reference = text_of(config, "Image"),
        .status = xstrdup(status),
        .health = xstrdup(string_equal(health, "none") ? "" : health),
        .config_hash = text_of(labels, "com.docker.compose.config-hash"),
        .policy = xstrdup(*policy_name ? policy_name : "no"),
        .policy_retries = (int)json_get_integer(policy, "MaximumRetryCount", 0),
        .pid = (pid_t)json_get_integer(state, "Pid", 0),
        .exit_code = (int)json_get_integer(state, "ExitCode", 0),
        .oom_killed = json_get_boolean(state, "OOMKilled", 0),
        .one_off = strcasecmp(json_get_string(labels, "com.docker.compose.oneoff", ""), "true") == 0,
        .restart_count = (int)json_get_integer(inspect, "RestartCount", 0),
        .ours = text_of(labels, DOCKER_LABEL),
        .created = time_of(inspect, "Created"),
        .started = time_of(state, "StartedAt"),
        .finished = time_of(state, "FinishedAt"),
        .error = text_of(state, "Error"),
        .inspect = json_incref(inspect),
    };
    return 0;
}

int container_address(const struct container *container, char **ret_address, struct error *err) {
    if (string_equal(json_get_string(json_get_object(container->inspect, "HostConfig"), "NetworkMode", ""),
                     "host")) {
        *ret_address = xstrdup("127.0.0.1");
        return 0;
    }
    const char *first = NULL, *address = NULL, *name;
    json_t *network;
    json_object_foreach(json_path(container->inspect, "NetworkSettings.Networks"), name, network) {
        const char *one = json_get_string(network, "IPAddress", "");
        if (!*one)
            one = json_get_string(network, "GlobalIPv6Address", "");
        if (*one && (!first || strcmp(name, first) < 0)) {
            first = name;
            address = one;
        }
    }
    if (!address)
        return error_set(err, EADDRNOTAVAIL, "the container \"%s\" (%s) has no address of its own",
                         container->name, container->status);
    *ret_address = xstrdup(address);
    return 0;
}

int engine_container(struct engine *engine, const char *container, usec_t deadline, struct container *ret,
                     struct error *err) {
    _cleanup_free_ char *escaped = url_escape(container);
    _cleanup_free_ char *path = xasprintf("/containers/%s/json", escaped);
    _cleanup_json_ json_t *inspect = NULL;
    int r = engine_request(engine, "GET", path, NULL, deadline, &inspect, err);
    return r < 0 ? r : container_parse(inspect, ret, err);
}

static int compare(const void *a, const void *b) {
    const struct container *left = a, *right = b;
    int r = strcmp(left->service, right->service);
    return r ? r : strcmp(left->name, right->name);
}

int engine_containers_labelled(struct engine *engine, const char *label, usec_t deadline,
                               struct container **ret, size_t *ret_count, struct error *err) {
    _cleanup_free_ char *path = NULL;
    if (label) {
        _cleanup_json_ json_t *filters = json_pack("{s:[o]}", "label", json_text_string(label));
        _cleanup_free_ char *text = json_text(filters);
        _cleanup_free_ char *escaped = url_escape(text);
        path = xasprintf("/containers/json?all=1&filters=%s", escaped);
    } else {
        path = xstrdup("/containers/json?all=1");
    }
    _cleanup_json_ json_t *list = NULL;
    int r = engine_request(engine, "GET", path, NULL, deadline, &list, err);
    if (r < 0)
        return r;
    if (!json_is_array(list))
        return error_set(err, EBADMSG, "Docker's list of containers is no list");
    size_t i, count = 0;
    const json_t *entry;
    struct container *containers = xcalloc(json_array_size(list) + 1, sizeof(*containers));
    json_array_foreach(list, i, entry) {
        r = engine_container(engine, json_get_string(entry, "Id", ""), deadline, &containers[count], err);
        if (r == 0) {
            count++;
        } else if (r != -ENOENT) { /* removed since */
            containers_free(containers, count);
            return r;
        }
    }
    if (err)
        error_done(err);
    qsort(containers, count, sizeof(*containers), compare);
    *ret = containers;
    *ret_count = count;
    return 0;
}

int engine_containers(struct engine *engine, const char *project, usec_t deadline, struct container **ret,
                      size_t *ret_count, struct error *err) {
    _cleanup_free_ char *label = xasprintf("com.docker.compose.project=%s", project);
    return engine_containers_labelled(engine, label, deadline, ret, ret_count, err);
}
