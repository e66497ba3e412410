/* What a plain `docker compose` would do in the application's directory, and where the configuration or the
 * running containers differ from it. See compose.h. */

#include "watchdog/docker/compose.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/config/settings.h"
#include "watchdog/docker/compose-files.h"
#include "watchdog/docker/compose-run.h"
#include "watchdog/docker/container.h"

#define LABEL "com.docker.compose.project"

static char **paths_below(const char *directory, char *const *names) {
    char **list = NULL;
    for (size_t i = 0; names && names[i]; i++) {
        _cleanup_free_ char *path = path_below(directory, names[i]);
        strings_append(&list, path);
    }
    return list;
}

/* The comma-separated paths of a label; NULL unless all of them are there. */
static char **paths_of_label(const char *directory, const char *label) {
    _cleanup_strings_ char **list = NULL;
    for (const char *at = label; *at;) {
        size_t length = strcspn(at, ",");
        _cleanup_free_ char *name = xstrndup(at, length);
        _cleanup_free_ char *path = path_below(directory, name);
        if (access(path, F_OK) < 0)
            return NULL;
        strings_append(&list, path);
        at += length + (at[length] == ',');
    }
    return take_ptr(list);
}

/* The same file, by whatever path. */
static bool same_file(const char *a, const char *b) {
    struct stat one, other;
    return string_equal(a, b) || (stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
                                  one.st_ino == other.st_ino);
}

static bool all_contained(char *const *some, char *const *list) {
    for (size_t i = 0; some && some[i]; i++) {
        bool found = false;
        for (size_t k = 0; !found && list && list[k]; k++)
            found = same_file(some[i], list[k]);
        if (!found)
            return false;
    }
    return true;
}

/* Containers made in this directory, by whatever name of the path. */
static int containers_of_directory(struct engine *engine, const char *directory, usec_t deadline,
                                   struct container **ret, size_t *ret_count, struct error *err) {
    _cleanup_free_ char *label = xasprintf(LABEL ".working_dir=%s", directory);
    int r = engine_containers_labelled(engine, label, deadline, ret, ret_count, err);
    if (r < 0 || *ret_count > 0)
        return r;
    char resolved[PATH_MAX];
    if (!realpath(directory, resolved) || string_equal(resolved, directory))
        return 0;
    containers_free(*ret, *ret_count);
    _cleanup_free_ char *other = xasprintf(LABEL ".working_dir=%s", resolved);
    return engine_containers_labelled(engine, other, deadline, ret, ret_count, err);
}

static bool speaks_for_project(const struct container *container, const char *project) {
    return !container->one_off && !*container->ours &&
           (!project || string_equal(container->project, project));
}

/* The newest container: labels of those that were not recreated go stale. */
static const struct container *newest(const struct container *list, size_t count, const char *project) {
    const struct container *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (speaks_for_project(&list[i], project) && (!found || list[i].created > found->created))
            found = &list[i];
    return found;
}

static int find_files(struct compose *compose, const struct container *witness, struct error *err) {
    int from_environment = 0;
    _cleanup_strings_ char **found = NULL;
    int r = compose_files_find(compose->directory, compose->env_files, &found, &from_environment, err);
    if (r < 0)
        return r;
    _cleanup_strings_ char **labelled =
        witness ? paths_of_label(compose->directory, container_label(witness, LABEL ".config_files")) : NULL;
    compose->files_explicit = labelled && !all_contained(labelled, found);
    compose->files_from_environment = from_environment && !compose->files_explicit;
    strings_free(compose->files);
    compose->files = compose->files_explicit ? take_ptr(labelled) : take_ptr(found);
    if (!compose->files)
        return error_set(
            err, ENOENT,
            "no Compose file in \"%s\", expected compose.yaml or docker-compose.yml, or File= in "
            "[App]",
            compose->directory);
    return 0;
}

static void find_env_files(struct compose *compose, char *const *named, const struct container *witness) {
    _cleanup_free_ char *usual = path_below(compose->directory, ".env");
    if (named) {
        compose->env_files = paths_below(compose->directory, named);
        compose->env_files_explicit = true;
        return;
    }
    _cleanup_strings_ char **labelled =
        witness ? paths_of_label(compose->directory, container_label(witness, LABEL ".environment_file"))
                : NULL;
    if (labelled && !(strings_count(labelled) == 1 && same_file(labelled[0], usual))) {
        compose->env_files = take_ptr(labelled);
        compose->env_files_explicit = true;
    } else if (access(usual, F_OK) == 0) {
        strings_append(&compose->env_files, usual);
    }
}

/* Chooses between the name that Compose would choose and those of the containers that are there. */
static int choose_project(struct compose *compose, const char *usual, const struct container *list,
                          size_t count, struct error *err) {
    const struct container *other = newest(list, count, NULL);
    if (!other || newest(list, count, usual)) {
        compose->project = xstrdup(usual);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (speaks_for_project(&list[i], NULL) && !string_equal(list[i].project, other->project))
            return error_set(
                err, EBUSY,
                "\"%s\" has containers of the projects \"%s\" and \"%s\"; say by Project= in [App] "
                "which is meant",
                compose->directory, list[i].project, other->project);
    compose->project = xstrdup(other->project);
    compose->name_project = true;
    return 0;
}

static int usual_project(struct compose *compose, usec_t deadline, char **ret, struct error *err) {
    _cleanup_json_ json_t *config = NULL;
    int r = compose_config(compose, deadline, &config, err);
    if (r < 0)
        return r;
    const char *name = json_get_string(config, "name", "");
    if (!*name)
        return error_set(err, EBADMSG, "docker-compose config in \"%s\" does not say the project's name",
                         compose->directory);
    *ret = xstrdup(name);
    return 0;
}

/* Files named by the configuration, else found; @witness is a container of the project or NULL. */
static int settle(struct compose *compose, const struct settings *settings, const struct container *witness,
                  struct error *err) {
    find_env_files(compose, settings->application.env_files, witness);
    if (!settings->application.files)
        return find_files(compose, witness, err);
    compose->files = paths_below(compose->directory, settings->application.files);
    compose->files_explicit = true;
    for (size_t i = 0; compose->files[i]; i++)
        if (access(compose->files[i], R_OK) < 0)
            return error_errno(err, errno, "the Compose file \"%s\" (File= in [App])", compose->files[i]);
    return 0;
}

int compose_new(const struct settings *settings, struct engine *engine, usec_t deadline, struct compose **ret,
                struct error *err) {
    _cleanup_compose_ struct compose *compose = xcalloc(1, sizeof(*compose));
    struct stat status;
    compose->directory = xstrdup(settings->application.directory);
    if (stat(compose->directory, &status) < 0)
        return error_errno(err, errno, "the application's directory \"%s\" (Directory= in [App])",
                           compose->directory);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ENOTDIR, "\"%s\" (Directory= in [App]) is no directory", compose->directory);
    for (size_t i = 0; settings->application.profiles && settings->application.profiles[i]; i++)
        strings_append(&compose->profiles, settings->application.profiles[i]);
    int r = compose_find_program(compose, engine_socket_path(engine), deadline, err);
    if (r < 0)
        return r;

    const char *named = settings->application.project;
    struct container *list = NULL;
    size_t count = 0;
    r = named ? engine_containers(engine, named, deadline, &list, &count, err)
              : containers_of_directory(engine, compose->directory, deadline, &list, &count, err);
    if (r < 0)
        return r;
    r = settle(compose, settings, newest(list, count, named), err);
    if (r == 0 && named) {
        compose->project = xstrdup(named);
        compose->name_project = true;
    } else if (r == 0) {
        _cleanup_free_ char *usual = NULL;
        r = usual_project(compose, deadline, &usual, err);
        if (r == 0)
            r = choose_project(compose, usual, list, count, err);
    }
    containers_free(list, count);
    if (r < 0)
        return r;
    *ret = take_ptr(compose);
    return 0;
}

int compose_refresh(struct compose *compose, struct error *err) {
    if (compose->files_explicit)
        return 0;
    if (!compose->env_files_explicit) {
        strings_free(compose->env_files);
        compose->env_files = NULL;
        find_env_files(compose, NULL, NULL);
    }
    return find_files(compose, NULL, err);
}
