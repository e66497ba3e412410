#pragma once

/*
 * What a person asked for on a terminal, for the unit that does it: /run/upgrade-watchdog/request-APP.json.
 * The unit is the same whoever starts it (a person, a timer, recovery), so a transaction has the same
 * sandbox, credentials and watchdog in any case. In /run, since a request must not outlive a boot, and
 * recovery has to be asked for on a full disk too.
 *
 * An upgrade or a rollback is asked for once: its request goes when the transaction's record, which says the
 * same, is on disk. One that nobody took in REQUEST_TIME is void. Recovery may be asked for as often as one
 * likes: that request stays until the command is over, and never grows old.
 */

#include <stdbool.h>

#include "watchdog/transaction/state.h"

#define REQUEST_TIME (10 * USEC_PER_MINUTE)

enum request_kind {
    REQUEST_NONE,
    REQUEST_UPGRADE,
    REQUEST_ROLLBACK,
    REQUEST_RECOVER,
};

struct request {
    int kind;     /* enum request_kind */
    char *id;     /* of the snapshot to go back to; NULL: none */
    bool again;   /* upgrade: also to a release that is known to be bad */
    usec_t asked; /* on clock_boottime(); 0: now */
};

void request_done(struct request *request);
#define _cleanup_request_ __attribute__((cleanup(request_done)))

/* Writes the request for @app. One that is there is replaced. */
int request_write(const char *app, const struct request *request, struct error *err);

/* Reads it: 1, or 0 with REQUEST_NONE where there is none, or a void one, which is removed. -EBADMSG: it is
 * damaged, expected what request_write() makes. */
int request_read(const char *app, struct request *ret, struct error *err);

/* Returns 1 when there was one, 0 when not. */
int request_remove(const char *app, struct error *err);
