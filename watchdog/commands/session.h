#pragma once

/* What a command that works on an application begins with: configuration, state, lock, and the end of what an
 * earlier run left. */

#include "watchdog/commands/command.h"
#include "watchdog/commands/watcher.h"
#include "watchdog/config/settings.h"

#define SESSION_LOCK_TIME USEC_PER_MINUTE /* for children of a dead run to end */

#define SESSION_SLOT_TIME (12 * USEC_PER_HOUR)

struct session {
    const struct options *options;
    struct watcher watcher;
    struct settings *settings;
    struct state *state;
    char *app; /* whose spool is sent in the end; NULL: nobody's */
};

/* Reads the configuration and sees that its probes and services can be. session_done() in any case. -EINVAL:
 * exit status 3. */
int session_configure(struct session *session, const struct options *options, struct error *err);
/* Opens the state and takes the lock; with @slot, one of the host's slots first, unless a transaction is open
 * (an application that may be down does not wait for its neighbours). *ret_code is set when it fails. */
int session_open(struct session *session, bool slot, struct error *err, enum exit_code *ret_code);
/* Both. */
int session_begin(struct session *session, const struct options *options, struct error *err,
                  enum exit_code *ret_code);
/* One of the host's slots (Slots=), awaited up to SESSION_SLOT_TIME. Nothing where it is held already. */
int session_take_slot(struct session *session, struct error *err);
/* Lets go of the locks, then has sent what the transaction left in the spool. */
void session_done(struct session *session);

/* Says what went wrong; returns @code. */
enum exit_code session_fail(struct session *session, enum exit_code code, const struct error *err);

/* The configuration as it is now goes with the transaction: recovery does not depend on later edits. */
int session_keep_configuration(const struct session *session, struct record *record, struct error *err);

/* 1 when there was an open transaction, which has been finished with *ret_code; 0 when there is none.
 * *ret_go_on says whether the command may go on with what it was asked for; where it comes as false, it stays
 * so. */
int session_recover(struct session *session, bool *ret_go_on, enum exit_code *ret_code, struct error *err);
