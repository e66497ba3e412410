#pragma once

/*
 * The supervisor from inside, for its two files: supervisor.c carries decisions out, supervisor-worker.c
 * starts the phase's worker, listens to it and ends it.
 */

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "watchdog/base/memory.h"
#include "watchdog/transaction/supervisor.h"

struct supervisor {
    struct state *state;
    struct record *record;
    const struct observer *observer;
    usec_t freeze_time, watch_time; /* deadlines that the configuration sets */

    sd_event *event;
    sd_event_source *child, *channel, *timer, *pause;
    pid_t worker;
    usec_t worker_until; /* its deadline, on clock_boottime() */
    int fd;              /* -1: no worker */
    struct buffer received;
    usec_t phase_begun; /* clock_boottime() */
    unsigned attempts;  /* of the present phase, in this process, before the present one */

    bool tells, pings; /* somebody is to be told of ends, and of beginnings */
    bool ready;        /* systemd knows */
    int inhibitor;     /* -1: none */
    bool resting;      /* the worker is PHASE_REST, for the record's phase */
    bool recovering; /* what comes after the rest is machine_recover()'s, else machine_failed()'s or _stop()'s
                      */
    usec_t rest_time; /* how long Docker and the database may be out of reach */
    usec_t rest_until;
    char *rest_told; /* the latest reason for waiting */
    bool ended;      /* the worker's "end" came */
    struct machine_move move;
    bool failed, fenced;
    char *reason;

    enum exit_code exit;
};

void supervisor_tell(struct supervisor *self, const char *kind, const char *text);
/* A phase of the way back could not be completed: everything is kept, and a person is needed. */
void supervisor_incomplete(struct supervisor *self);
/* Called when the worker is gone, whatever it said before. */
void supervisor_worker_ended(struct supervisor *self);

/* One run per project and per database server, whatever the state directory: as soon as @record names them.
 * Returns 0, -EBUSY when another run has them, or -errno. */
int supervisor_take_locks(struct supervisor *self, const struct record *record, struct error *err);

/* Starts the worker of a phase (PHASE_REST too), with so much time. */
void supervisor_begin_worker(struct supervisor *self, enum phase phase, usec_t time);
/* Tells systemd how long the present worker may take: its timeouts move with the phase's deadline
 * (sd_notify(3), EXTEND_TIMEOUT_USEC). */
void supervisor_extend(const struct supervisor *self);
/* Kills it and everything it started, and returns when all of that is gone. */
void supervisor_drop_worker(struct supervisor *self);
