#pragma once

/*
 * A PostgreSQL of the test's own: initdb into a directory of its own (in /dev/shm or /tmp), a server on a
 * socket there and on a port of 127.0.0.1 (with passwords), which dies with the test. Without PostgreSQL's
 * programs a test fails.
 */

#include "tests/unit/unit.h"

#include "watchdog/base/process.h"
#include "watchdog/database/programs.h"
#include "watchdog/database/server.h"

#define CLUSTER_ID "20261123T031500Z-1f3a"
#define SOON deadline_in(USEC_PER_MINUTE)

struct cluster {
    char *directory;
    char *binaries;
    char port[8];
    struct process_child postmaster;
    struct server *server; /* as superuser "boss" by the socket */
    PGconn *connection;    /* to "postgres" */
};

void cluster_start(struct cluster *cluster);
void cluster_stop(struct cluster *cluster);

/* The same for a group of tests, whose state is the cluster. */
int cluster_setup(void **state);
int cluster_teardown(void **state);
#define RUN_IN_CLUSTER(tests) cmocka_run_group_tests(tests, cluster_setup, cluster_teardown)

/* Fails the test with the error's words where @r is one. */
void cluster_check(int r, const struct error *err);
PGconn *cluster_connect(struct cluster *cluster, const char *database);
/* A statement that must succeed; its first value (owned by the caller), or NULL. */
char *cluster_sql(PGconn *connection, const char *sql);
void cluster_do(PGconn *connection, const char *sql);

/* A program_runner on this machine: what engine_exec() is in a container. @context is the cluster. */
int cluster_run(void *context, const struct program_call *call, int *ret_exit, char **ret_errors,
                struct error *err);
