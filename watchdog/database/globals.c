/* Roles and tablespaces as pg_dumpall writes them. See dump.h. */

#include "watchdog/database/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/database/facts.h"

struct globals {
    int fd;
    uint64_t bytes;
    struct digest digest;
};

static int take_output(void *userdata, const char *data, size_t size) {
    struct globals *globals = userdata;
    digest_update(&globals->digest, data, size);
    globals->bytes += size;
    return write_all(globals->fd, data, size);
}

static int write_stream(struct programs *programs, struct server *server, struct globals *globals,
                        usec_t deadline, struct error *err) {
    _cleanup_connection_ PGconn *connection = NULL;
    _cleanup_server_facts_ struct server_facts facts = { 0 };
    _cleanup_strings_ char **arguments = NULL;
    int r = server_connect(server, NULL, deadline, &connection, err);
    if (r >= 0)
        r = server_facts_read(connection, deadline, &facts, err);
    if (r < 0)
        return r;
    static const char *const options[] = { "--globals-only", "--no-password", "--lock-wait-timeout=60000",
                                           "-l" };
    for (size_t i = 0; i < ELEMENTS(options); i++)
        strings_append(&arguments, options[i]);
    strings_append(&arguments, server_maintenance(server));
    if (!facts.is_superuser)
        strings_append(&arguments, "--no-role-passwords");
    const struct program_call io = { .on_output = take_output, .userdata = globals, .deadline = deadline };
    return programs_run(programs, server, "pg_dumpall", arguments, server_maintenance(server), &io, err);
}

int globals_write(struct programs *programs, struct server *server, const char *path, usec_t deadline,
                  char ret_sha256[DIGEST_TEXT_SIZE], uint64_t *ret_bytes, struct error *err) {
    struct globals globals = { .fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) };
    if (globals.fd < 0)
        return error_errno(err, errno, "cannot create \"%s\"", path);
    char sha256[DIGEST_TEXT_SIZE];
    digest_init(&globals.digest);
    int r = write_stream(programs, server, &globals, deadline, err);
    digest_final(&globals.digest, sha256);
    digest_done(&globals.digest);
    if (r >= 0 && globals.bytes == 0)
        r = error_set(err, EPROTO, "pg_dumpall wrote nothing");
    if (r >= 0 && fsync(globals.fd) < 0)
        r = error_errno(err, errno, "cannot sync \"%s\"", path);
    close(globals.fd);
    if (r >= 0)
        r = durable_sync_parent(AT_FDCWD, path, err);
    if (r < 0) {
        unlink(path);
        return error_prefix(err, "cannot write the roles to \"%s\"", path);
    }
    if (ret_sha256)
        memcpy(ret_sha256, sha256, DIGEST_TEXT_SIZE);
    if (ret_bytes)
        *ret_bytes = globals.bytes;
    return 0;
}
