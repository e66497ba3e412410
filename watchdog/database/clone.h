#pragma once

/*
 * A clone: CREATE DATABASE … TEMPLATE of a database that nobody is connected to, fenced from its first
 * moment. It holds the state to go back to. The statement is not transactional: killed at the wrong moment it
 * leaves a database without our mark, or files in base/ that no catalog knows.
 */

#include <stdbool.h>
#include <stdint.h>

#include "watchdog/database/catalog.h"

/* What a clone is known by. The OID and the random mark (its comment) say that it is ours. Files and size say
 * that it is whole, as far as that can be seen without opening the fence: files counts the main forks in its
 * directories, which nothing but a session inside changes (autovacuum does visit fenced databases, and adds
 * other forks); where our role may not list them, only the size counts, with 10 % to spare. */
struct fingerprint {
    uint32_t oid;
    char *mark;
    uint64_t size;
    int64_t files; /* -1: may not be listed */
};
void fingerprint_done(struct fingerprint *fingerprint);
#define _cleanup_fingerprint_ __attribute__((cleanup(fingerprint_done)))
json_t *fingerprint_to_json(const struct fingerprint *fingerprint);
int fingerprint_from_json(const json_t *value, struct fingerprint *ret, struct error *err);

/* Reads the one of @oid. -ENOENT. */
int fingerprint_read(PGconn *connection, uint32_t oid, usec_t deadline, struct fingerprint *ret,
                     struct error *err);
/* 1 when what stands under the recorded OID is what was recorded; 0 with what differs in *err (which then is
 * for telling only); -errno when it could not be read. */
int fingerprint_check(PGconn *connection, const struct fingerprint *recorded, usec_t deadline,
                      struct error *err);

/* Clones @source, which must be fenced and empty of sessions, to @name: owner, limit, tablespace, locale,
 * collation version, ACL and settings as of @source, the fence up, @mark as its comment. A database of that
 * name that is there is dropped first: give a name that only this transaction has (database_name_make()). */
int clone_create(PGconn *connection, const struct database *source, const char *name, const char *mark,
                 usec_t deadline, struct fingerprint *ret, struct error *err);

/* How long a clone of @size bytes takes at @speed bytes/s (0: not measured yet, 150 MB/s is assumed). */
usec_t clone_predict(uint64_t size, uint64_t speed);
/* Bytes per second of one that was made in @took; 0 when too small or short to say. */
uint64_t clone_speed(uint64_t size, usec_t took);

/* Directories in base/ that belong to no database: "base/16400", with their size in bytes: what a killed
 * clone left (PostgreSQL 15 never removes it). One being made by somebody at this moment looks the same, so
 * they are only named, and never removed. Returns 0, also with an empty list where our role may not look. */
struct leftover {
    char *path; /* relative to the data directory */
    uint64_t size;
};
int leftovers_find(PGconn *connection, usec_t deadline, struct leftover **ret, size_t *ret_count,
                   struct error *err);
void leftovers_free(struct leftover *leftovers, size_t count);
