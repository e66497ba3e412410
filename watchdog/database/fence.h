#pragma once

/*
 * The fence: ALTER DATABASE … ALLOW_CONNECTIONS false. It stands without any process of ours, survives a
 * crash of the server, and keeps superusers out too, pg_dump and us included. Sessions that are inside stay
 * inside: fence first, then end them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/database/server.h"

/* A database as recorded: the OID, and the name that it must have at the moment. */
struct database_identity {
    uint32_t oid;
    const char *name;
};

/* Sets it up or lifts it, for all in one transaction, then reads back. Nothing is changed (-EEXIST) unless
 * each name belongs to its OID. @connection is to the maintenance database. */
int fence_set(PGconn *connection, const struct database_identity *databases, size_t count, bool standing,
              usec_t deadline, struct error *err);

/* The OIDs as a literal of an array, for a statement's parameter. Owned by the caller. */
char *oid_array(const uint32_t *oids, size_t count);

/* Whether it stands. -ENOENT without such a database. */
int fence_read(PGconn *connection, uint32_t oid, usec_t deadline, bool *ret_standing, struct error *err);

/* Ends every session in the databases (autovacuum and logical walsenders too) and waits until none is left,
 * sessions that were on their way in when the fence went up included. Call it behind the fence. -EBUSY at
 * once when a prepared transaction holds one of the databases (no session to end), -ETIME with who is left.
 */
int sessions_end(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline, struct error *err);

/* The same for all sessions, in any database, whose application_name begins with @prefix
 * (SERVER_APPLICATION), but the one of @connection: a CREATE DATABASE runs on when its client is dead.
 * Returns how many there were. */
int sessions_end_ours(PGconn *connection, const char *prefix, usec_t deadline, struct error *err);

/* The sessions in the databases that are not ours: "qaid from 172.18.0.4 (psql, pid 77)". NULL-ended, owned
 * by the caller. */
int sessions_list(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline, char ***ret,
                  struct error *err);
