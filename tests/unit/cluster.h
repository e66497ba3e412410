#pragma once

/*
 * A PostgreSQL of the test's own: initdb into a directory under /tmp, a server on a socket there and on a
 * port of 127.0.0.1 (with passwords), which dies with the test. Without PostgreSQL's programs a test fails.
 */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/process.h"
#include "watchdog/database/programs.h"
#include "watchdog/database/server.h"

#define CLUSTER_ID "20261123T031500Z-1f3a"
#define SOON deadline_in(20 * USEC_PER_SEC)

struct cluster {
    char *directory;
    char *binaries;
    char port[8];
    struct process_child postmaster;
    struct server *server; /* as superuser "boss" by the socket */
    PGconn *connection;    /* to "postgres" */
};

/* PostgreSQL refuses to run as root. */
static char **cluster_command(const struct cluster *cluster, const char *program) {
    char **argv = NULL;
    if (geteuid() == 0) {
        static const char *const become[] = { "setpriv", "--reuid=postgres", "--regid=postgres",
                                              "--init-groups", "--pdeathsig=KILL" };
        for (size_t i = 0; i < ELEMENTS(become); i++)
            strings_append(&argv, become[i]);
    }
    strings_appendf(&argv, "%s/%s", cluster->binaries, program);
    return argv;
}

static void cluster_check(int r, const struct error *err) {
    if (r < 0)
        fail_msg("%s", error_text(err));
}

static void cluster_initdb(struct cluster *cluster) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_strings_ char **argv = cluster_command(cluster, "initdb");
    static const char *const options[] = {
        "-U",       "boss", "-A", "trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8",
        "--no-sync"
    };
    for (size_t i = 0; i < ELEMENTS(options); i++)
        strings_append(&argv, options[i]);
    strings_appendf(&argv, "%s/data", cluster->directory);
    const struct process initdb = { .argv = argv, .directory = "/", .deadline = SOON };
    if (process_run(&initdb, &result, &err) != 0)
        fail_msg("%s", error_text(&err));
}

static void cluster_launch(struct cluster *cluster) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strings_ char **argv = cluster_command(cluster, "postgres");
    strings_append(&argv, "-D");
    strings_appendf(&argv, "%s/data", cluster->directory);
    strings_append(&argv, "-k");
    strings_append(&argv, cluster->directory);
    strings_append(&argv, "-p");
    strings_append(&argv, cluster->port);
    static const char *const settings[] = {
        "listen_addresses=127.0.0.1",  "fsync=off",         "jit=off",
        "max_prepared_transactions=2", "wal_level=logical", "max_connections=30",
        "shared_buffers=16MB",         "autovacuum=off",    "logging_collector=off"
    };
    for (size_t i = 0; i < ELEMENTS(settings); i++) {
        strings_append(&argv, "-c");
        strings_append(&argv, settings[i]);
    }
    const struct process postgres = { .argv = argv, .directory = "/", .deadline = USEC_INFINITY };
    cluster_check(process_start(&postgres, &cluster->postmaster, &err), &err);
    for (usec_t deadline = SOON; deadline_left(deadline) > 0;) {
        error_done(&err);
        if (server_connect(cluster->server, "postgres", deadline, &cluster->connection, &err) == 0)
            return;
        if (process_poll(&cluster->postmaster, NULL) != 1)
            break;
        deadline_sleep(deadline, 30 * USEC_PER_MSEC);
    }
    fail_msg("no server: %s: %s", error_text(&err), cluster->postmaster.errors.text);
}

static void cluster_free_port(struct cluster *cluster) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&address, size) == 0);
    assert_true(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    snprintf(cluster->port, sizeof(cluster->port), "%u", ntohs(address.sin_port));
}

static void cluster_start(struct cluster *cluster) {
    *cluster = (struct cluster){ 0 };
    glob_t found = { 0 };
    if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0)
        fail_msg("PostgreSQL's programs are not there: install the package postgresql");
    cluster->binaries = xstrdup(found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    cluster->directory = xstrdup("/tmp/test-cluster.XXXXXX");
    assert_non_null(mkdtemp(cluster->directory));
    const struct passwd *user = getpwnam("postgres");
    if (geteuid() == 0)
        assert_true(user && chown(cluster->directory, user->pw_uid, user->pw_gid) == 0);
    cluster_free_port(cluster);
    const struct server_way way = { .name = "the test's socket",
                                    .host = cluster->directory,
                                    .port = cluster->port };
    server_new(&way, 1, "boss", CLUSTER_ID, "postgres", &cluster->server);
    cluster_initdb(cluster);
    cluster_launch(cluster);
}

static void cluster_stop(struct cluster *cluster) {
    PQfinish(cluster->connection);
    if (cluster->postmaster.pid)
        process_stop(&cluster->postmaster, 0);
    /* backends notice within moments that their postmaster is gone, and write no more */
    durable_remove_tree(AT_FDCWD, cluster->directory, NULL);
    server_free(cluster->server);
    free(cluster->directory);
    free(cluster->binaries);
}

static int cluster_setup(void **state) {
    *state = xcalloc(1, sizeof(struct cluster));
    cluster_start(*state);
    return 0;
}

static int cluster_teardown(void **state) {
    cluster_stop(*state);
    free(*state);
    return 0;
}

#define RUN_IN_CLUSTER(tests) cmocka_run_group_tests(tests, cluster_setup, cluster_teardown)

/* A statement that must succeed; its first value (owned by the caller), or NULL. */
static char *cluster_sql(PGconn *connection, const char *sql) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_result_ PGresult *result = NULL;
    cluster_check(server_query(connection, SOON, &result, &err, sql, SQL_NONE), &err);
    return PQntuples(result) > 0 && sql_text(result, 0, 0) ? xstrdup(sql_text(result, 0, 0)) : NULL;
}

static void cluster_do(PGconn *connection, const char *sql) {
    free(cluster_sql(connection, sql));
}

static PGconn *cluster_connect(struct cluster *cluster, const char *database) {
    _cleanup_error_ struct error err = ERROR_NONE;
    PGconn *connection = NULL;
    cluster_check(server_connect(cluster->server, database, SOON, &connection, &err), &err);
    return connection;
}
