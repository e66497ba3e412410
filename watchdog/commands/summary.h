#pragma once

/* A transaction in words, made from the JSON that scripts see (DESIGN.md section 8): what a person reads has
 * no other source. */

#include "watchdog/commands/terminal.h"

/* The whole of it: what changed, why, how long, what was lost, where it is kept. */
void summary_print(struct terminal *terminal, const json_t *transaction);

/* Its services as a table; a table of probes' reports (probe_report_to_json()). */
void summary_print_services(struct terminal *terminal, const json_t *services);
void summary_print_probes(struct terminal *terminal, const json_t *reports);

/* good, bad or between. */
enum tone summary_tone(const char *outcome);
