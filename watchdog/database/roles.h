#pragma once

/*
 * What belongs to the cluster and not to a database: roles, their attributes, passwords (as hashes, where our
 * role is a superuser), settings and memberships.
 */

#include <jansson.h>

#include "watchdog/database/server.h"

/* Reads all but the predefined roles (pg_*). The value holds password hashes: keep it in files of mode 0600
 * and show it to nobody. */
int roles_read(PGconn *connection, usec_t deadline, json_t **ret, struct error *err);

/* What differs, as sentences for a person: "role \"x\": password changed". An empty array when nothing does.
 * Holds no secret. New reference. */
json_t *roles_difference(const json_t *before, const json_t *after);

/* Puts back what differs from @before: roles dropped since are made again, attributes, passwords, settings
 * and memberships changed since are set; roles made since are left and only told. In one transaction.
 * @ret_told (may be NULL) gets what was done and what was left, as roles_difference(). Returns 1 when
 * something was put back, 0 when nothing had to be; -EPERM where our role may not. */
int roles_restore(PGconn *connection, const json_t *before, usec_t deadline, json_t **ret_told,
                  struct error *err);
