#pragma once

/* How much the file system of the server's data can still take. */

#include <stdint.h>

#include "watchdog/database/facts.h"

struct container;

/* Free bytes, by fstatvfs(3) of the data directory inside the running container: as the server says, else
 * PGDATA of its environment, else the official image's place. */
int server_room(const struct container *database, const struct server_facts *facts, uint64_t *ret_free,
                struct error *err);
