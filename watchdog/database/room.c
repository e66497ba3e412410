/* Free room. See room.h. */

#include "watchdog/database/room.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include "watchdog/database/reach.h"
#include "watchdog/docker/container.h"

int server_room(const struct container *database, const struct server_facts *facts, uint64_t *ret_free,
                struct error *err) {
    size_t size = 0;
    const char *variable = container_variable(database, "PGDATA", &size);
    _cleanup_free_ char *path = facts->data_directory ? xstrdup(facts->data_directory)
                                : variable && size    ? xstrndup(variable, size)
                                                      : xstrdup("/var/lib/postgresql/data");
    _cleanup_close_ int fd = reach_open(database, path, O_RDONLY | O_DIRECTORY, err);
    struct statvfs room;
    if (fd < 0)
        return fd;
    if (fstatvfs(fd, &room) < 0)
        return error_errno(err, errno, "cannot see the free room of \"%s\"", path);
    *ret_free = (uint64_t)room.f_bavail * room.f_frsize;
    return 0;
}
