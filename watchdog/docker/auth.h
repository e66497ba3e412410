#pragma once

/*
 * Credentials of registries, as `docker login` left them: $DOCKER_CONFIG/config.json, else
 * ~/.docker/config.json; "auths", "credHelpers" and "credsStore" (the helper is run as Docker runs it).
 */

#include <curl/curl.h>
#include <stdbool.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

struct auth {
    char *username, *password; /* NULL: none known */
    char *identity_token;      /* instead of a password; NULL: none */
    char *server;              /* as the file names it */
};
void auth_done(struct auth *auth); /* wipes */
#define _cleanup_auth_ __attribute__((cleanup(auth_done)))

/* @host as in struct reference ("docker.io"). Returns 1 when there are some, 0 when none (also where the
 * credential helper says that it knows none), -EACCES when the helper is not there or fails, -ETIME when it
 * does not answer within 30 s, or -errno when the file cannot be read. */
int auth_find(const char *host, usec_t deadline, struct auth *ret, struct error *err);
/* The value of the Engine's X-Registry-Auth header. Owned by the caller: a secret. */
char *auth_header(const struct auth *auth);
/* The same as a list of headers, NULL when there are no credentials: curl_slist_free_all(). */
int auth_request_headers(const char *host, usec_t deadline, struct curl_slist **ret, struct error *err);
/* Where @err (of Docker, about the registry @host) is that of a registry that refused: adds which file the
 * login was looked for in, and what to do. @known: a login was sent along. Returns -err->number. */
int auth_explain(const char *host, bool known, struct error *err);
