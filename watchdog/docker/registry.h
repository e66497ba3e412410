#pragma once

/*
 * A registry, asked directly (OCI Distribution Specification 1.1): what the Engine cannot say of an image
 * that is not pulled yet. Plain http for loopback hosts and those that Docker calls insecure, else https; a
 * registry's 401 is answered with a bearer token or basic authentication, from auth.h.
 */

#include <stddef.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/engine.h"

/*
 * The label org.opencontainers.image.version of @reference ("name:tag" or with a digest) at @digest (an
 * index's or a manifest's), for linux on this machine's architecture. Whatever comes is checked against its
 * digest. Nothing depends on it: returns 0 with "" when the image does not say, and an error with "" too.
 * @ret_version is owned by the caller in every case.
 */
int registry_version(struct engine *engine, const char *reference, const char *digest, usec_t deadline,
                     char **ret_version, struct error *err);

/* Pure: the digest of the manifest for linux/@architecture (Go's name, "amd64") in an index; -ENOENT when it
 * has none, -EBADMSG. Borrowed from @index. */
int registry_choose_platform(const json_t *index, const char *architecture, const char **ret_digest,
                             struct error *err);
/* Go's name of this machine's architecture. */
const char *registry_architecture(void);
