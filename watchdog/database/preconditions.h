#pragma once

/*
 * What must hold for an upgrade with this database: each a look that changes nothing, and a finding that says
 * what to do where it does not hold.
 */

#include <stdint.h>

#include "watchdog/database/finding.h"
#include "watchdog/database/room.h"
#include "watchdog/database/server.h"

/* All of them for the databases @names: they exist, are valid and accept connections; createdb and ownership
 * (or membership in the owner); fsync, full_page_writes; not in recovery; no prepared transactions, logical
 * slots, subscriptions; schedulers (pg_cron); sessions of other applications (@addresses: those of the
 * application's own containers, see preconditions_addresses(); NULL: not known, not looked at); room for one
 * more copy of all (@free_bytes on the file system of the data directory, UINT64_MAX: not known); collation
 * versions; what killed clones left. A server that does not answer is an error, not a finding. */
int preconditions_look(struct server *server, char *const *names, char *const *addresses, uint64_t free_bytes,
                       usec_t deadline, struct finding **ret, size_t *ret_count, struct error *err);

/* All addresses of the containers, in each of their networks: the database sees the one of the network that
 * they share with it. Where one of them is on the host's network, the networks' gateways too: so it comes in.
 * NULL-ended, owned by the caller. */
char **preconditions_addresses(const struct container *containers, size_t count);
