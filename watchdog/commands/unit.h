#pragma once

/*
 * The application's unit, upgrade-watchdog@APP.service: where a transaction runs, whoever asked for it. Talks
 * to the service manager as org.freedesktop.systemd1(5) says; every call has a deadline.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "watchdog/commands/options.h"

struct unit {
    sd_bus *bus;
    char *name, *path; /* "upgrade-watchdog@qaid.service", and as an object */
};

/* How it stands. Strings are owned. */
struct unit_state {
    char *active, *sub; /* ActiveState, SubState */
    char *text;         /* what STATUS= said last */
    char invocation[33];
    char *result; /* Result of systemd.service(5): "success", "exit-code", "watchdog", "start-limit-hit", … */
    int code, status; /* of the main process, as waitid(2) has them: CLD_EXITED and its exit status */
    bool has_job;
};

void unit_done(struct unit *unit);
#define _cleanup_unit_ __attribute__((cleanup(unit_done)))
void unit_state_done(struct unit_state *state);
#define _cleanup_unit_state_ __attribute__((cleanup(unit_state_done)))

/* Finds the unit of @app. Returns 1; 0 where the command has to do it in its own process: no systemd runs
 * here, the unit is not installed, or the command names directories other than the unit's. */
int unit_find(const struct options *options, const char *app, struct unit *ret, struct error *err);
/* The same of upgrade-watchdog-notify@APP.service, which sends what lies in the spool. */
int unit_find_notify(const struct options *options, const char *app, struct unit *ret, struct error *err);

int unit_look(const struct unit *unit, struct unit_state *ret, struct error *err);
/* Whether it runs, or is about to: starting, stopping and waiting for its restart included. */
bool unit_state_busy(const struct unit_state *state);

/* Starts it without waiting. With @person an earlier failure is forgotten first: a start limit that was
 * reached does not stand in a person's way. */
int unit_start(const struct unit *unit, bool person, struct error *err);
