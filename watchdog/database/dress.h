#pragma once

/*
 * What a clone or a restored dump does not inherit from its source, and has to be given: privileges,
 * settings, comment.
 */

#include "watchdog/database/catalog.h"

/* What must be equal between a database and the one that takes its place, but is not: "owner", "comment",
 * "acl", "settings", "connection limit", "encoding", "locale", "template" …, joined with ", ". "" when
 * nothing. Owned by the caller. */
char *database_difference(const struct database *a, const struct database *b);

/* Gives the database now called @name what @recorded says and a clone or restored dump does not inherit: ACL
 * and settings (the comment is database_comment()'s). Call it in a transaction. */
int database_dress(PGconn *connection, const char *name, const struct database *recorded, usec_t deadline,
                   struct error *err);

/* COMMENT ON DATABASE; NULL takes it away. */
int database_comment(PGconn *connection, const char *name, const char *comment, usec_t deadline,
                     struct error *err);

/* The right side of SET name TO …, for a value as the catalogs hold it: a literal, or a list of literals for
 * settings that are lists of identifiers (search_path). Owned by the caller. */
char *setting_value_sql(PGconn *connection, const char *name, const char *value);
