#pragma once

/*
 * The transaction as one table: the phases in order, the steps of each, and what is done when one fails, is
 * asked to stop, or is found dead. machine.c holds the table; nothing else in the program knows the order of
 * things.
 *
 * Everything here is pure: the worker asks what comes next and does it, recovery asks where to go on, and a
 * unit test walks the very same table through every order of faults over a model of the world.
 */

#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/clock.h"

enum phase {
    PHASE_NONE,
    PHASE_PREFLIGHT,
    PHASE_BASELINE,
    PHASE_RESOLVE,
    PHASE_FETCH,
    PHASE_BACKUP,
    PHASE_QUIESCE,
    PHASE_FREEZE,
    PHASE_SWITCH,
    PHASE_WATCH,
    PHASE_COMMIT,
    PHASE_BACK_OUT,
    PHASE_UNDO_STOP,
    PHASE_UNDO_DATA,
    PHASE_UNDO_PINS,
    PHASE_UNDO_START,
    PHASE_FORGET, /* drops what preflight to backup made; nothing of the application was touched */
    PHASE_REST,   /* recovery's first: the world comes to rest, then it is looked at; never recorded */
    PHASE_COUNT,
};

enum step {
    STEP_INSPECT,         /* what is there: containers, policies, tags, files, databases, into the record */
    STEP_CHECK,           /* every precondition */
    STEP_BASELINE,        /* all probes on the running release */
    STEP_RESOLVE,         /* candidate digests, known-bad list */
    STEP_FETCH,           /* the candidate's images by digest, held, no tag moved */
    STEP_DUMP,            /* a verified dump */
    STEP_COPY_FILES,      /* first pass over the data directories; Compose files */
    STEP_ARCHIVE_IMAGES,  /* the running release's images */
    STEP_SEAL_SNAPSHOT,   /* the snapshot is complete and copied off the host */
    STEP_CHECKPOINT,      /* the database writes out its buffers, so that the clone has less to do */
    STEP_COMPARE_RUNNING, /* seen: another picture than in preflight */
    STEP_POLICIES_OFF,    /* restart policies away from every container but the database's */
    STEP_STOP,            /* everything but the database, ours included */
    STEP_SEE_STOPPED,     /* seen: something runs */
    STEP_FENCE,           /* the databases refuse connections */
    STEP_END_SESSIONS,    /* and those that stand are ended and awaited */
    STEP_CLONE,           /* the exact copy of the databases, recorded by OID */
    STEP_SECOND_PASS,     /* the exact copy of the files */
    STEP_PINS_NEW,        /* Compose files as the candidate wants them */
    STEP_TAGS_NEW,        /* local tags to the candidate's images */
    STEP_SYNC,            /* data, state and Docker's root are on disk */
    STEP_AWAIT_FOREIGN,   /* compose processes of somebody else on this project have ended */
    STEP_LIFT,            /* the fence, of all databases in one transaction */
    STEP_DATABASE_HEALTH, /* the database's own health check passes */
    STEP_CREATE_NEW,      /* the candidate's containers, not started */
    STEP_POLICIES_BACK,   /* each service's own, but for a gate that is shut */
    STEP_START_NEW,       /* begins to start what should run and does not */
    STEP_WATCH,           /* the window. seen: the release failed */
    STEP_START_ALL,       /* everything that ran before runs, the gate too */
    STEP_REMOVE_TWIN,     /* the probes' container */
    STEP_SETTLE_CLONE,  /* kept for a while or dropped; our tags and containers of the transaction dropped */
    STEP_RETAIN,        /* old snapshots and quarantine go by the rules */
    STEP_LAST_LOOK,     /* seen: a service is down, or something of ours stands about */
    STEP_PINS_BEFORE,   /* Compose files exactly as they were (back-out) */
    STEP_PINS_OLD,      /* the old images pinned (undo) */
    STEP_TAGS_OLD,      /* local tags to the old images */
    STEP_CREATE_OLD,    /* the old release's containers, not started */
    STEP_RESTORE_FILES, /* files as in the manifest, what is displaced goes to quarantine */
    STEP_SEE_NEVER_STARTED, /* seen: something runs, or was started since the files were restored */
    STEP_SEE_IDENTITY,      /* seen: the application's name does not belong to the restored database */
    STEP_START_OLD,         /* the old release */
    STEP_PROBE_OLD,         /* the probes against the baseline. seen: the old release does not pass */
    STEP_DROP_CLONE,        /* back-out: it is not needed */
    STEP_KEEP_LOGS,         /* of what failed */
    STEP_COUNT_WRITES,      /* what a rollback loses, per table */
    STEP_PREPARE_DATABASES, /* the clone with its fingerprint, else the dump restored beside */
    STEP_SWAP,              /* by OID, in one transaction */
    STEP_RESTORE_ROLES,     /* what belongs to the cluster and differs */
    STEP_END_OURS,          /* sessions and execs of ours, of a dead run */
    STEP_REPAIR_NAMES,      /* containers of a killed compose: renamed back or removed */
    STEP_START_DATABASE,    /* the database's container, when it is down */
    STEP_DROP_HOLDS,        /* tags and containers of ours, unfinished snapshots, clones of no use */
    STEP_COUNT,
};

/* When a row of a phase applies: else it is passed over. */
enum condition {
    IF_ALWAYS,
    IF_FENCED,                 /* the fence of the application's databases stands */
    IF_FENCED_FROM_SWITCH,     /* and this is a back-out that came from switch: the candidate may have been
                                  started */
    IF_FENCED_OR_FROM_QUIESCE, /* or one that came from quiesce: a stop that a dead worker asked for may be in
                                  flight, and is awaited by asking again */
};

/* Where the row goes when its step saw what it looks for. */
enum seen {
    SEEN_NEVER, /* the step does not look */
    SEEN_BACK_OUT,
    SEEN_UNDO,
    SEEN_UNDO_DATA,
    SEEN_FORGET,
    SEEN_REPEAT,     /* from the row of this phase marked .repeat */
    SEEN_INCOMPLETE, /* a person is needed */
};

/* What becomes of a phase that failed, was asked to stop, or was found dead. */
enum fate {
    FATE_FORGET,
    FATE_BACK_OUT,
    FATE_BACK_OUT_OR_UNDO, /* as long as the fence stands the one; afterwards, and as a failure only after
                              MACHINE_ATTEMPTS (the host may be in trouble), the other */
    FATE_BACK_OUT_OR_AGAIN,
    FATE_UNDO_OR_LEAVE, /* before the first full pass the one, afterwards the record stays for the next start
                         */
    FATE_AGAIN, /* from its first row; as a failure at most MACHINE_ATTEMPTS times, then a person is needed */
    FATE_GO_ON, /* the request to stop waits until the phase is done */
};

#define MACHINE_ATTEMPTS 3

struct row {
    enum step step;
    enum condition condition;
    enum seen seen;
    bool
        repeat; /* the row that SEEN_REPEAT goes back to: the last marked one at or before the row that saw */
};

struct phase_row {
    const char *name; /* as in records, journal and JSON */
    usec_t deadline;  /* 0: from the configuration (freeze, watch) */
    const struct row *rows;
    size_t rows_count;
    enum phase next; /* PHASE_NONE: the transaction is closed */
    enum fate failed, stopped, dead;
    bool upgrade; /* part of an upgrade's way forward */
    const char *comment;
};

extern const struct phase_row machine_phases[PHASE_COUNT];

const char *phase_name(enum phase phase);
enum phase phase_by_name(const char *name); /* PHASE_NONE when there is none */
const char *step_name(enum step step);

/* What the decisions depend on: from the record and from the database's catalogue, never from a marker of
 * ours. */
struct machine_world {
    const struct phase_row *phases; /* NULL: machine_phases; the model's test walks altered copies */
    bool fenced;
    bool first_pass;
    enum phase back_out_from;
    bool system_stopping;
    unsigned attempts; /* of this phase, before the present one */
};

enum answer {
    ANSWER_DONE,
    ANSWER_SEEN,
    ANSWER_FAILED,
};

enum move {
    MOVE_STEP,       /* go on with .row of .phase */
    MOVE_PHASE,      /* record .phase, then begin it */
    MOVE_CLOSE,      /* the transaction is over: record the outcome */
    MOVE_LEAVE,      /* the record stays, the next start goes on */
    MOVE_INCOMPLETE, /* the record stays, a person is needed */
    MOVE_WAIT,       /* a request to stop: not yet */
};

struct machine_move {
    enum move move;
    enum phase phase;
    size_t row;
};

/* Whether the row applies; the worker passes over it when not. */
bool machine_applies(const struct row *row, const struct machine_world *world);

/* The way from a row that answered. A step that failed ends its phase by the phase's fate. */
struct machine_move machine_next(enum phase phase, size_t row, enum answer answer,
                                 const struct machine_world *world);

/* The way of a phase whose worker died, overran its deadline or said that it failed. */
struct machine_move machine_failed(enum phase phase, const struct machine_world *world);

/* The way of a recorded phase when the program was found dead in it. */
struct machine_move machine_recover(enum phase phase, const struct machine_world *world);

/* The way of a phase in which the program is asked to end (SIGTERM, Ctrl-C). */
struct machine_move machine_stop(enum phase phase, const struct machine_world *world);
