/* Metrics. See metrics.h; the format is https://prometheus.io/docs/instrumenting/exposition_formats/. */

#include "watchdog/audit/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/audit/journal.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define PREFIX "upgrade_watchdog_"

static void add_escaped(struct buffer *text, const char *value) {
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            buffer_printf(text, "\\%c", *value);
        else if (*value == '\n')
            buffer_printf(text, "\\n");
        else
            buffer_append(text, value, 1);
    }
}

static void begin(struct buffer *text, const char *name, const char *type, const char *help) {
    buffer_printf(text, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

/* One line; @label NULL: the application alone. */
static void add(struct buffer *text, const struct metrics *metrics, const char *name, const char *label,
                const char *value, double number) {
    buffer_printf(text, PREFIX "%s{app=\"", name);
    add_escaped(text, metrics->app);
    if (label) {
        buffer_printf(text, "\",%s=\"", label);
        add_escaped(text, value);
    }
    buffer_printf(text, "\"} %.15g\n", number);
}

static void add_gauge(struct buffer *text, const struct metrics *metrics, const char *name, const char *help,
                      double number) {
    begin(text, name, "gauge", help);
    add(text, metrics, name, NULL, NULL, number);
}

static void add_time(struct buffer *text, const struct metrics *metrics, const char *name, const char *help,
                     usec_t realtime) {
    if (realtime)
        add_gauge(text, metrics, name, help, (double)realtime / (double)USEC_PER_SEC);
}

static void render_outcomes(struct buffer *text, const struct metrics *metrics) {
    begin(text, "last_outcome", "gauge",
          "Whether the last transaction that came to an outcome came to this one (1) or not (0).");
    for (const enum event *event = closing_events; *event != EVENT_COUNT; event++)
        add(text, metrics, "last_outcome", "outcome", events[*event].name,
            string_equal(events[*event].name, metrics->outcome));
    begin(text, "transactions_total", "counter", "Closed transactions, by outcome.");
    for (const enum event *event = closing_events; *event != EVENT_COUNT; event++)
        add(text, metrics, "transactions_total", "outcome", events[*event].name,
            (double)json_get_integer(metrics->transactions, events[*event].name, 0));
}

static void render_phase(struct buffer *text, const struct metrics *metrics) {
    begin(text, "in_progress", "gauge",
          "Whether a transaction is open in this phase (1) or not (0); where none is open, all are 0.");
    for (const char *const *phase = metrics->phases; *phase; phase++)
        add(text, metrics, "in_progress", "phase", *phase, string_equal(*phase, metrics->phase));
    if (metrics->phase)
        add_time(text, metrics, "phase_start_timestamp_seconds",
                 "When the phase of the open transaction began.", metrics->phase_started);
}

static void render_times(struct buffer *text, const struct metrics *metrics) {
    add_time(text, metrics, "last_start_timestamp_seconds", "When the last transaction began.",
             metrics->started);
    add_time(text, metrics, "last_end_timestamp_seconds", "When the last transaction was closed.",
             metrics->ended);
    add_time(text, metrics, "last_upgraded_timestamp_seconds",
             "When the last transaction with the outcome upgraded was closed.", metrics->upgraded);
}

static double seconds_of(const struct metrics *metrics, const char *name) {
    const json_t *value = json_object_get(metrics->seconds, name);
    return json_is_number(value) ? json_number_value(value) : -1;
}

static void render_durations(struct buffer *text, const struct metrics *metrics) {
    double downtime = seconds_of(metrics, "downtime"), rollback = seconds_of(metrics, "rollback");
    begin(text, "phase_duration_seconds", "gauge",
          "How long each phase of the last closed transaction took.");
    for (const char *const *phase = metrics->phases; *phase; phase++)
        if (seconds_of(metrics, *phase) >= 0)
            add(text, metrics, "phase_duration_seconds", "phase", *phase, seconds_of(metrics, *phase));
    if (downtime >= 0)
        add_gauge(text, metrics, "downtime_seconds", "How long the last closed transaction let nobody in.",
                  downtime);
    if (rollback >= 0)
        add_gauge(text, metrics, "rollback_seconds",
                  "How long the last closed transaction took to roll back, until it served again.", rollback);
}

static void render_snapshots(struct buffer *text, const struct metrics *metrics) {
    if (!metrics->snapshots_known)
        return;
    add_gauge(text, metrics, "snapshots", "Complete snapshots that are kept.", (double)metrics->snapshots);
    add_gauge(text, metrics, "snapshots_size_bytes",
              "What the dumps and files of all complete snapshots take, without what they share.",
              (double)metrics->snapshots_bytes);
    if (!metrics->verified)
        return;
    add_time(text, metrics, "snapshot_verified_timestamp_seconds",
             "When the newest verified snapshot was made.", metrics->verified);
    add_gauge(text, metrics, "snapshot_verified_size_bytes",
              "What the newest verified snapshot holds, dumps and files.", (double)metrics->verified_bytes);
}

static void render_quarantine(struct buffer *text, const struct metrics *metrics) {
    if (!metrics->quarantine_known)
        return;
    add_gauge(text, metrics, "quarantines", "Sets of files of failed releases that are kept aside.",
              (double)metrics->quarantines);
    add_gauge(text, metrics, "quarantine_size_bytes", "What they take on disk.",
              (double)metrics->quarantine_bytes);
}

char *metrics_render(const struct metrics *metrics) {
    struct buffer text = { 0 };
    begin(&text, "info", "gauge", "The version of upgrade-watchdog that wrote this; always 1.");
    add(&text, metrics, "info", "version", metrics->version, 1);
    render_outcomes(&text, metrics);
    render_phase(&text, metrics);
    render_times(&text, metrics);
    render_durations(&text, metrics);
    render_snapshots(&text, metrics);
    render_quarantine(&text, metrics);
    return buffer_take(&text);
}

/* Whoever owns the directory may have put anything there under the temporary name: it is removed, and only a
 * file that is made here is written to. */
static int write_beside(int directory, const char *name, const char *text, struct error *err) {
    _cleanup_free_ char *temporary = xasprintf(".%s.new", name);
    (void)unlinkat(directory, temporary, 0);
    _cleanup_close_ int fd =
        openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, errno, "cannot create \"%s\"", temporary);
    int r = fchmod(fd, 0644) < 0 ? -errno : write_all(fd, text, strlen(text));
    if (r >= 0 && fsync(fd) < 0)
        r = -errno;
    if (r >= 0 && renameat(directory, temporary, directory, name) < 0)
        r = -errno;
    if (r >= 0 && fsync(directory) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(directory, temporary, 0);
    return r < 0 ? error_errno(err, -r, "cannot write \"%s\"", name) : 0;
}

int metrics_write(const char *path, const char *text, struct error *err) {
    const char *name = strrchr(path, '/');
    _cleanup_free_ char *parent = xstrndup(path, name ? (size_t)(name + 1 - path) : 0);
    _cleanup_close_ int directory = open(name ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return error_errno(err, errno, "cannot open the directory of \"%s\"", path);
    int r = write_beside(directory, name ? name + 1 : path, text, err);
    return r < 0 ? error_prefix(err, "\"%s\"", path) : 0;
}
