#pragma once

/*
 * A clone: CREATE DATABASE … TEMPLATE of a database that nobody is connected to, fenced from its first
 * moment. It holds the state to go back to. The statement is not transactional: killed at the wrong moment it
 * leaves a database without our mark, or files in base/ that no catalog knows.
 */

#include <stdint.h>

#include "watchdog/database/catalog.h"
#include "watchdog/database/fingerprint.h"

/* Clones @source, which must be fenced and empty of sessions, to @name: owner, limit, tablespace, locale,
 * collation version, ACL and settings as of @source, the fence up, @mark as its comment. A database of that
 * name that is there is dropped first: give a name that only this transaction has (database_name_make()).
 * -EBUSY when somebody is in the source, -ENOSPC when the disk is full (the server then removes its copy). */
int clone_create(PGconn *connection, const struct database *source, const char *name, const char *mark,
                 usec_t deadline, struct fingerprint *ret, struct error *err);

/* How long a clone of @size bytes takes at @speed bytes/s (0: not measured yet, 150 MB/s is assumed). */
usec_t clone_predict(uint64_t size, uint64_t speed);
/* Bytes per second of one that was made in @took; 0 when too small or short to say. */
uint64_t clone_speed(uint64_t size, usec_t took);

/* Directories that belong to no database: "base/16400", with their size in bytes: what a killed clone left
 * (PostgreSQL 15 never removes it). One being made by somebody at this moment looks the same, so they are
 * only named, and never removed. Returns 0, also with an empty list where our role may not look. */
struct leftover {
    char *path; /* relative to the data directory */
    uint64_t size;
};
int leftovers_find(PGconn *connection, usec_t deadline, struct leftover **ret, size_t *ret_count,
                   struct error *err);
void leftovers_free(struct leftover *leftovers, size_t count);
