#pragma once

/*
 * What the server's catalogs say of databases, with all that CREATE DATABASE … TEMPLATE does not carry over.
 * A database is its OID; its name is only what it is called at the moment.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "watchdog/database/server.h"

/* One privilege of a database's ACL (aclexplode()). */
struct database_grant {
    char *grantee; /* "": PUBLIC */
    char *grantor;
    char *privilege; /* CONNECT, CREATE, TEMPORARY */
    bool grantable;
};

/* One entry of pg_db_role_setting for the database. */
struct database_setting {
    char *role; /* "": all roles */
    char *name;
    char *value; /* as the catalog has it */
};

struct database {
    uint32_t oid;
    char *name, *owner, *tablespace;
    char *encoding, *collate, *ctype;
    char *provider;          /* "libc", "icu", "builtin" */
    char *locale;            /* of ICU or the builtin provider; NULL: none */
    char *icu_rules;         /* NULL: none */
    char *collation_version; /* NULL: none recorded (or a server before 15) */
    char *comment;           /* NULL: none */
    bool has_acl;            /* false: the default privileges, no grants listed */
    struct database_grant *grants;
    size_t grants_count;
    struct database_setting *settings;
    size_t settings_count;
    int connection_limit; /* -1: none */
    bool allows_connections, is_template;
    uint64_t size; /* bytes, pg_database_size(); 0 where it may not be read */
};

void database_done(struct database *database);
void databases_free(struct database *databases, size_t count);
#define _cleanup_database_ __attribute__((cleanup(database_done)))

/* All databases but templates 0 and 1, by name. */
int databases_list(PGconn *connection, usec_t deadline, struct database **ret, size_t *ret_count,
                   struct error *err);
/* One. -ENOENT when there is none. */
int database_by_name(PGconn *connection, const char *name, usec_t deadline, struct database *ret,
                     struct error *err);
int database_by_oid(PGconn *connection, uint32_t oid, usec_t deadline, struct database *ret,
                    struct error *err);

/* Only which name belongs to which OID: 0 and *ret set; -ENOENT. @ret is owned by the caller. */
int database_name(PGconn *connection, uint32_t oid, usec_t deadline, char **ret, struct error *err);
int database_oid(PGconn *connection, const char *name, usec_t deadline, uint32_t *ret, struct error *err);

/* For the record, and back with full validation (-EBADMSG names the member). */
json_t *database_to_json(const struct database *database);
int database_from_json(const json_t *value, struct database *ret, struct error *err);

/* Drops the database @oid, which must be called @name at the moment; one marked as a template is unmarked
 * first. Returns 1, or 0 when neither is there. -EEXIST when @name is another database, or @oid has another
 * name: nothing is done then. */
int database_drop(PGconn *connection, uint32_t oid, const char *name, usec_t deadline, struct error *err);
