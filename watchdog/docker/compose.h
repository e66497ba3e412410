#pragma once

/*
 * Docker Compose: the one program that understands Compose files, run directly, never through a shell or a
 * CLI that forks it.
 *
 * What is run is what a person's plain `docker compose` does in the project's directory: a file, project or
 * profile is named only where the configuration or the running containers' labels differ from that, and
 * COMPOSE_* variables of our own environment are not passed on. Output of `config` holds secrets and stays in
 * memory.
 */

#include "watchdog/base/json.h"
#include "watchdog/base/process.h"
#include "watchdog/docker/engine.h"

struct settings;
struct compose;

/*
 * Finds Compose v2 ("docker-compose" on PATH, else the CLI's plug-in directories), the project's name and its
 * files.
 * @ret is owned by the caller and borrows nothing. Errors: -ENOENT (no Compose, no directory, no Compose
 * file), -EPROTONOSUPPORT (only Compose v1), -EBUSY (the directory has containers of several projects:
 * Project= must say which), those of engine.h and process_run().
 */
int compose_new(const struct settings *settings, struct engine *engine, usec_t deadline, struct compose **ret,
                struct error *err);
void compose_free(struct compose *compose);
void cleanup_compose(struct compose **compose);
#define _cleanup_compose_ __attribute__((cleanup(cleanup_compose)))

const char *compose_project(const struct compose *compose);
const char *compose_directory(const struct compose *compose); /* absolute */
const char *compose_version(const struct compose *compose);   /* "2.26.1" */
/* The Compose files in force, absolute, in order, with the automatic override file. NULL-ended, borrowed. */
char *const *compose_files(const struct compose *compose);
/* Environment files in force (.env, or EnvFile=); may be empty. NULL-ended, borrowed. */
char *const *compose_env_files(const struct compose *compose);
/* Files were named by configuration or labels, or by COMPOSE_FILE: no automatic override file is picked up.
 */
bool compose_files_explicit(const struct compose *compose);
/* COMPOSE_FILE= in an environment file names them: an override file is added there. */
bool compose_files_from_environment(const struct compose *compose);
/* Looks at the files again, after an override file or a COMPOSE_FILE= was added or removed. */
int compose_refresh(struct compose *compose, struct error *err);

/* `config --format json`. @ret is a new reference and holds secrets. The error of a file that does not parse
 * is Compose's own line. */
int compose_config(struct compose *compose, usec_t deadline, json_t **ret, struct error *err);
/* The same with the services of every profile; a Compose before 2.24 leaves them out. */
int compose_config_all(struct compose *compose, usec_t deadline, json_t **ret, struct error *err);
/* What @text, a value of a Compose file such as "app:${TAG:-1}", stands for in the project's environment.
 * Owned by the caller. A variable that has to be set and is not is Compose's own error. */
int compose_interpolate(struct compose *compose, const char *text, usec_t deadline, char **ret,
                        struct error *err);
/* Is the answer of `config` the same when compose_files() are named one by one? 0, or -ENOTRECOVERABLE when
 * this program has misunderstood which files are in force. */
int compose_verify_files(struct compose *compose, usec_t deadline, struct error *err);

enum compose_up_flags {
    COMPOSE_UP_NO_START = 1 << 0,    /* create (recreate) only */
    COMPOSE_UP_NO_RECREATE = 1 << 1, /* leave what is there as it is, whatever its configuration */
    COMPOSE_UP_FORCE_RECREATE = 1 << 2,
    COMPOSE_UP_DEPENDENCIES = 1 << 3, /* without: --no-deps */
};
/*
 * `up -d` (or --no-start) --pull never --no-build of @services (NULL-ended; empty is -EINVAL: never "all" by
 * accident). Killed with all its children at the deadline (-ETIME); what it asked of the daemon may go on.
 * The error has Compose's last line.
 */
int compose_up(struct compose *compose, char *const *services, unsigned flags, usec_t deadline,
               struct error *err);
/* The same in the background: process_poll(), process_stop(). */
int compose_up_start(struct compose *compose, char *const *services, unsigned flags,
                     struct process_child *ret, struct error *err);
/* `run -d --no-deps` of a service under a name of ours: no published ports, no network alias of the service,
 * no pull.
 * @labels "name=value", NULL-ended. @ret_id (may be NULL) is owned by the caller. */
int compose_run_twin(struct compose *compose, const char *service, const char *name, char *const *labels,
                     usec_t deadline, char **ret_id, struct error *err);
