/*
 * What a child of a round keeps, before it meets anything from outside: its lane's credentials and captured
 * values, the pipe to its parent, and the rights that its kinds of probe need.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/look.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/sandbox.h"
#include "watchdog/config/database-url.h"
#include "watchdog/config/credentials.h"
#include "watchdog/config/settings.h"
#include "watchdog/docker/engine.h"

static bool is_host(const struct look_job *job) {
    return job->lane == job->set->lanes;
}

static bool is_in_lane(const struct look_job *job, size_t index) {
    return job->set->lane[index] == job->lane;
}

/* Those that an earlier probe captures are in nobody's file: no loss, the error is never asked for. */
static struct credentials *read_credentials(const struct look_job *job) {
    struct credentials *credentials = xcalloc(1, sizeof(*credentials));
    for (size_t i = 0; i < job->set->count; i++) {
        const struct probe *probe = &job->set->probes[i];
        _cleanup_strings_ char **names = NULL;
        if (is_in_lane(job, i) && probe->kind->placeholders)
            probe->kind->placeholders(probe, &names);
        for (size_t k = 0; names && names[k]; k++)
            credentials_add(credentials, job->view->settings, names[k]);
    }
    return credentials;
}

static void wipe_strings(json_t *values) {
    const char *name;
    json_t *value;
    size_t index;
    json_object_foreach(values, name, value) if (json_is_string(value))
        explicit_bzero((char *)json_string_value(value), json_string_length(value));
    json_array_foreach(values, index, value) if (json_is_string(value))
        explicit_bzero((char *)json_string_value(value), json_string_length(value));
}

/* By fork() the child has its parent's memory and descriptors: other lanes' tokens and cookies, the session
 * to the database, the way to the supervisor. */
static void forget(const struct look_job *job) {
    for (size_t i = 0; i < job->set->count; i++) {
        struct probe_report *last = &job->memory->entries[i].last;
        if (is_in_lane(job, i) || !last->session)
            continue;
        wipe_strings(json_object_get(last->session, "captures"));
        wipe_strings(json_object_get(last->session, "cookies"));
        json_decref(last->session);
        last->session = NULL;
    }
    if (is_host(job))
        return;
    if (job->view->forget)
        job->view->forget(job->view->host);
    if (job->fd > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)job->fd - 1, 0);
    close_range((unsigned)job->fd + 1, ~0U, 0);
}

/* As loose as the loosest of them needs. */
static enum sandbox_kind kind_of(const struct look_job *job) {
    enum sandbox_kind kind = is_host(job) ? SANDBOX_HOST : SANDBOX_LOOK;
    for (size_t i = 0; i < job->set->count; i++)
        if (is_in_lane(job, i) && job->set->probes[i].kind->sandbox < kind)
            kind = job->set->probes[i].kind->sandbox;
    return kind;
}

static void add_directory(char ***list, const char *path) {
    if (path && *path && !string_equal(path, "/"))
        strings_append(list, path);
}

/* Where secrets lie: this application's and others', those of systemd, logins of registries, keys of root. */
static char **secret_places(const struct settings *settings) {
    static const char *const of_systemd[] = {
        "/run/credentials", "/run/credstore",           "/run/credstore.encrypted",
        "/etc/credstore",   "/etc/credstore.encrypted", "/var/lib/systemd/credential.secret"
    };
    _cleanup_free_ char *own = xasprintf("%s/credentials", settings->config_directory);
    char **list = NULL;
    add_directory(&list, own);
    add_directory(&list, getenv("CREDENTIALS_DIRECTORY"));
    add_directory(&list, getenv("DOCKER_CONFIG"));
    add_directory(&list, getenv("HOME"));
    for (size_t i = 0; i < ELEMENTS(of_systemd); i++)
        add_directory(&list, of_systemd[i]);
    return list;
}

void look_confine(struct look_job *job) {
    _cleanup_strings_ char **closed = secret_places(job->view->settings), **readable = NULL;
    job->credentials = read_credentials(job);
    for (size_t i = 0; i < job->set->count; i++)
        if (is_in_lane(job, i) && job->set->probes[i].kind->files)
            job->set->probes[i].kind->files(&job->set->probes[i], &readable);
    if (job->view->settings->database.url)
        database_url_files(job->view->settings->database.url, &readable);
    forget(job);
    const struct sandbox sandbox = { .kind = kind_of(job),
                                     .socket =
                                         job->view->engine ? engine_socket_path(job->view->engine) : NULL,
                                     .closed = closed,
                                     .readable = readable };
    sandbox_enter(&sandbox, NULL);
}
