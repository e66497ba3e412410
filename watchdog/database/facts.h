#pragma once

/* Facts about the server and about our role in it, and its CHECKPOINT. */

#include "watchdog/database/query.h"

struct server_facts {
    int version_number;        /* 150020 */
    char *version;             /* "15.20 (Debian …)" */
    char *system_identifier;   /* of the cluster, decimal */
    char *user;                /* the role that we are */
    char *data_directory;      /* inside the container; NULL where it may not be read */
    char *programs;            /* the server's directory of programs; NULL where it may not be read */
    char **socket_directories; /* NULL where they may not be read */
    bool is_superuser, may_create_databases, in_recovery;
    bool fsync, full_page_writes;
    usec_t started; /* CLOCK_REALTIME of the postmaster's start */
};
int server_facts_read(PGconn *connection, usec_t deadline, struct server_facts *ret, struct error *err);
void server_facts_done(struct server_facts *facts);
#define _cleanup_server_facts_ __attribute__((cleanup(server_facts_done)))

/* CHECKPOINT, so that the one inside of CREATE DATABASE is short. Returns 1, or 0 where our role may not. */
int server_checkpoint(PGconn *connection, usec_t deadline, struct error *err);
