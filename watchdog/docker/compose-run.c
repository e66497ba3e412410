/* Finding and running Compose. See compose-run.h. */

#include "watchdog/docker/compose-run.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>

#define OUTPUT_LIMIT ((size_t)64 * 1024 * 1024)

char *home_directory(void) {
    const char *home = getenv("HOME");
    if (home && *home)
        return xstrdup(home);
    const struct passwd *user = getpwuid(getuid());
    return xstrdup(user && user->pw_dir ? user->pw_dir : "/root");
}

int compose_version_parse(const char *text, unsigned *ret_major, unsigned *ret_minor, char **ret_version) {
    const char *at = text;
    while (*at && !isdigit((unsigned char)*at))
        at++;
    unsigned major, minor;
    if (sscanf(at, "%4u.%4u", &major, &minor) != 2)
        return -EBADMSG;
    *ret_major = major;
    *ret_minor = minor;
    *ret_version = xstrndup(at, strspn(at, "0123456789."));
    return 0;
}

/* What a person's shell would give it, and nothing of ours that changes its mind. */
static char **environment_of(const char *socket_path, const char *directory) {
    char **environment = NULL;
    _cleanup_free_ char *home = home_directory();
    const char *path = getenv("PATH"), *config = getenv("DOCKER_CONFIG");
    const struct passwd *user = getpwuid(getuid());
    const char *name = user ? user->pw_name : "root";
    strings_appendf(&environment, "HOME=%s", home);
    strings_appendf(&environment, "PATH=%s",
                    path && *path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    strings_appendf(&environment, "USER=%s", name);
    strings_appendf(&environment, "LOGNAME=%s", name);
    strings_appendf(&environment, "PWD=%s", directory);
    strings_append(&environment, "LANG=C.UTF-8");
    strings_appendf(&environment, "DOCKER_HOST=unix://%s", socket_path);
    if (config && *config)
        strings_appendf(&environment, "DOCKER_CONFIG=%s", config);
    return environment;
}

static char **candidates_list(void) {
    static const char *const directories[] = { "/usr/local/lib/docker/cli-plugins",
                                               "/usr/local/libexec/docker/cli-plugins",
                                               "/usr/lib/docker/cli-plugins",
                                               "/usr/libexec/docker/cli-plugins" };
    char **list = NULL;
    const char *config = getenv("DOCKER_CONFIG");
    _cleanup_free_ char *home = home_directory();
    strings_append(&list, "docker-compose");
    if (config && *config)
        strings_appendf(&list, "%s/cli-plugins/docker-compose", config);
    strings_appendf(&list, "%s/.docker/cli-plugins/docker-compose", home);
    for (size_t i = 0; i < ELEMENTS(directories); i++)
        strings_appendf(&list, "%s/docker-compose", directories[i]);
    return list;
}

int compose_find_program(struct compose *compose, const char *socket_path, usec_t deadline,
                         struct error *err) {
    _cleanup_strings_ char **candidates = candidates_list();
    _cleanup_free_ char *too_old = NULL;
    compose->environment = environment_of(socket_path, compose->directory);
    for (size_t i = 0; candidates[i]; i++) {
        char *argv[] = { candidates[i], "version", "--short", NULL };
        struct process process = { .argv = argv,
                                   .environment = compose->environment,
                                   .directory = compose->directory,
                                   .deadline = deadline };
        _cleanup_process_result_ struct process_result result = { 0 };
        _cleanup_error_ struct error one = ERROR_NONE;
        _cleanup_free_ char *version = NULL;
        int r = process_run(&process, &result, &one);
        if (r == -ETIME)
            return error_move(err, &one);
        if (r != 0 || compose_version_parse(result.output.text ? result.output.text : "", &compose->major,
                                            &compose->minor, &version) < 0)
            continue;
        if (compose->major >= 2) {
            compose->binary = xstrdup(candidates[i]);
            compose->version = take_ptr(version);
            return 0;
        }
        replace_string(too_old, xasprintf("\"%s\" is version %s", candidates[i], version));
    }
    if (too_old)
        return error_set(
            err, EPROTONOSUPPORT,
            "%s, expected Docker Compose 2 or newer; install the package docker-compose-plugin or "
            "docker-compose-v2",
            too_old);
    return error_set(
        err, ENOENT,
        "Docker Compose was not found, neither as \"docker-compose\" in PATH nor as a plug-in of "
        "Docker; install the package docker-compose-plugin or docker-compose-v2");
}

char **compose_arguments(const struct compose *compose, bool explicit) {
    char **list = NULL;
    strings_append(&list, compose->binary);
    strings_append(&list, "--ansi");
    strings_append(&list, "never");
    if (compose->major > 2 || compose->minor >= 20) {
        strings_append(&list, "--progress");
        strings_append(&list, "plain");
    }
    strings_append(&list, "--project-directory");
    strings_append(&list, compose->directory);
    if (compose->name_project) {
        strings_append(&list, "--project-name");
        strings_append(&list, compose->project);
    }
    for (size_t i = 0; (explicit || compose->files_explicit) && compose->files && compose->files[i]; i++) {
        strings_append(&list, "--file");
        strings_append(&list, compose->files[i]);
    }
    for (size_t i = 0; compose->env_files_explicit && compose->env_files[i]; i++) {
        strings_append(&list, "--env-file");
        strings_append(&list, compose->env_files[i]);
    }
    for (size_t i = 0; compose->profiles && compose->profiles[i]; i++) {
        strings_append(&list, "--profile");
        strings_append(&list, compose->profiles[i]);
    }
    return list;
}

int compose_run(const struct compose *compose, char *const *arguments, const char *input, usec_t deadline,
                struct process_result *ret, struct error *err) {
    struct process process = { .argv = arguments,
                               .environment = compose->environment,
                               .directory = compose->directory,
                               .input = input,
                               .deadline = deadline,
                               .output_limit = OUTPUT_LIMIT };
    int r = process_run(&process, ret, err);
    return r > 0 ? -EPROTO : r;
}
