#pragma once

/*
 * A command typed by a person, done by the application's unit and followed on the terminal: what the unit
 * writes to the journal is shown as it comes, and its end is the command's end. Ctrl-C, a lost connection and
 * a killed terminal only stop the following.
 */

#include "watchdog/commands/unit.h"
#include "watchdog/transaction/request.h"
#include "watchdog/transaction/supervisor.h"

#define EXIT_DETACHED 130 /* as a shell has it for Ctrl-C: how it ends is not known yet */

/* Hands @request to @unit, starts it and follows. Returns the unit's exit status; EXIT_LOCKED where it runs
 * already; EXIT_DETACHED. */
enum exit_code follow(const struct options *options, const char *app, const struct unit *unit,
                      const struct request *request);
