/* Metrics are gathered and written. See measure.h. */

#include "watchdog/commands/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>

#include "watchdog/audit/history.h"
#include "watchdog/audit/metrics.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/config/settings.h"
#include "watchdog/snapshot/store.h"

#define WRITE_TIME (5 * USEC_PER_SEC)
#define QUARANTINE_TIME (2 * USEC_PER_SEC)
#define OUTPUT_LIMIT 4096
#define CONFIGURATION_LIMIT (1024 * 1024)
#define BLOCK 512 /* of st_blocks, whatever st_blksize says: stat(2) */

char *measure_textfile(const struct state *state, const struct record *record) {
    _cleanup_free_ char *path = state_transaction_path(state, record->id, "app.conf"), *text = NULL;
    _cleanup_settings_ struct settings *settings = NULL;
    size_t size;
    if (file_read(AT_FDCWD, path, CONFIGURATION_LIMIT, &text, &size, NULL) < 0 ||
        settings_parse(record->app, record->config, text, size, &settings, NULL) < 0)
        return NULL;
    return take_ptr(settings->metrics.textfile);
}

/* What a struct metrics borrows from. */
struct gathered {
    struct metrics metrics;
    const char *phases[PHASE_COUNT + 1];
    struct record *open;
    json_t *history, *transactions;
};

static void gathered_done(struct gathered *gathered) {
    record_free(gathered->open);
    json_decref(gathered->history);
    json_decref(gathered->transactions);
}

static usec_t time_of(const json_t *record, const char *name) {
    const char *text = json_get_string(record, name, NULL);
    usec_t time = 0;
    return text && timestamp_parse(text, &time) >= 0 ? time : 0;
}

static void add_closed(struct gathered *gathered, const json_t *record) {
    struct metrics *metrics = &gathered->metrics;
    const char *outcome = json_get_string(record, "outcome", "");
    json_int_t count = json_get_integer(gathered->transactions, outcome, 0);
    json_object_set_new(gathered->transactions, outcome, json_integer(count + 1));
    if (!metrics->upgraded && string_equal(outcome, outcome_name(OUTCOME_UPGRADED)))
        metrics->upgraded = time_of(record, "finished");
    if (metrics->outcome)
        return;
    metrics->outcome = outcome;
    metrics->started = time_of(record, "started");
    metrics->ended = time_of(record, "finished");
    metrics->seconds = json_get_object(record, "seconds");
}

static void gather_history(struct gathered *gathered, const struct state *state) {
    _cleanup_strings_ char **warnings = NULL;
    size_t i;
    const json_t *record;
    gathered->metrics.transactions = gathered->transactions = json_object();
    if (history_read(state->root, state->app, 0, &gathered->history, &warnings, NULL) < 0)
        return;
    json_array_foreach(gathered->history, i, record) add_closed(gathered, record);
}

/* A rollback that is incomplete stays open, and is an outcome all the same. */
static void gather_open(struct gathered *gathered, const struct state *state) {
    struct metrics *metrics = &gathered->metrics;
    if (state_load(state, &gathered->open, NULL) < 0)
        return;
    const struct record *open = gathered->open;
    metrics->phase = phase_name((enum phase)open->phase);
    metrics->phase_started = open->phase_started;
    if (open->kind == KIND_SNAPSHOT)
        return;
    metrics->started = open->started;
    if (open->outcome == OUTCOME_ROLLBACK_FAILED)
        metrics->outcome = outcome_name(OUTCOME_ROLLBACK_FAILED);
}

static void gather_snapshots(struct metrics *metrics, const struct state *state) {
    struct snapshot **list = NULL;
    size_t count = 0;
    if (snapshots_list(state->directory, state->app, &list, &count, NULL) < 0)
        return;
    metrics->snapshots_known = true;
    for (size_t i = 0; i < count; i++) {
        _cleanup_json_ json_t *row = snapshot_summary(list[i]);
        json_int_t bytes = json_get_integer(row, "bytes", 0),
                   shared = json_get_integer(row, "shared_bytes", 0);
        if (!list[i]->complete)
            continue;
        metrics->snapshots++;
        metrics->snapshots_bytes += bytes > shared ? (uint64_t)(bytes - shared) : 0;
        if (metrics->verified || !*snapshot_verified(list[i]))
            continue;
        metrics->verified = time_of(row, "created");
        metrics->verified_bytes = (uint64_t)bytes;
    }
    snapshots_free(list, count);
}

/* One that takes longer to count than anybody waits is left out. */
static void gather_quarantine(struct metrics *metrics, const struct state *state) {
    _cleanup_free_ char *path = state_path(state, "quarantine");
    char *paths[] = { path, NULL };
    usec_t deadline = deadline_in(QUARANTINE_TIME);
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    FTSENT *entry = NULL;
    size_t seen = 0;
    while (walk && (entry = fts_read(walk))) {
        if (entry->fts_level == 1 && entry->fts_info == FTS_D)
            metrics->quarantines++;
        if (entry->fts_level > 0 && entry->fts_info != FTS_DP && entry->fts_info != FTS_NS &&
            entry->fts_statp)
            metrics->quarantine_bytes += (uint64_t)entry->fts_statp->st_blocks * BLOCK;
        if (++seen % 256 == 0 && deadline_left(deadline) == 0)
            break;
    }
    metrics->quarantine_known = walk && !entry;
    if (walk)
        fts_close(walk);
}

static int write_all_metrics(const struct measure *measure, struct error *err) {
    struct gathered gathered = { .metrics = { .app = measure->state->app, .version = VERSION } };
    for (enum phase phase = PHASE_NONE + 1; phase < PHASE_REST; phase++)
        gathered.phases[phase - 1] = phase_name(phase);
    gathered.metrics.phases = gathered.phases;
    gather_history(&gathered, measure->state);
    gather_open(&gathered, measure->state);
    gather_snapshots(&gathered.metrics, measure->state);
    gather_quarantine(&gathered.metrics, measure->state);
    _cleanup_free_ char *text = metrics_render(&gathered.metrics);
    gathered_done(&gathered);
    return metrics_write(measure->textfile, text, err);
}

/* It reads alone: the locks must not outlive their holder with it. */
static void close_locks(const struct state *state) {
    const int fds[] = { state->lock_fd, state->project_fd, state->server_fd, state->slot_fd };
    for (size_t i = 0; i < ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int in_child(int fd, void *userdata) {
    const struct measure *measure = userdata;
    _cleanup_error_ struct error err = ERROR_NONE;
    close_locks(measure->state);
    int r = write_all_metrics(measure, &err);
    if (r < 0)
        (void)write_all(fd, error_text(&err), strlen(error_text(&err)));
    return r < 0;
}

void measure_done(struct measure *measure) {
    aside_drop(&measure->child);
}

void measure_begin(struct measure *measure) {
    measure_done(measure);
    if (measure->textfile && measure->state)
        (void)aside_start(in_child, measure, &measure->child, NULL);
}

int measure_write(struct measure *measure, struct error *err) {
    _cleanup_buffer_ struct buffer said = { 0 };
    measure_done(measure);
    if (!measure->textfile || !measure->state)
        return 0;
    int r = aside_start(in_child, measure, &measure->child, err);
    if (r >= 0)
        r = aside_finish(&measure->child, deadline_in(WRITE_TIME), OUTPUT_LIMIT, &said, err);
    if (r == 0)
        return 0;
    if (r > 0 && said.size > 0)
        return error_set(err, EIO, "the metrics (Textfile=) were not written: %s", said.text);
    return error_prefix(err, "the metrics (Textfile=) were not written");
}
