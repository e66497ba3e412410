#pragma once

/* A program that is given a message. */

#include <jansson.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

/* Runs @argv with a clean environment and @variables ("NAME=value", may be NULL) and gives it @input. Returns
 * 0 when it exited with 0; -EPROTO with its last line when not; -ETIME; or why it could not be started. */
int program_run(char *const *argv, char *const *variables, const char *input, usec_t deadline,
                struct error *err);

/* A Command= of [Notify]: the text on standard input, what happened in UPGRADE_… variables, the whole as JSON
 * in UPGRADE_MESSAGE. */
int program_tell(const char *command, const json_t *said, usec_t deadline, struct error *err);
