#pragma once

/* Inside this directory only: GET from a registry, with its authentication. */

#include <stdbool.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/auth.h"

/* A registry's WWW-Authenticate header (RFC 6750, section 3; distribution's token authentication). */
struct challenge {
    char *scheme; /* "bearer" or "basic" */
    char *realm, *service, *scope;
};
/* Pure: the value of the header. Returns 0, or -EBADMSG when it is neither scheme or has no realm for Bearer.
 */
int challenge_parse(const char *text, struct challenge *ret);
void challenge_done(struct challenge *challenge);

struct registry {
    char *base; /* "https://registry-1.docker.io" */
    bool insecure;
    char *path;          /* of the repository: "library/postgres" */
    struct auth auth;    /* may be empty */
    char *authorization; /* the header's value, once it was asked for: a secret */
    usec_t deadline;
};

/* Asks for nothing yet. @host, @path as of struct reference. */
int registry_open(const char *host, const char *path, bool insecure, usec_t deadline, struct registry *ret,
                  struct error *err);
void registry_done(struct registry *registry);

/* GET /v2/PATH/@what ("manifests/sha256:…"), at most @limit bytes. -ENOENT: 404, -EACCES: 401 or 403. */
int registry_get(struct registry *registry, const char *what, const char *accept, size_t limit,
                 struct buffer *ret, struct error *err);
