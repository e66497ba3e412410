#pragma once

/*
 * What lies in the spool: something happened that somebody may want to be told. It says what happened, not to
 * whom it is told: whoever sends it decides that by the configuration of that minute.
 */

#include <jansson.h>
#include <stdbool.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/codec.h"
#include "watchdog/base/error.h"

enum message_kind {
    MESSAGE_NONE,
    MESSAGE_STARTED, /* an upgrade begins: for Ping= alone */
    MESSAGE_UPGRADED,
    MESSAGE_UP_TO_DATE,
    MESSAGE_REFUSED,
    MESSAGE_REJECTED,
    MESSAGE_ABORTED,
    MESSAGE_ROLLED_BACK,
    MESSAGE_ROLLBACK_FAILED,
    MESSAGE_FAILED, /* the unit ended without having closed a transaction, and does not go on by itself */
    MESSAGE_TEST,   /* somebody wants to know whether messages arrive */
};

struct message {
    int kind; /* enum message_kind */
    char *app;
    char *key;           /* names it among its application's: the transaction's id and the kind */
    usec_t created;      /* real time */
    json_t *transaction; /* as people and scripts see it (record_public()); NULL: it is about none */
    bool known_bad;      /* refused, since the release had failed before: that was told then */
    bool bad;            /* the release is not tried again by itself */
    bool lost_unknown;   /* what a rollback lost could not be counted */
    bool open;           /* a transaction is open */
    char *detail;        /* of MESSAGE_FAILED: what became of the unit; NULL: nothing more is known */
    char **sent;         /* the channels that have it */
    int64_t attempts;    /* to send it to those that have not */
    usec_t retry;        /* real time before which it is not tried again; 0: at once */
};

extern const struct field message_fields[];

/* The kind's word in JSON, file names and On=: "rolled-back". */
const char *message_kind_name(enum message_kind kind);
/* MESSAGE_NONE where it is no kind's. */
enum message_kind message_kind_by_name(const char *name);

struct message *message_new(const char *app, enum message_kind kind, const char *id);
void message_free(struct message *message);
void cleanup_message(struct message **message);
#define _cleanup_message_ __attribute__((cleanup(cleanup_message)))

/* How long after so many attempts the next one is made: a minute, doubled each time, an hour at most. */
usec_t message_pause(int64_t attempts);
/* Whether it is to be tried at @now (real time). A clock that was set back makes nobody wait for it. */
bool message_due(const struct message *message, usec_t now);

json_t *message_encode(const struct message *message);
/* Returns 0, or -EBADMSG with what was expected in @place. */
int message_decode(const json_t *json, const char *place, struct message **ret, struct error *err);
