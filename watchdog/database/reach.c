/* The ways to a server. See reach.h. */

#include "watchdog/database/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "watchdog/base/durable.h"
#include "watchdog/config/credentials.h"
#include "watchdog/config/database-url.h"
#include "watchdog/docker/container.h"

void reach_add(struct reach *reach, const char *host, const char *port, const char *password,
               const char *name, ...) {
    va_list arguments;
    va_start(arguments, name);
    reach->ways = xrealloc(reach->ways, reach->ways_count + 1, sizeof(*reach->ways));
    reach->ways[reach->ways_count++] = (struct reach_way){
        .name = xvasprintf(name, arguments),
        .host = xstrdup(host),
        .port = xstrdup(port),
        .password = password ? xstrdup(password) : NULL,
    };
    va_end(arguments);
}

void reach_done(struct reach *reach) {
    for (size_t i = 0; i < reach->ways_count; i++) {
        free(reach->ways[i].name);
        free(reach->ways[i].host);
        free(reach->ways[i].port);
        credential_free(reach->ways[i].password);
        strings_free(reach->ways[i].parameters);
    }
    for (size_t i = 0; i < reach->sockets_count; i++)
        close(reach->sockets[i]);
    free(reach->ways);
    *reach = (struct reach){ 0 };
}

/* The container's root directory. A process id may have been given to another process meanwhile: one that
 * lives in our own mount namespace is certainly not the container's. */
static int container_root(const struct container *container, struct error *err) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/root", (int)container->pid);
    _cleanup_free_ char *theirs = xasprintf("/proc/%d/ns/mnt", (int)container->pid);
    _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat their_namespace, our_namespace;
    if (fd < 0 || stat(theirs, &their_namespace) < 0 || stat("/proc/self/ns/mnt", &our_namespace) < 0)
        return error_errno(err, errno, "cannot look into the container \"%s\"", container->name);
    if (their_namespace.st_ino == our_namespace.st_ino)
        return error_set(err, ESRCH, "the container \"%s\" does not run as process %d any more",
                         container->name, (int)container->pid);
    return take_fd(fd);
}

static int open_inside(int root, const char *path, uint64_t flags) {
    struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* POSTGRES_PASSWORD_FILE, as the official image reads it: without the newlines at its end. */
static int password_file(int root, const char *path, char **ret, struct error *err) {
    _cleanup_close_ int fd = open_inside(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return error_errno(err, errno, "cannot read \"%s\" (POSTGRES_PASSWORD_FILE) inside the container",
                           path);
    _cleanup_free_ char *opened = xasprintf("/proc/self/fd/%d", fd);
    size_t size;
    int r = file_read(AT_FDCWD, opened, CREDENTIAL_LIMIT, ret, &size, err);
    if (r < 0)
        return error_prefix(err, "\"%s\" (POSTGRES_PASSWORD_FILE) inside the container", path);
    while (size > 0 && (*ret)[size - 1] == '\n')
        (*ret)[--size] = '\0';
    return 0;
}

static char *variable(const struct container *container, const char *name) {
    size_t size = 0;
    const char *value = container_variable(container, name, &size);
    return value && size ? xstrndup(value, size) : NULL;
}

static int add_address(const struct settings *settings, const struct container *container, int root,
                       const char *port, struct reach *reach, struct error *err) {
    _cleanup_free_ char *address = NULL, *file = variable(container, "POSTGRES_PASSWORD_FILE");
    _cleanup_credential_ char *credential = NULL, *environment = NULL, *contents = NULL;
    /* in a container without a network of its own the socket is left */
    if (container_address(container, &address, NULL) < 0)
        return 0;
    int r = credential_read(settings, "database-password", &credential, err);
    if (r < 0 && r != -ENOENT)
        return r;
    if (credential)
        reach_add(reach, address, port, credential, "%s:%s with the credential database-password", address,
                  port);
    environment = variable(container, "POSTGRES_PASSWORD");
    if (environment)
        reach_add(reach, address, port, environment, "%s:%s with POSTGRES_PASSWORD of its container", address,
                  port);
    if (file) {
        /* the image reads it once, when it makes the cluster: one that is gone since is a way less */
        if (password_file(root, file, &contents, NULL) >= 0)
            reach_add(reach, address, port, contents, "%s:%s with the contents of \"%s\"", address, port,
                      file);
    }
    return 0;
}

static void add_sockets(int root, const char *port, struct reach *reach) {
    static const char *const directories[] = { "/var/run/postgresql", "/tmp" };
    for (size_t i = 0; i < ELEMENTS(directories); i++) {
        _cleanup_close_ int fd = open_inside(root, directories[i], O_PATH | O_DIRECTORY);
        _cleanup_free_ char *socket = xasprintf(".s.PGSQL.%s", port);
        if (fd < 0 || faccessat(fd, socket, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        _cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", fd);
        reach_add(reach, path, port, NULL, "its socket in %s", directories[i]);
        reach->sockets[reach->sockets_count++] = take_fd(fd);
    }
}

int reach_container(const struct settings *settings, const struct container *container, struct reach *reach,
                    struct error *err) {
    if (container->pid <= 0)
        return error_set(err, EINVAL, "the database's container \"%s\" does not run (it is %s)",
                         container->name, container->status);
    _cleanup_close_ int root = container_root(container, err);
    if (root < 0)
        return root;
    _cleanup_free_ char *port = variable(container, "PGPORT"), *address = NULL;
    if (!port)
        port = xstrdup("5432");
    int r = add_address(settings, container, root, port, reach, err);
    if (r < 0)
        return r;
    add_sockets(root, port, reach);
    if (container_address(container, &address, NULL) >= 0)
        reach_add(reach, address, port, NULL, "%s:%s without a password", address, port);
    return 0;
}

/* With a password or without (a client's certificate, peer authentication): not both, a server elsewhere is
 * not to be tried out. */
int reach_url(const struct settings *settings, struct reach *reach, struct error *err) {
    _cleanup_database_url_ struct database_url url = { 0 };
    _cleanup_credential_ char *credential = NULL;
    int r = database_url_parse(settings->database.url, &url, err);
    if (r >= 0)
        r = credential_read(settings, "database-password", &credential, err);
    if (r < 0 && r != -ENOENT)
        return r;
    error_done(err);
    reach_add(reach, url.host, url.port, credential, "\"%s\" port %s with%s", url.host, url.port,
              credential ? " the credential database-password"
                         : "out a password (there is no credential database-password)");
    struct reach_way *way = &reach->ways[reach->ways_count - 1];
    way->parameters = url.parameters;
    url.parameters = NULL;
    return 0;
}

int reach_open(const struct container *container, const char *path, int flags, struct error *err) {
    if (container->pid <= 0)
        return error_set(err, EINVAL, "the container \"%s\" does not run", container->name);
    _cleanup_close_ int root = container_root(container, err);
    if (root < 0)
        return root;
    int fd = open_inside(root, path, (uint64_t)flags);
    return fd < 0
               ? error_errno(err, errno, "cannot open \"%s\" in the container \"%s\"", path, container->name)
               : fd;
}
