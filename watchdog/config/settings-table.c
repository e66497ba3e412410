/* The table of keys. See setting.h; upgrade-watchdog.conf(5) says the same at length, and a test compares. */

#include "watchdog/config/setting.h"
#include "watchdog/config/value.h"

#define AT(member) .offset = offsetof(struct settings, member)
#define LONGEST (365 * USEC_PER_DAY)

static const char *const gate_until_words[] = { "first-pass", "window", NULL };

const char *const settings_later_sections[] = { "Policy", "Rehearsal", NULL };

const struct setting settings_table[] = {
    { "App", "Directory", SETTING_TEXT, AT(application.directory), .required = 1,
      .normalise = value_directory, .expected = "an absolute path",
      .help = "the directory of the Compose project" },
    { "App", "Project", SETTING_TEXT, AT(application.project), .normalise = value_project,
      .expected = "a project name of lower case letters, digits, \"-\" and \"_\"",
      .help = "Compose's --project-name; else as the running containers' labels say, else Compose's own" },
    { "App", "File", SETTING_LIST, AT(application.files), .normalise = value_path,
      .expected = "a path without \"..\"",
      .help = "Compose's --file; else as the running containers' labels say, else Compose's own" },
    { "App", "Profile", SETTING_LIST, AT(application.profiles), .normalise = value_service,
      .expected = "the name of a Compose profile", .help = "Compose's --profile" },
    { "App", "EnvFile", SETTING_LIST, AT(application.env_files), .normalise = value_path,
      .expected = "a path without \"..\"", .help = "Compose's --env-file" },
    { "App", "BaseUrl", SETTING_TEXT, AT(application.base_url), .normalise = value_url,
      .expected = "an address such as http://127.0.0.1 or https://qaid.example.org",
      .help =
          "where http probes send their requests; a host that is a service's name reaches its container" },
    { "App", "Slots", SETTING_NUMBER, AT(application.slots), "1", 1, 1000,
      .help = "how many upgrades may be under way on this host when this one begins, itself included" },

    { "Database", "Service", SETTING_TEXT, AT(database.service), .normalise = value_service,
      .expected = "the name of a Compose service", .help = "the service that is the PostgreSQL server" },
    { "Database", "Url", SETTING_TEXT, AT(database.url), .normalise = value_database_url,
      .expected = "postgresql://[USER@]HOST[:PORT][/DATABASE][?sslmode=...]",
      .help = "the address of a PostgreSQL server that is no service of the project; in place of Service=" },
    { "Database", "Programs", SETTING_TEXT, AT(database.programs), .normalise = value_programs,
      .expected = "an absolute directory, or an image such as postgres:17",
      .help = "where pg_dump and its like are for Url=: a directory of this host, or an image; else they are "
              "looked for on "
              "this host" },
    { "Database", "Name", SETTING_LIST, AT(database.names), .normalise = value_database,
      .expected = "the name of a database, of at most 63 bytes", .help = "a database of the application" },
    { "Database", "User", SETTING_TEXT, AT(database.user), .normalise = value_identifier,
      .expected = "the name of a role, of at most 63 bytes",
      .help = "the role that clones and swaps: a superuser, or owner of the databases with CREATEDB" },

    { "Snapshot", "Data", SETTING_LIST, AT(snapshot.data), .normalise = value_data,
      .expected = "a path without \"..\", volume:NAME or SERVICE:/PATH",
      .help = "files of the application that are restored with its database" },
    { "Snapshot", "Ignore", SETTING_LIST, AT(snapshot.ignore), .normalise = value_data,
      .expected = "a path without \"..\", volume:NAME or SERVICE:/PATH",
      .help = "a place that services write to, but that is not worth restoring" },
    { "Snapshot", "Keep", SETTING_NUMBER, AT(snapshot.keep), "7", 1, 10000,
      .help = "snapshots that stay; the last verified one always does" },
    { "Snapshot", "KeepClone", SETTING_DURATION, AT(snapshot.keep_clone), "24h", 0, LONGEST,
      .help = "how long the database's clone stays after an upgrade" },
    { "Snapshot", "Quarantine", SETTING_DURATION, AT(snapshot.quarantine), "14d", USEC_PER_SEC, LONGEST,
      .help = "how long the failed state stays after a rollback" },
    { "Snapshot", "MaxFreeze", SETTING_DURATION, AT(snapshot.max_freeze), "5min", USEC_PER_MSEC, USEC_PER_DAY,
      .help = "the longest the clone may be predicted to take; above it the upgrade is refused" },
    { "Snapshot", "OffHost", SETTING_TEXT, AT(snapshot.off_host), .normalise = value_off_host,
      .expected = "an absolute path",
      .help = "a directory on another disk that gets a copy of each snapshot" },

    { "Watch", "StartTimeout", SETTING_DURATION, AT(watch.start_timeout), "auto", USEC_PER_SEC, LONGEST,
      "auto", .help = "how long probes may fail after the switch before the first full pass" },
    { "Watch", "SettleTime", SETTING_DURATION, AT(watch.settle_time), "15s", 100 * USEC_PER_MSEC, LONGEST,
      .help =
          "how long an application whose health check or log says that it has started may give wrong answers "
          "before the first full pass" },
    { "Watch", "Progress", SETTING_LIST, AT(watch.progress), .normalise = value_text,
      .expected = "a PCRE2 pattern",
      .help = "a new line of a service's log that matches shows a migration at work: StartTimeout= begins "
              "again" },
    { "Watch", "ProgressQuery", SETTING_TEXT, AT(watch.progress_query), .normalise = value_text,
      .expected = "an SQL query",
      .help = "a query of the database that gives true, or a number over 0, while a migration is at work" },
    { "Watch", "ProgressLimit", SETTING_DURATION, AT(watch.progress_limit), "1h", USEC_PER_SEC, LONGEST,
      .help = "how long after the switch progress may extend the start" },
    { "Watch", "Duration", SETTING_DURATION, AT(watch.duration), "10min", USEC_PER_SEC, LONGEST,
      .help = "how long the probes watch the new release" },
    { "Watch", "Interval", SETTING_DURATION, AT(watch.interval), "5s", 100 * USEC_PER_MSEC, USEC_PER_DAY,
      .help = "the time between two rounds of probes" },
    { "Watch", "FailAfter", SETTING_NUMBER, AT(watch.fail_after), "2", 1, 1000,
      .help = "failures in a row that decide" },
    { "Watch", "FailShare", SETTING_PERCENT, AT(watch.fail_share), "20%", 1, 100,
      .help = "the share of failures among at least 10 looks above which they decide" },
    { "Watch", "Gate", SETTING_TEXT, AT(watch.gate), .normalise = value_service,
      .expected = "the name of a Compose service",
      .help = "the service that lets users in; it is started last" },
    { "Watch", "GateUntil", SETTING_CHOICE, AT(watch.gate_until), "first-pass", .words = gate_until_words,
      .help = "when the gate opens" },

    { "Metrics", "Textfile", SETTING_TEXT, AT(metrics.textfile), .normalise = value_textfile,
      .expected = "an absolute path that ends in .prom",
      .help = "a file that gets metrics for the textfile collector of Prometheus' node exporter" },

    { "Notify", "On", SETTING_TEXT, AT(notify.on),
      "refused-again rejected held rolled-back rollback-failed failed", .normalise = value_occasions,
      .expected =
          "some of upgraded, up-to-date, refused, refused-again, rejected, held, aborted, rolled-back, "
          "rollback-failed and failed, with blanks between",
      .help = "what somebody is told about" },
    { "Notify", "Url", SETTING_LIST, AT(notify.urls), .normalise = value_text,
      .expected = "[ntfy|slack|discord|gotify] and an address", .help = "messages are posted there as JSON" },
    { "Notify", "Header", SETTING_LIST, AT(notify.headers), .normalise = value_text,
      .expected = "\"Name: value\"", .help = "a header of the request to Url=" },
    { "Notify", "Body", SETTING_TEXT, AT(notify.body), .normalise = value_text, .expected = "a jq program",
      .help = "makes of a message the JSON that a Url= without a format gets" },
    { "Notify", "Mail", SETTING_LIST, AT(notify.mails), .normalise = value_mail,
      .expected = "a mail address such as admin@example.org, or a local user",
      .help = "messages are mailed there, by sendmail(8)" },
    { "Notify", "Command", SETTING_LIST, AT(notify.commands), .normalise = value_text,
      .expected = "an absolute path and arguments",
      .help = "a program that gets each message on its standard input" },
    { "Notify", "Ping", SETTING_TEXT, AT(notify.ping), .normalise = value_text, .expected = "an address",
      .help = "asked for at the start and the end of each upgrade, as Healthchecks has it" },
    { 0 },
};
