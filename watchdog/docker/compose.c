/* Compose's commands, as this program uses them. See compose.h. */

#include "watchdog/docker/compose.h"

#include <errno.h>
#include <string.h>

#include "watchdog/docker/compose-run.h"

void compose_free(struct compose *compose) {
    if (!compose)
        return;
    free(compose->binary);
    free(compose->version);
    free(compose->directory);
    free(compose->project);
    strings_free(compose->environment);
    strings_free(compose->files);
    strings_free(compose->env_files);
    strings_free(compose->profiles);
    free(compose);
}

void cleanup_compose(struct compose **compose) {
    compose_free(*compose);
}

const char *compose_project(const struct compose *compose) {
    return compose->project;
}

const char *compose_directory(const struct compose *compose) {
    return compose->directory;
}

const char *compose_version(const struct compose *compose) {
    return compose->version;
}

char *const *compose_files(const struct compose *compose) {
    return compose->files;
}

char *const *compose_env_files(const struct compose *compose) {
    static char *none[] = { NULL };
    return compose->env_files ? compose->env_files : none;
}

bool compose_files_explicit(const struct compose *compose) {
    return compose->files_explicit || compose->files_from_environment;
}

bool compose_files_from_environment(const struct compose *compose) {
    return compose->files_from_environment;
}

static int config(const struct compose *compose, bool explicit, const char *profile, usec_t deadline,
                  json_t **ret, struct error *err) {
    _cleanup_strings_ char **arguments = compose_arguments(compose, explicit);
    if (profile) {
        strings_append(&arguments, "--profile");
        strings_append(&arguments, profile);
    }
    strings_append(&arguments, "config");
    strings_append(&arguments, "--format");
    strings_append(&arguments, "json");
    _cleanup_process_result_ struct process_result result = { 0 };
    int r = compose_run(compose, arguments, NULL, deadline, &result, err);
    if (r < 0) {
        error_prefix(err, "the Compose files in \"%s\"", compose->directory);
        return r;
    }
    _cleanup_json_ json_t *value = NULL;
    r = json_parse(result.output.text ? result.output.text : "", result.output.size,
                   "what docker-compose config wrote", &value, err);
    if (r < 0)
        return r;
    if (!json_is_object(json_object_get(value, "services")))
        return error_set(err, EBADMSG, "the Compose files in \"%s\" have no services", compose->directory);
    *ret = take_ptr(value);
    return 0;
}

int compose_config(struct compose *compose, usec_t deadline, json_t **ret, struct error *err) {
    return config(compose, false, NULL, deadline, ret, err);
}

int compose_config_all(struct compose *compose, usec_t deadline, json_t **ret, struct error *err) {
    return config(compose, false, "*", deadline, ret, err);
}

int compose_interpolate(struct compose *compose, const char *text, usec_t deadline, char **ret,
                        struct error *err) {
    /* a project of one service, in place of the files: Compose alone knows what it makes of a variable */
    struct compose alone = *compose;
    alone.files = NULL;
    alone.name_project = true;
    _cleanup_strings_ char **arguments = compose_arguments(&alone, false);
    _cleanup_json_ json_t *project = json_pack("{s:{s:{s:s}}}", "services", "value", "image", text);
    _cleanup_free_ char *input = project ? json_text(project) : NULL;
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_json_ json_t *value = NULL;
    static const char *const more[] = { "--file", "-", "config", "--format", "json" };
    if (!input)
        return error_set(err, EINVAL, "\"%s\" is not in UTF-8", text);
    for (size_t i = 0; i < ELEMENTS(more); i++)
        strings_append(&arguments, more[i]);
    int r = compose_run(compose, arguments, input, deadline, &result, err);
    if (r >= 0)
        r = json_parse(result.output.text ? result.output.text : "", result.output.size,
                       "what docker-compose config wrote", &value, err);
    if (r < 0)
        return error_prefix(err, "\"%s\"", text);
    const char *found = json_get_string(json_path(value, "services.value"), "image", NULL);
    if (!found)
        return error_set(err, EBADMSG, "Compose does not say what \"%s\" stands for", text);
    *ret = xstrdup(found);
    return 0;
}

int compose_verify_files(struct compose *compose, usec_t deadline, struct error *err) {
    _cleanup_json_ json_t *plain = NULL, *named = NULL;
    int r = config(compose, false, NULL, deadline, &plain, err);
    if (r == 0)
        r = config(compose, true, NULL, deadline, &named, err);
    if (r < 0 || json_equal(plain, named))
        return r;
    _cleanup_free_ char *files = strings_join(compose->files, ", ");
    return error_set(err, ENOTRECOVERABLE,
                     "docker compose in \"%s\" reads other files than %s; name them by File= in [App]",
                     compose->directory, files);
}

static char **up_arguments(const struct compose *compose, char *const *services, unsigned flags) {
    static const struct {
        unsigned flag;
        const char *set, *unset;
    } table[] = { { COMPOSE_UP_NO_START, "--no-start", "--detach" },
                  { COMPOSE_UP_NO_RECREATE, "--no-recreate", NULL },
                  { COMPOSE_UP_FORCE_RECREATE, "--force-recreate", NULL },
                  { COMPOSE_UP_DEPENDENCIES, NULL, "--no-deps" } };
    char **arguments = compose_arguments(compose, false);
    strings_append(&arguments, "up");
    for (size_t i = 0; i < ELEMENTS(table); i++) {
        const char *option = flags & table[i].flag ? table[i].set : table[i].unset;
        if (option)
            strings_append(&arguments, option);
    }
    strings_append(&arguments, "--pull");
    strings_append(&arguments, "never");
    strings_append(&arguments, "--no-build");
    strings_append(&arguments, "--");
    for (size_t i = 0; services[i]; i++)
        strings_append(&arguments, services[i]);
    return arguments;
}

static int refuse_all(const char *verb, struct error *err) {
    return error_set(err, EINVAL, "docker-compose %s needs the services that are meant", verb);
}

int compose_up(struct compose *compose, char *const *services, unsigned flags, usec_t deadline,
               struct error *err) {
    if (strings_count(services) == 0)
        return refuse_all("up", err);
    _cleanup_strings_ char **arguments = up_arguments(compose, services, flags);
    return compose_run(compose, arguments, NULL, deadline, NULL, err);
}

int compose_up_start(struct compose *compose, char *const *services, unsigned flags,
                     struct process_child *ret, struct error *err) {
    if (strings_count(services) == 0)
        return refuse_all("up", err);
    _cleanup_strings_ char **arguments = up_arguments(compose, services, flags);
    struct process process = { .argv = arguments,
                               .environment = compose->environment,
                               .directory = compose->directory,
                               .deadline = USEC_INFINITY };
    return process_start(&process, ret, err);
}

int compose_run_twin(struct compose *compose, const char *service, const char *name, char *const *labels,
                     usec_t deadline, char **ret_id, struct error *err) {
    /* `run` has no --pull in older versions, and pull_policy: always would move the tag: a last file says
     * never. */
    _cleanup_strings_ char **arguments = compose_arguments(compose, true);
    _cleanup_json_ json_t *never = json_pack("{s:{s:{s:s}}}", "services", service, "pull_policy", "never");
    _cleanup_free_ char *input = never ? json_text(never) : NULL;
    if (!input)
        return error_set(err, EINVAL, "\"%s\" is no name of a service", service);
    strings_append(&arguments, "--file");
    strings_append(&arguments, "-");
    strings_append(&arguments, "run");
    strings_append(&arguments, "--detach");
    strings_append(&arguments, "--no-deps");
    strings_append(&arguments, "--name");
    strings_append(&arguments, name);
    for (size_t i = 0; labels && labels[i]; i++) {
        strings_append(&arguments, "--label");
        strings_append(&arguments, labels[i]);
    }
    strings_append(&arguments, "--");
    strings_append(&arguments, service);
    _cleanup_process_result_ struct process_result result = { 0 };
    int r = compose_run(compose, arguments, input, deadline, &result, err);
    if (r < 0 || !ret_id)
        return r;
    char *id = result.output.text ? result.output.text : (char *)"";
    size_t end = strlen(id);
    while (end > 0 && strchr("\r\n ", id[end - 1]))
        end--;
    size_t begin = end;
    while (begin > 0 && !strchr("\r\n ", id[begin - 1]))
        begin--;
    *ret_id = xstrndup(id + begin, end - begin);
    return 0;
}
