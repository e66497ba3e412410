#pragma once

/* A transaction in words, made from the JSON that scripts see (DESIGN.md section 8): what a person reads has
 * no other source. */

#include "watchdog/commands/terminal.h"

/* The whole of it: what changed, why, how long, what was lost, where it is kept. */
void summary_print(struct terminal *terminal, const json_t *transaction);

/* Its services as a table; a table of probes' reports (probe_report_to_json()). */
void summary_print_services(struct terminal *terminal, const json_t *services);
void summary_print_probes(struct terminal *terminal, const json_t *reports);

/* In one line of a table: "qaid-server 1.2.4 → 1.3.0 (minor)"; "" when nothing was to change. Owned by the
 * caller. */
char *summary_change(const json_t *transaction);

/* good, bad or between. */
enum tone summary_tone(const char *outcome);
