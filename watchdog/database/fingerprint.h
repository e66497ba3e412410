#pragma once

/*
 * What a clone is known by. The OID and the random mark (its comment) say that it is ours. Files and size say
 * that it is whole, as far as that can be seen without opening the fence.
 */

#include <stdint.h>

#include <jansson.h>

#include "watchdog/database/query.h"

struct fingerprint {
    uint32_t oid;
    char *mark;
    uint64_t size;
    /* Main forks in its directories, which nothing but a session inside changes (autovacuum does visit fenced
     * databases, and makes other forks); -1 where our role may not list them: then the size counts, with 10 %
     * to spare. */
    int64_t files;
};
void fingerprint_done(struct fingerprint *fingerprint);
#define _cleanup_fingerprint_ __attribute__((cleanup(fingerprint_done)))
json_t *fingerprint_to_json(const struct fingerprint *fingerprint);
int fingerprint_from_json(const json_t *value, struct fingerprint *ret, struct error *err);

/* Reads the one of @oid. -ENOENT. */
int fingerprint_read(PGconn *connection, uint32_t oid, usec_t deadline, struct fingerprint *ret,
                     struct error *err);
/* 1 when what stands under the recorded OID is what was recorded; 0 with what differs in *err (which then is
 * for telling only); -errno when it could not be read. Valid before the swap only: the swap takes the mark
 * away. */
int fingerprint_check(PGconn *connection, const struct fingerprint *recorded, usec_t deadline,
                      struct error *err);
