#pragma once

/* What a probe saw, for whoever writes the next one. */

#include <jansson.h>

#include "watchdog/commands/terminal.h"

/* Of a list of reports the one to print for @name: its own, or, where it was not looked at, that of the first
 * probe before it that did not pass. Borrowed; NULL: @name is not in the list. */
const json_t *explain_which(const json_t *reports, const char *name);
/* What `probe APP --explain NAME` prints of one report: its member "explained", section by section. */
void explain_print(struct terminal *terminal, const json_t *report);
/* A line with status, time, size, type and the names in a JSON answer; nothing for kinds that have none. */
void explain_seen(struct terminal *terminal, const json_t *report);
