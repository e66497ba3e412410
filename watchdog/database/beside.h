#pragma once

/*
 * What a release may make beside the application's databases: other databases, tablespaces, settings of the
 * whole server, extensions. A rollback does not touch it, since nobody knows whose it is; a person has to
 * know.
 */

#include <jansson.h>

#include "watchdog/database/query.h"

/* {"databases": {name: OID}, "tablespaces": [name], "settings": {name: digest}}; "settings", those of ALTER
 * SYSTEM, is missing where our role may not read them. Their values may be secrets. @connection is to the
 * maintenance database. @ret is a new reference. */
int beside_read(PGconn *connection, usec_t deadline, json_t **ret, struct error *err);

/* [name and version of each extension] of the database of @connection. @ret is a new reference. */
int extensions_read(PGconn *connection, usec_t deadline, json_t **ret, struct error *err);

/* Sentences on what is there now and was not before, or not any more, and the statement that ends it.
 * Databases of the names @ours, NULL-ended, are left out: this program's, and the application's own. New
 * reference. */
json_t *beside_difference(const json_t *before, const json_t *now, char *const *ours);
json_t *extensions_difference(const json_t *before, const json_t *now, const char *database);
