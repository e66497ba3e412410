/* The table of commands. See options.h. */

#include "watchdog/commands/commands.h"

#define AT(member) .offset = offsetof(struct options, member)
#define APP offsetof(struct options, app)
#define ID offsetof(struct options, id)

const struct option_row global_options[] = {
    { "--config-dir", "DIR", OPTION_TEXT, AT(config_directory),
      "configurations, instead of /etc/upgrade-watchdog" },
    { "--state-dir", "DIR", OPTION_TEXT, AT(state_directory),
      "records and snapshots, instead of /var/lib/upgrade-watchdog" },
    { "--json", NULL, OPTION_FLAG, AT(json), "one JSON value on standard output, and nothing else there" },
    { "--help", NULL, OPTION_FLAG, AT(help), "this text" },
    { "--version", NULL, OPTION_FLAG, AT(version), "the program's version" },
    { 0 },
};

static const struct option_row report_options[] = {
    { "--html", "FILE", OPTION_LATER, 0, "a page with its timeline" },
    { 0 },
};

static const struct option_row salvage_options[] = {
    { "--out", "DIR", OPTION_LATER, 0, "where the rows go" },
    { 0 },
};

static const struct option_row upgrade_options[] = {
    { "--here", NULL, OPTION_FLAG, AT(here), "in this process, also where systemd runs" },
    { "--unit", NULL, OPTION_FLAG, AT(unit),
      "as upgrade-watchdog@APP.service: do what was asked for by hand, else upgrade" },
    { "--again", NULL, OPTION_FLAG, AT(again), "also to a release that is known to be bad" },
    { 0 },
};

static const struct option_row recover_options[] = {
    { "--here", NULL, OPTION_FLAG, AT(here), "in this process, also where systemd runs" },
    { 0 },
};

static const struct option_row notify_options[] = {
    { "--test", NULL, OPTION_FLAG, AT(test), "a test message by every way, at once" },
    { "--unit", NULL, OPTION_FLAG, AT(unit),
      "as upgrade-watchdog-notify@APP.service: look first whether the application's unit has failed" },
    { 0 },
};

static const struct option_row rollback_options[] = {
    { "--here", NULL, OPTION_FLAG, AT(here), "in this process, also where systemd runs" },
    { "--yes", NULL, OPTION_FLAG, AT(yes), "do not ask" },
    { 0 },
};

static const struct option_row probe_options[] = {
    { "--explain", "NAME", OPTION_TEXT, AT(explain), "one probe: what it sent, saw and compared" },
    { 0 },
};

static const struct option_row snapshot_options[] = {
    { "--verify", "checksums|restore", OPTION_HOW, AT(verify),
      "read everything back; with restore, restore the dump beside the database and count its rows" },
    { 0 },
};

const struct command commands[] = {
    { "check", "APP", 1, { APP }, NULL, command_check, "could an upgrade run now? changes nothing" },
    { "plan", "APP", 1, { APP }, NULL, command_plan, "what an upgrade would change; changes nothing" },
    { "upgrade",
      "APP",
      1,
      { APP },
      upgrade_options,
      command_upgrade,
      "upgrade to what the registry has, watch it, roll back if it fails" },
    { "probe", "APP", 1, { APP }, probe_options, command_probe, "every probe once, and what it saw" },
    { "snapshot", "APP", 1, { APP }, snapshot_options, command_snapshot, "make a snapshot now" },
    { "snapshots", "APP", 1, { APP }, snapshot_options, command_snapshots, "the snapshots there are" },
    { "rollback",
      "APP [ID]",
      1,
      { APP, ID },
      rollback_options,
      command_rollback,
      "back to the newest or the named snapshot, on a person's word" },
    { "recover",
      "[APP]",
      0,
      { APP },
      recover_options,
      command_recover,
      "finish what a dead run left; without APP, of every application" },
    { "status", "[APP]", 0, { APP }, NULL, command_status, "phase, release, pins, last outcome" },
    { "history", "[APP]", 0, { APP }, NULL, command_history, "outcomes, newest first" },
    { "notify", "APP", 1, { APP }, notify_options, command_notify, "send the messages that wait, or a test" },
    { "report", "APP [ID]", 1, { APP, ID }, report_options, command_report, "one transaction in full" },
    { "init", "DIR", .summary = "write a configuration for the Compose project in DIR" },
    { "rehearse", "APP", .summary = "the transaction up to and with the rehearsal" },
    { "hold", "APP [VERSION or TIME]", .summary = "no upgrade, to that version or for so long" },
    { "approve", "APP VERSION", .summary = "let a held upgrade through" },
    { "salvage", "APP ID", .options = salvage_options, .summary = "the rows that a rollback lost" },
    { 0 },
};
