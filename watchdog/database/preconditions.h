#pragma once

/*
 * What must hold for an upgrade with this database: each a look that changes nothing, and a finding that says
 * what to do where it does not hold.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/database/catalog.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/server.h"

struct finding {
    char *name; /* "database-ownership" */
    bool ok;
    bool advisory;  /* not ok, but no reason to refuse */
    char *sentence; /* what was found */
    char *cure;     /* what to do; "" when ok */
};
void findings_free(struct finding *findings, size_t count);

/* Adds one; the texts are copied. */
void findings_add(struct finding **findings, size_t *count, const char *name, bool ok, bool advisory,
                  const char *cure, const char *format, ...) __attribute__((format(printf, 7, 8)));

/* All of them for the databases @names: they exist; createdb, ownership (or membership in the owner); fsync,
 * full_page_writes; not in recovery; no prepared transactions, logical slots, subscriptions; pg_cron and the
 * like; sessions of other applications (@containers_addresses: addresses of the application's own containers,
 * NULL: not known); room for one more copy of all (@free_bytes of the data directory's file system,
 * UINT64_MAX: not known); collation versions; leftovers of killed clones. A server that does not answer is an
 * error, not a finding. */
int preconditions_look(struct server *server, char *const *names, char *const *containers_addresses,
                       uint64_t free_bytes, usec_t deadline, struct finding **ret, size_t *ret_count,
                       struct error *err);

/* Free bytes for the server's data directory, by statvfs(3) through /proc/PID/root of the container. */
int server_room(const struct container *database, const struct server_facts *facts, uint64_t *ret_free,
                struct error *err);
