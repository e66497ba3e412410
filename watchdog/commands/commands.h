#pragma once

/* One function per command, in commands/NAME.c; each returns the exit status of DESIGN.md section 8, which
 * upgrade-watchdog(8) explains. */

#include "watchdog/commands/options.h"

int command_history(const struct options *options);
int command_report(const struct options *options);
int command_check(const struct options *options);
int command_notify(const struct options *options);
int command_plan(const struct options *options);
int command_probe(const struct options *options);
int command_snapshot(const struct options *options);
int command_status(const struct options *options);
int command_snapshots(const struct options *options);
/* run.c: these run a transaction. */
int command_upgrade(const struct options *options);
int command_recover(const struct options *options);
int command_rollback(const struct options *options);
