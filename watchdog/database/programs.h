#pragma once

/*
 * PostgreSQL's own client programs (pg_dump, pg_restore, pg_dumpall, psql), run where the database is, so
 * that they are of its version: by exec in its container; for a server elsewhere on this host, or in a
 * container of an image, not older than the server. No password is in an argument list; it is in the
 * environment of the program (readable by root only) and only where the server asks for one.
 */

#include <stddef.h>

#include "watchdog/database/server.h"

/* One run of a program. */
struct program_call {
    char *const *argv;
    char *const *environment;                                 /* added to what is there; NULL: nothing */
    const char *user;                                         /* to run it as; NULL: the container's */
    int (*on_input)(void *userdata, char *data, size_t size); /* bytes, 0 at the end, -errno; NULL: none */
    int (*on_output)(void *userdata, const char *data, size_t size); /* 0 or -errno; NULL: thrown away */
    void *userdata;
    usec_t deadline;
};

/* Runs one: 0 with the exit status and the end of standard error (owned by the caller), or -errno when it
 * could not be run or a callback failed (its -errno). */
typedef int (*program_runner)(void *context, const struct program_call *call, int *ret_exit,
                              char **ret_errors, struct error *err);

struct engine;
struct programs;

/* In the container of the database (engine_exec()). Both must outlive it. */
void programs_new(struct engine *engine, const struct container *database, struct programs **ret);
/* For an external server, as [Database] Programs= says: of a directory of this host, of this host's
 * PostgreSQL packages and PATH, or of an image: then in a container of ours on the host's network, labelled
 * @id, which is made at the first call and goes with @ret (or by itself, when the first call's time is long
 * over). @engine must outlive it. */
void programs_new_external(const struct settings *settings, struct engine *engine, const char *id,
                           struct programs **ret);
/* By another runner. */
void programs_new_runner(program_runner runner, void *context, struct programs **ret);
void programs_free(struct programs *programs);
void cleanup_programs(struct programs **programs);
#define _cleanup_programs_ __attribute__((cleanup(cleanup_programs)))

/* Finds out, with psql, where the programs are (the server's own directory, else PATH) and how they get in
 * (socket without and with password, 127.0.0.1 without and with, as the operating system's user of the role's
 * name; an external server by its address alone), and that pg_dump is not older than the server. Done once;
 * the functions below and dump.h do it themselves. The error lists what was tried. */
int programs_find(struct programs *programs, struct server *server, usec_t deadline, struct error *err);

/* "pg_dump (PostgreSQL) 15.18 of /usr/lib/postgresql/15/bin/", of external programs, after programs_find().
 */
const char *programs_name(const struct programs *programs);

/* Runs `NAME ARGUMENTS…` and, with @database, `-d` its connection string; argv, environment and user of @io
 * are not looked at. 0 only when it exited with 0; -EREMOTEIO with its own messages when with another status,
 * -EIO when it was killed, -ENOENT (no such program), -ETIME, a callback's error, or the runner's. */
int programs_run(struct programs *programs, struct server *server, const char *name, char *const *arguments,
                 const char *database, const struct program_call *io, struct error *err);
