#pragma once

/*
 * The journal: what happened, with fields to search by (systemd.journal-fields(7)). Where there is no
 * journald the line is handed to the caller's own output, so that nothing is lost in silence.
 *
 *     journalctl UPGRADE_APP=qaid UPGRADE_OUTCOME=rolled-back
 */

#include <stddef.h>
#include <sys/uio.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

/* Kinds of records; journal.c says of each its MESSAGE_ID, priority and entry in the message catalog. */
enum event {
    EVENT_STARTED,
    EVENT_PHASE,
    EVENT_UP_TO_DATE,
    EVENT_UPGRADED,
    EVENT_REFUSED,
    EVENT_REJECTED,
    EVENT_ABORTED,
    EVENT_ROLLED_BACK,
    EVENT_ROLLBACK_FAILED,
    EVENT_RECOVERED,
    EVENT_FIRST_PASS,
    EVENT_GATE_OPENED,
    EVENT_GATE_BY_HAND,
    EVENT_PROBE_FAILED,
    EVENT_PROBE_UNKNOWN,
    EVENT_SNAPSHOT,
    EVENT_SNAPSHOT_DAMAGED,
    EVENT_FOREIGN_START,
    EVENT_TOLD,
    EVENT_NOT_TOLD,
    EVENT_WARNING,
    EVENT_FAILURE,
    EVENT_COUNT,
};

struct event_kind {
    const char *name;       /* as in tests and the man page */
    const char *message_id; /* 32 hexadecimal digits, never changed once released */
    int priority;           /* syslog's: 0 to 7 */
    const char *subject;    /* of the catalog entry */
    const char *text;
};
extern const struct event_kind events[EVENT_COUNT];

/* Those that close a transaction, named as its outcome; ended by EVENT_COUNT. */
extern const enum event closing_events[];

/* Where records go, and whose they are. */
struct journal {
    const char *app; /* NULL: of no application */
    const char *id;  /* of the transaction; NULL: none */
    /* Gets each record as one plain line where there is no journald; NULL: standard error. */
    void (*plain)(void *userdata, int priority, const char *line);
    void *userdata;
};

/* What a record says besides its message; NULL is left out. */
struct journal_fields {
    const char *phase, *outcome, *reason;
    const char *from, *to; /* releases: "1.2.4", or several as "qaid-server 1.2.4, frontend 1.2.4" */
    const char *probe, *probe_result;
    usec_t seconds; /* how long it took; 0: left out */
};

/* Writes one record with a sentence for a person. No part of it may be a secret. Whether it arrived is not
 * told: nothing may depend on it. @fields may be NULL. */
void journal_send(const struct journal *journal, enum event event, const struct journal_fields *fields,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Waits, for a moment at most, until journald has taken what was sent. It looks up who wrote a record (the
 * unit, the program) when it takes it: of a sender that has ended by then it knows the user alone. */
void journal_settle(void);

/* Whether journald listens here and has room for a record; waits half a second for that at most. */
int journal_available(void);

/* One line for `systemctl status` (sd_notify(3), STATUS=); nothing where no service manager listens. */
void journal_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The record as journal_send() writes it, "NAME=value" each; NULL-ended, owned by the caller. */
char **journal_record(const struct journal *journal, enum event event, const struct journal_fields *fields,
                      const char *message);

/* The message catalog of all events: contents of units/upgrade-watchdog.catalog. Owned by the caller. */
char *journal_catalog(void);
