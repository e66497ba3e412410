#pragma once

/*
 * The address of an external PostgreSQL server, as libpq writes it (PostgreSQL manual, 34.1.1.2):
 * postgresql://[USER@]HOST[:PORT][/DATABASE][?KEYWORD=VALUE&...]. What one gets wrong: libpq's own default,
 * sslmode=prefer, neither insists on TLS nor looks at the certificate. Here a server elsewhere is asked for
 * both (verify-full, by the system's certificates) unless the address says otherwise; on this host (a socket,
 * a loopback address) nothing is.
 */

#include <stdbool.h>

#include "watchdog/base/error.h"

struct database_url {
    char *user, *database; /* NULL: not said */
    char *host;            /* a name, an address, or the directory of a socket */
    char *port;            /* "5432" where it is not said */
    char **parameters; /* keyword and value in turn, NULL-ended: what libpq is to be given besides; sslmode is
                          there */
};

/* Takes @url apart. Returns 0 with @ret owned by the caller, or -EINVAL: libpq does not understand it, it
 * holds a password (never shown), names several hosts, or a keyword that is none of an address. */
int database_url_parse(const char *url, struct database_url *ret, struct error *err);
void database_url_done(struct database_url *url);
#define _cleanup_database_url_ __attribute__((cleanup(database_url_done)))

/* A value of @parameters, NULL where there is none. */
const char *database_url_parameter(const struct database_url *url, const char *keyword);
/* Adds the files and directories of this host that the address @url names. */
void database_url_files(const char *url, char ***files);
/* Whether somebody on the way could read along or take the server's place: a sentence for a person, NULL: no.
 * Owned by the caller. */
char *database_url_weakness(const struct database_url *url);
