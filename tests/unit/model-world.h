#pragma once

/*
 * A small world for the phase table: what there is of an application on a host, in 24 bytes, so that millions
 * of its states can be compared and remembered. Who acts in it:
 *
 *   model-steps.c        what each step of the table does, as a list of indivisible operations
 *   model-program.c      the worker and the supervisor: they walk the real table, one operation at a time
 *   model-environment.c  everybody else: Docker, both releases, users, one person, and the faults
 *   model-explore.c      every order of all that
 *
 * A thing that nobody's decision and no promise depends on is not in here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watchdog/transaction/machine.h"

/* One byte each, so that bit-fields of them share a byte. */
#define PACKED __attribute__((packed))

enum gate_rule { GATE_RULE_NONE, GATE_RULE_FIRST_PASS, GATE_RULE_WINDOW };
/* "on-failure" is not here: after a start of dockerd it behaves as "always". */
enum restart_rule { RESTART_ALWAYS, RESTART_UNLESS_STOPPED, RESTART_NEVER };
enum candidate { CANDIDATE_GOOD, CANDIDATE_FAILS, CANDIDATE_MIGRATES_HALF, CANDIDATE_FAILS_LATE };

/* One application and one candidate: what does not change while a transaction runs. */
struct setup {
    enum gate_rule gate;
    enum restart_rule restart; /* of every service but the database */
    bool database_stays_down;  /* the database's is "no" */
    enum candidate candidate;
    bool gate_changes;  /* the candidate has another image for the gate too */
    bool pinned;        /* the Compose file pins the old release already */
    bool clone_dropped; /* a person may drop the clone, as one of the faults */
    bool stubborn;      /* the person types it again and again */
    bool rollback;      /* a person's rollback of an upgrade that succeeded */
};

/* A service like the backend but without a new image is the gate where none is configured and its image
 * stays. */
enum service { BACKEND, GATE, TWIN, CONTAINERS };

enum image { IMAGE_OLD, IMAGE_NEW } PACKED;
enum container_state { ABSENT, CREATED, STOPPED, RUNNING } PACKED;
struct container {
    enum image image : 1;
    enum container_state state : 2;
    bool own_policy : 1; /* else "no" */
    bool misnamed : 1;   /* Compose was killed while it replaced the container */
};

enum schema { SCHEMA_OLD, SCHEMA_HALF, SCHEMA_NEW } PACKED;
enum database_kind { NOWHERE, IN_THE_MAKING, CLONED, BEING_RESTORED, RESTORED, ORIGINAL } PACKED;
struct database {
    enum database_kind kind : 3;
    bool application : 1; /* has the application's name; else one of ours */
    enum schema schema : 2;
    bool fenced : 1;
    uint8_t writes;
};
enum { FIRST, SECOND, DATABASES }; /* the original, and what is made to take its place */

/* Accepted writes, one of each class: each goes into the database and into a file. */
enum {
    WRITE_BEFORE = 1, /* by the old release, before or while it is stopped */
    WRITE_OLD = 2,    /* by the old release, later */
    WRITE_NEW = 4,    /* by the new release */
};

enum files_kind { FILES_OLD, FILES_WRONG, FILES_NEW } PACKED;
struct files {
    enum files_kind kind : 2;
    uint8_t writes : 3;
};

enum snapshot_kind { SNAPSHOT_NONE, SNAPSHOT_FIRST_PASS, SNAPSHOT_COMPLETE, SNAPSHOT_TORN } PACKED;
struct snapshot {
    enum snapshot_kind kind : 2;
    bool wrong : 1;    /* copied from files that were not the old release's any more */
    bool unsynced : 1; /* a power cut may tear it */
    uint8_t writes : 3;
};

enum dump { DUMP_NONE, DUMP_GOOD, DUMP_TORN } PACKED;

/* What `image:` comes to: the Compose file's pin, else the local tags. */
struct references {
    bool pinned : 1;
    enum image backend_tag : 1;
    enum image gate_tag : 1;
};

/* `docker compose up -d`, typed by a person at the worst moment. */
enum person { PERSON_WAITS, PERSON_READ, PERSON_DID_BACKEND, PERSON_LEFT } PACKED;

enum mode { MODE_RUNS, MODE_DEAD, MODE_CLOSED, MODE_INCOMPLETE } PACKED;
enum why { WHY_DIED, WHY_FAILED, WHY_ASKED, WHY_SYSTEM_STOPS } PACKED; /* the reason of a rest */
enum mark { MARK_NONE, MARK_TAKEN, MARK_STARTED_SINCE } PACKED;

/* Beyond the operations of a step: it has answered, and the supervisor is about to record what follows. */
enum { ANSWERED_DONE = 253, ANSWERED_SEEN, ANSWERED_FAILED };

struct world {
    /* the program */
    uint8_t phase, row, operation; /* of the worker */
    enum mode mode : 2;
    enum why why : 2;
    enum mark mark : 2; /* containers' starts, noted when the files were restored last */

    /* the record: durable as soon as it is written */
    uint8_t recorded, back_out_from;
    bool first_pass : 1;
    bool gate_opening : 1;
    bool clone_known : 1;
    bool restored_known : 1;
    bool exact : 1;
    uint8_t attempts : 2;

    /* the database server */
    bool database_up : 1;
    bool session : 1; /* the backend was connected when the fence came */
    bool dump_has_write : 1;
    bool dump_unsynced : 1;
    enum dump dump : 2;
    struct database databases[DATABASES];

    /* disk: as everybody sees it, and as a power cut may leave it */
    struct files files, durable_files;
    bool spoiled : 1; /* files that were restored already were changed again */
    struct snapshot snapshot;
    struct references references, durable_references;

    /* Docker */
    struct container containers[CONTAINERS];
    uint8_t stops_in_flight : 2; /* asked for by a worker that is dead: bit of each service */
    bool gate_by_hand : 1;

    /* people and luck */
    enum person person : 2;
    enum image person_backend : 1;
    enum image person_gate : 1;
    uint8_t accepted : 3; /* writes that a user was told are stored */
};

/* The world before the transaction. */
struct world world_begin(const struct setup *setup);

struct database *world_application(struct world *world);
void world_finish_clone(struct world *world);
bool world_has_spare(const struct world *world); /* a whole database, by its recorded OID, to swap in */
bool world_fenced(const struct world *world);
bool world_connected(const struct world *world); /* the backend reaches its database */
bool world_runs(const struct world *world, enum service service);
bool world_services_run(const struct world *world); /* all that ran before */
bool world_anything_runs(const struct world *world);
bool world_composes(const struct world *world); /* somebody's compose is at work */
bool world_has_policy(const struct setup *setup, const struct world *world, enum service service);
enum image world_reference(const struct setup *setup, const struct world *world, enum service service);

void world_stop(struct world *world, enum service service);
void world_shut_gate(
    struct world *world); /* it is nobody's opening by hand any more, if it is shut for good */
void world_start(struct world *world, enum service service);
/* Compose for one service: recreated when @image is another one, then started if asked to. */
void world_compose(struct world *world, enum service service, enum image image, bool start);
void world_sync(struct world *world);
bool world_synced(const struct world *world);

/* What is wrong with an end, by promise; NULL: nothing. */
const char *world_check_end(const struct setup *setup, const struct world *world);

enum action_kind {
    ACTION_PROGRAM, /* the worker's operation, or the supervisor's decision */
    ACTION_WAITS,   /* the worker waits for somebody else */
    ACTION_PROGRAM_SEES,
    ACTION_RECOVER,
    ACTION_MIGRATES,
    ACTION_TOUCHES_FILES,
    ACTION_SPOILS_FILES,
    ACTION_EXITS,
    ACTION_WRITE,
    ACTION_CLONE_FINISHES,
    ACTION_STOP_LANDS,
    ACTION_PERSON_READS,
    ACTION_PERSON_ACTS,
    ACTION_FAULTS, /* from here on: faults */
    ACTION_KILLED = ACTION_FAULTS,
    ACTION_STEP_FAILS,
    ACTION_STOP_ASKED,
    ACTION_SYSTEM_STOPS,
    ACTION_DOCKERD,
    ACTION_POWER,
    ACTION_CLONE_DROPPED,
};

/* Everything that can happen next. */
#define SUCCESSORS_MAX 64
struct successors {
    struct {
        struct world world;
        enum action_kind action;
        unsigned detail;
    } list[SUCCESSORS_MAX];
    size_t count;
    const char *violation; /* of a promise, by what happens in this state */
};
struct world *successors_add(struct successors *successors, const struct world *world,
                             enum action_kind action, unsigned detail);

struct model {
    const struct setup *setup;
    const struct phase_row *phases;
};

/* model-steps.c: one operation of a step. */
enum result {
    RESULT_NEXT,   /* go on with the next operation */
    RESULT_DONE,   /* the step is done, whatever operations follow */
    RESULT_SEEN,   /* it saw what it looks for */
    RESULT_FAILED, /* it failed */
    RESULT_WAIT,   /* nothing to do until somebody else acts */
    RESULT_JUMPED, /* .operation is set */
};
struct operation {
    const char *words;
    enum result (*run)(const struct setup *setup, struct world *world, unsigned argument);
    unsigned argument;
};
size_t step_operations(enum step step, const struct operation **ret);

/* model-program.c: what it does next, */
void program_successors(const struct model *model, const struct world *world, struct successors *ret);
/* what it may do as well (refuse), and what may happen to it: the worker is interrupted where it stands. */
void program_optional(const struct model *model, const struct world *world, struct successors *ret);
void program_faults(const struct model *model, const struct world *world, struct successors *ret);
void program_begin(const struct model *model, struct world *world);
void program_dies(struct world *world);
bool program_in_step(const struct model *model, const struct world *world, enum step step);
bool program_has_looked(const struct model *model, const struct world *world); /* the last look, and well */
/* What it is about to do. */
const char *program_words(const struct model *model, const struct world *world);

/* model-environment.c: what everybody else may do, faults apart; then the faults. */
void environment_successors(const struct model *model, const struct world *world, struct successors *ret);
void environment_faults(const struct model *model, const struct world *world, struct successors *ret);
