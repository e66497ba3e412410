#pragma once

/* What a probe saw, for whoever writes the next one. */

#include "watchdog/commands/terminal.h"

/* What `probe APP --explain NAME` prints of one report: its member "explained", section by section. */
void explain_print(struct terminal *terminal, const json_t *report);
/* A line with status, time, size, type and the names in a JSON answer; nothing for kinds that have none. */
void explain_seen(struct terminal *terminal, const json_t *report);
