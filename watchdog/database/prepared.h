#pragma once

/*
 * Prepared transactions: they outlive their session and a crash of the server, and while one is there its
 * database can be neither cloned nor renamed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/database/query.h"

struct prepared {
    char *gid, *owner;
    char *database; /* what it is called at the moment */
    char *since;    /* as the server writes a time */
    uint32_t oid;   /* the database's */
};

/* Those of the databases, the oldest first. Owned by the caller. */
int prepared_find(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline,
                  struct prepared **ret, size_t *ret_count, struct error *err);
void prepared_free(struct prepared *list, size_t count);

/* Commits it; @connection is to its database, as its owner or as a role that may become the owner. One that
 * is gone is no error. -EPERM where we may not. */
int prepared_commit(PGconn *connection, const struct prepared *prepared, usec_t deadline, struct error *err);
