#pragma once

/*
 * What a worker works with: the record, the configuration of the transaction, and the connections to Docker,
 * Compose and the database, each opened when it is first needed.
 *
 * The record is the worker's to change, but only context_record() makes a change count: the supervisor writes
 * it, and the call returns when it is on disk.
 */

#include "watchdog/config/settings.h"
#include "watchdog/database/programs.h"
#include "watchdog/database/server.h"
#include "watchdog/docker/compose.h"
#include "watchdog/docker/container.h"
#include "watchdog/snapshot/store.h"
#include "watchdog/snapshot/tree.h"
#include "watchdog/transaction/state.h"

struct context {
    struct state *state;
    struct record *record;
    struct settings *settings;
    usec_t deadline; /* of the phase, on clock_boottime() */
    int channel;     /* -1: nobody listens */
    /* Told what is sent over a channel as progress, where there is none; may be NULL. */
    void (*progress)(void *userdata, const char *text, uint64_t done, uint64_t total);
    void *userdata;
    bool dry; /* `check` and `plan`: nothing is written, context_record() does nothing */
    struct buffer received;

    struct engine *engine;
    struct compose *compose;
    struct container database; /* id NULL: not looked at yet */
    struct server *server;
    struct programs *programs;
    PGconn *maintenance;
    struct server *elsewhere; /* of Url=, for looks at it alone: stays while it is out of reach; NULL: none */

    struct snapshot *snapshot; /* of the transaction, once opened */
    char **before_files; /* "ID STARTED" of each container just before the latest file pass; NULL: none yet */
    struct process_child up; /* a `compose up` in the background; .pid 0: none */
    usec_t progress_sent;
    char *step_text;
};

void context_done(struct context *context);
/* In a forked child that has no business with the database: overwrites its passwords, and leaves the parent's
 * session alone. @context is a struct context. */
void context_forget(void *context);

/* Opens what is named and everything under it. Errors say what cannot be reached. */
int context_open_engine(struct context *context, struct error *err);
int context_open_compose(struct context *context, struct error *err);
/* The database's container as it is now; it must run. */
int context_open_database(struct context *context, struct error *err);
/* A session to the maintenance database; a broken one is replaced. */
int context_open_maintenance(struct context *context, struct error *err);
/* Forgets what is known about the database's container and server: they may be new ones. */
void context_close_database(struct context *context);

/* Has the supervisor write the record; 0 when it is on disk. */
int context_record(struct context *context, struct error *err);
/* For the person who watches; at most a few times a second when only numbers change. @total 0: not known. */
void context_progress(struct context *context, uint64_t done, uint64_t total, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A line for the journal and the terminal: @kind is a name of audit/journal.h's table. */
void context_event(struct context *context, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A probe of the window has begun to fail, or cannot look any more: @result "fail" or "unknown". */
void context_probe(struct context *context, const char *probe, const char *result, const char *sentence);
/* The probes' latest reports, for the terminal; also kept in the record. */
void context_reports(struct context *context, json_t *reports);

/* The process that this one works for, 0 in `check` and other commands that look by themselves. */
pid_t context_supervisor(const struct context *context);

/* A deadline @after from now, but never after the phase's. */
usec_t context_deadline(const struct context *context, usec_t after);

/* tree_run with this phase's deadline; progress goes to the supervisor under @text (a literal). */
struct tree_run context_tree_run(struct context *context, const char *text);

/* The transaction's snapshot, complete or not. */
int context_open_snapshot(struct context *context, struct error *err);

/* All containers of the project. */
int context_containers(struct context *context, struct container **ret, size_t *ret_count, struct error *err);
/* Is it the application's database service? */
bool context_is_database(const struct context *context, const struct container *container);

/* Whether the fence of the application's databases stands: read from the catalogue. */
int context_fenced(struct context *context, bool *ret, struct error *err);

/* Services but the database (and, with @but_gate, the gate) that ran before; NULL-ended, owned by the caller.
 */
char **context_services(const struct context *context, bool but_gate, bool all);
