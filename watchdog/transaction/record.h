#pragma once

/*
 * The record of a transaction: everything that recovery needs to know and cannot see. It is on disk before
 * each phase begins and before each effect that it announces (names before things are made, OIDs as soon as
 * they exist).
 */

#include <stdbool.h>
#include <stdint.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/codec.h"
#include "watchdog/transaction/machine.h"

enum outcome {
    OUTCOME_NONE, /* the transaction is open */
    OUTCOME_UPGRADED,
    OUTCOME_UP_TO_DATE,
    OUTCOME_REFUSED,
    OUTCOME_REJECTED,
    OUTCOME_ABORTED,
    OUTCOME_ROLLED_BACK,
    OUTCOME_ROLLBACK_FAILED,
};
const char *outcome_name(enum outcome outcome); /* as in JSON; "none" */

enum transaction_kind {
    KIND_UPGRADE,
    KIND_ROLLBACK, /* by a person's word, to a snapshot */
    KIND_SNAPSHOT, /* backup alone */
};

enum gate_state {
    GATE_NONE, /* no gate is configured */
    GATE_SHUT,
    GATE_OPENING, /* recorded before it is started */
    GATE_OPEN,
};

/* One container of the application, as it was when the transaction began. */
struct record_service {
    char *service;
    bool database, gate;
    char *container_id, *container_name;
    char *image;    /* the reference that the Compose files resolve to, or that Compose gave what it built */
    char *tag;      /* the same without a digest: "name:tag"; NULL when only a digest names it */
    char *image_id; /* of the running container */
    char *digest;   /* "sha256:…" by which a registry knows it; NULL when none does */
    char *version;  /* label; "" unknown */
    bool ran;       /* false: somebody had stopped it, and stopped it stays */
    bool one_shot;  /* exited with 0 and is not restarted */
    char *policy;   /* restart policy */
    int64_t policy_retries;
    bool changes; /* the candidate has another image */
    char *candidate_digest, *candidate_image_id, *candidate_version;
    char *held;           /* our tag on the running image */
    char *candidate_held; /* our tag on the candidate's */
};

/* A local tag: what it named before, "" when it was not there. */
struct record_tag {
    char *reference;
    char *image_id;
    char *candidate_image_id;
};

/* A Compose file (or .env) in force: its bytes are in the transaction's directory. */
struct record_file {
    char *path;
    char *copy;   /* name in the transaction's directory */
    char *sha256; /* of the bytes at the beginning */
};

/* An image scalar that the switch or the undo edits. */
struct record_pin {
    char *service;
    char *path;      /* the file that holds the scalar */
    char *before;    /* the scalar's value at the beginning */
    char *candidate; /* its value for the new release */
    char *meaning;   /* what that stood for when the registry was asked; NULL: it has no variables */
    char *old;       /* its value that pins the old release */
};

struct record_database {
    char *name;
    uint32_t oid;
    int64_t size; /* bytes at the beginning */
    char *clone;  /* names, made before anything is made under them */
    char *failed;
    char *restored;
    char *clone_mark;    /* random, the clone's comment */
    json_t *clone_print; /* fingerprint_to_json(), once the clone is complete */
    char *restored_mark;
    json_t *restored_print; /* the same of a restored dump, once it is verified */
    uint32_t current;       /* what holds the name when the undo begins: the release may have made it anew */
    json_t *attributes;     /* database_to_json() */
    json_t *written_before; /* statistics_read() at the switch or the gate's opening */
};

/* A data directory. */
struct record_tree {
    char *name; /* as in Data= */
    char *path; /* on the host */
};

struct record {
    char *id, *app;
    int kind;  /* enum transaction_kind */
    int phase; /* enum phase */
    int back_out_from;
    char *boot_id;
    char *version; /* of the program */
    char *config;  /* path of the configuration file: credentials are looked for beside it */
    usec_t started, finished, phase_started;
    int64_t attempts; /* of the present phase */

    char *project, *directory;
    char *system_identifier; /* of the database's cluster */
    char *database_container, *database_image_id;
    char *user;
    struct record_service *services;
    size_t services_count;
    struct record_tag *tags;
    size_t tags_count;
    struct record_file *files;
    size_t files_count;
    struct record_pin *pins;
    size_t pins_count;
    struct record_database *databases;
    size_t databases_count;
    struct record_tree *trees;
    size_t trees_count;

    char *snapshot;       /* its id */
    bool snapshot_exact;  /* the second pass is complete: files may be restored from it */
    char *hold_container; /* name of the created container that keeps images from prune */

    usec_t quiesced, switched, first_pass, undone; /* real times; undone: when the undo began */
    usec_t down_since; /* real time since which nobody is served; 0: somebody is */
    int64_t memory;    /* bytes that the old release\'s containers used at the baseline; 0: not known */
    json_t *window;    /* verdict_memory_to_json(): where the window stood */
    int gate;          /* enum gate_state */
    bool gate_by_hand;
    char *twin;

    char *cause; /* why it is undone or was refused */
    char *failed_probe;
    int failed_phase; /* where the decision fell */
    bool bad;         /* a probe said so: never tried again */
    bool again;       /* asked for: a known-bad release may be tried */
    bool known_bad;   /* refused, since this release has failed before */
    bool locked_out;  /* another run holds the project or the server */
    bool stop_asked;  /* by SIGTERM or Ctrl-C */
    char **quarantines;
    json_t *reports; /* the last round of probes */
    json_t *seconds; /* phase and measure names → seconds */
    json_t *lost;
    bool lost_unknown; /* could not be counted */
    char **notes;      /* what a person should know besides */
    int outcome;       /* enum outcome */
};

extern const struct field record_fields[];

struct record *record_new(const char *app, enum transaction_kind kind);
void record_free(struct record *record);
void cleanup_record(struct record **record);
#define _cleanup_record_ __attribute__((cleanup(cleanup_record)))

json_t *record_encode(const struct record *record);
int record_decode(const json_t *json, const char *place, struct record **ret, struct error *err);

/* What people and scripts see: DESIGN.md section 8, in `status`, `history` and `report`. New reference. */
json_t *record_public(const struct record *record);

/* Borrowed; NULL when there is none. */
struct record_service *record_service(const struct record *record, const char *service);
struct record_service *record_gate(const struct record *record);

/* seconds.NAME = value. */
void record_seconds(struct record *record, const char *name, usec_t duration);
/* The application serves again: the downtime until now is added up. */
void record_serves(struct record *record);
void record_note(struct record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));
