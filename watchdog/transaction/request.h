#pragma once

/*
 * What a person asked for on a terminal, for the unit that does it: APP/request.json in the state directory.
 * The unit is the same whoever starts it (a person, a timer, recovery), so a transaction has the same
 * sandbox, credentials and watchdog in any case. A request stays until the command is over, so that a unit
 * that systemd starts again after a crash still knows it. One that nobody took in REQUEST_TIME is void, by
 * either clock: one may have been set, the other begins anew with a boot. (The boot id does not tell boots
 * apart here: a sandbox inside a container sees another one than the container.)
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
    int kind;                     /* enum request_kind */
    char *id;                     /* of the snapshot to go back to; NULL: none */
    bool again;                   /* upgrade: also to a release that is known to be bad */
    usec_t asked, asked_boottime; /* on clock_realtime() and clock_boottime(); 0: now */
};

void request_done(struct request *request);
#define _cleanup_request_ __attribute__((cleanup(request_done)))

/* Writes it, durably. One that is there is replaced. */
int request_write(const struct state *state, const struct request *request, struct error *err);

/* Reads it: 1, or 0 with REQUEST_NONE where there is none, or a void one, which is removed. -EBADMSG: it is
 * damaged, expected what request_write() makes. */
int request_read(const struct state *state, struct request *ret, struct error *err);

int request_remove(const struct state *state, struct error *err);
