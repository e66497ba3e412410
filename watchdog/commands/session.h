#pragma once

/* What a command that works on an application begins with: configuration, state, lock, and the end of what an
 * earlier run left. */

#include "watchdog/commands/command.h"
#include "watchdog/commands/watcher.h"
#include "watchdog/config/settings.h"

#define SESSION_LOCK_TIME USEC_PER_MINUTE /* for children of a dead run to end */

struct session {
    const struct options *options;
    struct watcher watcher;
    struct settings *settings;
    struct state *state;
};

/* Reads the configuration, opens the state and takes the lock. session_done() in any case. *ret_code is set
 * when it fails. */
int session_begin(struct session *session, const struct options *options, struct error *err,
                  enum exit_code *ret_code);
void session_done(struct session *session);

/* Says what went wrong; returns @code. */
enum exit_code session_fail(struct session *session, enum exit_code code, const struct error *err);

/* The configuration as it is now goes with the transaction: recovery does not depend on later edits. */
int session_keep_configuration(const struct session *session, struct record *record, struct error *err);

/* 1 when there was an open transaction, which has been finished with *ret_code; 0 when there is none.
 * *ret_go_on says whether the command may go on with what it was asked for; where it comes as false, it stays
 * so. */
int session_recover(struct session *session, bool *ret_go_on, enum exit_code *ret_code, struct error *err);
