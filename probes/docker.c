/* What probes ask Docker. See docker.h. */

#include "probes/docker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

/* So long after a restart (of daemon, machine, database) services may still be finding each other again. */
#define SETTLE_TIME (30 * USEC_PER_SEC)

int probe_docker_containers(const struct probe_look *look, const struct container **ret, size_t *ret_count,
                            struct error *err) {
    struct probe_docker *docker = look->docker;
    if (!docker->asked) {
        _cleanup_error_ struct error why = ERROR_NONE;
        docker->asked = true;
        docker->result = look->view->engine
                             ? engine_containers(look->view->engine, look->view->project, look->deadline,
                                                 &docker->containers, &docker->count, &why)
                             : error_set(&why, ENOTCONN, "there is no connection to Docker");
        if (docker->result < 0)
            docker->error = xstrdup(error_text(&why));
    }
    if (docker->result < 0)
        return error_set(err, -docker->result, "%s", docker->error);
    *ret = docker->containers;
    *ret_count = docker->count;
    return 0;
}

void probe_docker_done(struct probe_docker *docker) {
    containers_free(docker->containers, docker->count);
    free(docker->error);
    *docker = (struct probe_docker){ 0 };
}

bool probe_docker_counts(const struct probe_view *view, const struct container *container,
                         const char *service) {
    if (!string_equal(container->service, service))
        return false;
    bool is_twin = view->twin && string_equal(container->name, view->twin);
    if (view->twin && string_equal(view->gate, service))
        return is_twin;
    return !container->one_off;
}

usec_t machine_booted(void) {
    usec_t now = clock_realtime(), up = clock_boottime();
    return now > up ? now - up : 0;
}

static bool is_daemon(pid_t pid) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/comm", (int)pid), *name = NULL;
    return file_read(AT_FDCWD, path, 100, &name, NULL, NULL) == 0 && string_starts_with(name, "dockerd");
}

/* Who listens on the socket; systemd where it hands the socket over. */
static pid_t socket_owner(const char *socket_path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct ucred owner = { 0 };
    socklen_t size = sizeof(owner);
    if (strlen(socket_path) >= sizeof(address.sun_path))
        return 0;
    strcpy(address.sun_path, socket_path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &size) < 0)
        return 0;
    return owner.pid;
}

/* "docker.pid" stands beside "docker.sock" unless the daemon was told otherwise. */
static pid_t pid_file(const char *socket_path) {
    const char *slash = strrchr(socket_path, '/');
    _cleanup_free_ char *path =
        xasprintf("%.*s/docker.pid", slash ? (int)(slash - socket_path) : 0, socket_path);
    _cleanup_free_ char *text = NULL;
    if (file_read(AT_FDCWD, path, 100, &text, NULL, NULL) < 0)
        return 0;
    long pid = strtol(text, NULL, 10);
    return pid > 0 && pid < INT32_MAX ? (pid_t)pid : 0;
}

/* proc(5): field 22 of stat, in clock ticks after boot. */
static usec_t process_started(pid_t pid) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)pid), *text = NULL;
    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
        return 0;
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    unsigned long long ticks = at ? strtoull(at, NULL, 10) : 0;
    long per_second = sysconf(_SC_CLK_TCK);
    return ticks && per_second > 0 ? machine_booted() + ticks * USEC_PER_SEC / (usec_t)per_second : 0;
}

usec_t docker_daemon_started(struct engine *engine) {
    const char *socket_path = engine ? engine_socket_path(engine) : NULL;
    if (!socket_path)
        return 0;
    pid_t pid = socket_owner(socket_path);
    if (pid <= 0 || !is_daemon(pid))
        pid = pid_file(socket_path);
    return pid > 0 && is_daemon(pid) ? process_started(pid) : 0;
}

/* A restart after the switch, and not long ago. */
static bool is_fresh(const struct probe_view *view, usec_t started) {
    return started > view->since_realtime && view->since_realtime > 0 &&
           clock_realtime() < started + SETTLE_TIME;
}

static char *database_trouble(const struct probe_view *view, const struct container *container) {
    bool runs = string_equal(container->status, "running");
    if (!runs)
        return xasprintf("the database's container \"%s\" is %s", container->name, container->status);
    if (is_fresh(view, container->started))
        return xasprintf("the database's container \"%s\" was just started", container->name);
    return NULL;
}

/* Somebody restarts or recreates a service of the project, by hand or from another program. */
static char *stopped_by_hand(const struct probe_view *view) {
    const char *id;
    json_t *signs;
    json_object_foreach((json_t *)view->signs, id, signs) {
        usec_t asked = (usec_t)json_get_integer(signs, "stopped", 0);
        if (is_fresh(view, asked))
            return xstrdup("somebody else has just stopped a container of the application");
    }
    return NULL;
}

char *host_trouble(const struct probe_view *view, usec_t deadline) {
    struct probe_docker docker = { 0 };
    const struct probe_look look = { .view = view, .docker = &docker, .deadline = deadline };
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct container *containers;
    size_t count;
    char *trouble = NULL;
    if (probe_docker_containers(&look, &containers, &count, &err) < 0)
        trouble = xasprintf("Docker cannot be asked: %s", error_text(&err));
    else if (is_fresh(view, machine_booted()))
        trouble = xstrdup("the machine was just booted");
    else if (is_fresh(view, docker_daemon_started(view->engine)))
        trouble = xstrdup("the Docker daemon was just restarted");
    else
        trouble = stopped_by_hand(view);
    for (size_t i = 0; !trouble && i < count; i++)
        for (size_t k = 0; k < view->expected_count && !trouble; k++)
            if (view->expected[k].is_database && view->expected[k].must_run &&
                probe_docker_counts(view, &containers[i], view->expected[k].service))
                trouble = database_trouble(view, &containers[i]);
    probe_docker_done(&docker);
    return trouble;
}
