#pragma once

/*
 * The Docker Engine's API over its unix socket: the connection, the version spoken on it, and one JSON
 * request. What can be asked stands in container.h, image.h, exec.h, logs.h, events.h.
 *
 * Each request makes a connection of its own: a handle may be used after fork() in both processes, and a
 * daemon that was restarted is met again by the next request. No function here retries.
 *
 * Errors, the same in all of these headers:
 *   -ECONNREFUSED  nobody listens on the socket, or there is none: the daemon does not run
 *   -ECONNRESET    the connection broke before the answer was whole
 *   -ETIME         no answer, or not the whole of it, by the deadline (a hung daemon accepts and never
 * answers) -ENOENT        Docker knows no such object (HTTP 404) -EEXIST        a conflict with the state it
 * is in: a name in use, an image in use (HTTP 409) -ENOTSUP       this daemon cannot do that (HTTP 501)
 *   -EPROTO        Docker answered with any other error; its own message is the text
 *   -EBADMSG       the answer is not what the API's documentation says
 *   -EFBIG         the answer is larger than anything sensible (64 MiB)
 * The first three are the daemon's trouble, and say nothing about a container.
 */

#include <stdbool.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/json.h"

/* On whatever this program makes in Docker: its value is the transaction's id. */
#define DOCKER_LABEL "upgrade-watchdog.transaction"

struct engine;

/*
 * Connects and agrees on a version. @socket_path NULL: what DOCKER_HOST names (unix:// only, -ENOTSUP else),
 * or /var/run/docker.sock. Returns 0 with @ret owned by the caller, -EPROTONOSUPPORT when the daemon is older
 * than API 1.41 (Docker 20.10), or an error as above.
 */
int engine_new(const char *socket_path, usec_t deadline, struct engine **ret, struct error *err);
void engine_free(struct engine *engine);
void cleanup_engine(struct engine **engine);
#define _cleanup_engine_ __attribute__((cleanup(cleanup_engine)))

const char *engine_socket_path(const struct engine *engine);
const char *engine_api_version(const struct engine *engine);    /* "1.41": what is spoken */
const char *engine_server_version(const struct engine *engine); /* "20.10.24", "" where it does not say */
/* "/var/lib/docker", which @engine keeps. Asks the daemon the first time. */
int engine_root_directory(struct engine *engine, usec_t deadline, const char **ret, struct error *err);
/* May plain http be spoken to the registry at @host ("127.0.0.1:5000")? Loopback, or insecure for Docker. */
int engine_insecure_registry(struct engine *engine, const char *host, usec_t deadline, bool *ret,
                             struct error *err);

/*
 * One request. @path begins with a slash, has no version, and its query is already
 * percent-encoded (see url_escape()). @body is sent as JSON, NULL: none. @ret (may be
 * NULL) is a new reference, json_null() when the answer is empty.
 */
int engine_request(struct engine *engine, const char *method, const char *path, const json_t *body,
                   usec_t deadline, json_t **ret, struct error *err);

/* @text percent-encoded for one component of a URL (RFC 3986, unreserved stays). Owned
 * by the caller. */
char *url_escape(const char *text);

#define ENGINE_API_OLDEST "1.41" /* Docker 20.10 */
#define ENGINE_API_NEWEST "1.47" /* Docker 27; newer daemons speak it too */

/*
 * Pure: the version to speak with a daemon that says @newest and @oldest of itself
 * ("1.41", "1.12"): the newest that both know, but never below what the daemon still
 * accepts. Returns 0, -EPROTONOSUPPORT, or -EBADMSG when they are no versions.
 */
int engine_version_choose(const char *newest, const char *oldest, char ret[16], struct error *err);
