#pragma once

/*
 * The swap: the database in use steps aside under a name that says so, and the clone (or the restored dump)
 * takes its name, for all databases of the application in one transaction. By OID, and repeatable.
 */

#include <stddef.h>
#include <stdint.h>

#include "watchdog/database/catalog.h"

struct swap {
    const struct database *recorded; /* the database as it was: name, comment, template flag */
    uint32_t current;                /* OID of what holds the name now (or has been moved aside already) */
    uint32_t target;                 /* OID of what shall hold it */
    const char *failed_name;         /* for the current one */
};

enum swap_state {
    SWAP_PENDING = 0,   /* the target is there, the name belongs to the current one or to nobody */
    SWAP_DONE,          /* the name belongs to the target */
    SWAP_TARGET_GONE,   /* no database has the target's OID */
    SWAP_NAME_FOREIGN,  /* the name belongs to a third OID: the release has dropped and made it again */
    SWAP_ASIDE_FOREIGN, /* the failed name belongs to a third OID */
};

/* Looks. @ret_holder (may be NULL) gets the OID that holds the name, 0 when none does. In case of
 * SWAP_NAME_FOREIGN the caller may record that OID as the current one, fence it and swap. */
int swap_look(PGconn *connection, const struct swap *swap, usec_t deadline, enum swap_state *ret,
              uint32_t *ret_holder, struct error *err);

/* Swaps all that are pending, gives each target the recorded comment and template flag, verifies inside the
 * transaction and again after it. The fence stays as it is on each. All must be fenced, without sessions. A
 * current database that is gone, or was renamed by somebody, is no obstacle. Returns 1 when it did something,
 * 0 when all was done before; -ENOENT (target gone), -EEXIST (a name belongs to a third database), -EPERM
 * (not fenced): nothing is changed then. */
int databases_swap(PGconn *connection, const struct swap *swaps, size_t count, usec_t deadline,
                   struct error *err);
