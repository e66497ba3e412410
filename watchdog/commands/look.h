#pragma once

/* For commands that look and change nothing: the application as a transaction would see it, without a lock, a
 * record or a byte written anywhere. */

#include "watchdog/commands/command.h"
#include "watchdog/transaction/context.h"

struct look {
    const struct options *options;
    struct context context; /* dry; owns settings, state and record */
};

/* Reads the configuration with its probes, opens the state where there is any. Returns 0, or the exit status
 * after having said what is wrong. @time is how long the whole look may take. */
int look_init(struct look *look, const struct options *options, usec_t time);
void look_done(struct look *look);
#define _cleanup_look_ __attribute__((cleanup(look_done)))

/* command_fail() with the exit status that the error's kind has for commands that look: what cannot be
 * reached or does not hold is a refusal, and nothing was touched. */
int look_fail(const struct look *look, const struct error *err);
