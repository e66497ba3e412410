/* snapshots: what there is to go back to. */

#include <errno.h>

#include "watchdog/audit/journal.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/command.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/table.h"
#include "watchdog/snapshot/store.h"
#include "watchdog/transaction/state.h"
#include "watchdog/transaction/supervisor.h"

#define VERIFY_TIME (6 * USEC_PER_HOUR)

struct verification {
    struct terminal *terminal;
    const char *id;
};

static void advanced(void *userdata, uint64_t files, uint64_t bytes) {
    const struct verification *verification = userdata;
    (void)files;
    terminal_progress(verification->terminal, verification->id, bytes, 0);
}

/* The row says it to who has asked; where there is no journal, to nobody else. */
static void unheard(void *userdata, int priority, const char *line) {
    (void)userdata, (void)priority, (void)line;
}

static void tell_damaged(const struct state *state, const struct snapshot *snapshot,
                         const struct snapshot_fault *first, size_t count) {
    const struct journal journal = { state->app, snapshot->id, unheard, NULL };
    _cleanup_free_ char *reason = xasprintf("\"%s\": %s", first->file, first->what);
    journal_send(&journal, EVENT_SNAPSHOT_DAMAGED, &(struct journal_fields){ .reason = reason },
                 "snapshot %s is damaged in %zu files, the first is %s", snapshot->id, count, reason);
}

/* Adds "faults" to the row: what is wrong with each file that is. Returns 1 when something is. */
static int verify(const struct state *state, const struct snapshot *snapshot, struct terminal *terminal,
                  json_t *row, struct error *err) {
    struct verification verification = { terminal, snapshot->id };
    struct tree_run run = { deadline_in(VERIFY_TIME), advanced, &verification };
    struct snapshot_fault *faults = NULL;
    size_t count = 0;
    int r = snapshot_verify(snapshot, state->directory, &run, &faults, &count, err);
    if (r < 0)
        return r;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *fault = json_object();
        json_object_set_new(fault, "file", json_text_string(faults[i].file));
        json_object_set_new(fault, "what", json_text_string(faults[i].what));
        json_array_append_new(list, fault);
    }
    if (count > 0)
        tell_damaged(state, snapshot, &faults[0], count);
    snapshot_faults_free(faults, count);
    json_object_set_new(row, "faults", list);
    return count > 0;
}

static void add_row(struct table *table, const json_t *row) {
    char bytes[BYTES_SIZE];
    bool complete = json_get_boolean(row, "complete", 0);
    const char *verified = json_get_string(row, "verified", "");
    size_t faults = json_array_size(json_get_array(row, "faults"));
    bytes_format(bytes, (uint64_t)json_get_integer(row, "bytes", 0));
    table_cell(table, TONE_PLAIN, "%s", json_get_string(row, "id", "?"));
    table_cell(table, complete ? TONE_PLAIN : TONE_UNSURE, "%s", complete ? "yes" : "no");
    table_cell(table,
               faults      ? TONE_BAD
               : *verified ? TONE_GOOD
                           : TONE_UNSURE,
               "%s",
               faults      ? "DAMAGED"
               : *verified ? verified
                           : "no");
    table_cell(table, TONE_PLAIN, "%s", json_get_string(row, "verified_at", ""));
    table_cell(table, TONE_PLAIN, "%s", bytes);
}

static void print_rows(struct terminal *terminal, const char *app, const json_t *rows) {
    static const char *const headers[] = { "SNAPSHOT", "COMPLETE", "VERIFIED", "AT", ">SIZE", NULL };
    _cleanup_table_ struct table table;
    size_t i, k;
    const json_t *row, *fault;
    table_init(&table, headers);
    json_array_foreach(rows, i, row) add_row(&table, row);
    table_print(&table, terminal);
    if (json_array_size(rows) == 0)
        terminal_print(terminal, TONE_PLAIN, "%s: no snapshot yet", app);
    json_array_foreach(rows, i, row) json_array_foreach(json_get_array(row, "faults"), k, fault)
        terminal_print(terminal, TONE_BAD, "%s: \"%s\": %s", json_get_string(row, "id", "?"),
                       json_get_string(fault, "file", "?"), json_get_string(fault, "what", "?"));
}

/* 1 when a snapshot is damaged. */
static int collect(const struct options *options, const struct state *state, struct terminal *terminal,
                   json_t *rows, struct error *err) {
    struct snapshot **list = NULL;
    size_t count = 0;
    int damaged = 0, r = snapshots_list(state->directory, state->app, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        json_t *row = snapshot_summary(list[i]);
        json_array_append_new(rows, row);
        if (options->verify && list[i]->complete)
            r = verify(state, list[i], terminal, row, err);
        damaged = damaged || r > 0;
    }
    snapshots_free(list, count);
    return r < 0 ? r : damaged;
}

int command_snapshots(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *app = NULL;
    _cleanup_state_ struct state *state = NULL;
    _cleanup_json_ json_t *rows = json_array();
    _cleanup_terminal_ struct terminal terminal;
    int r = command_app(options, &app);
    command_terminal(options, &terminal);
    if (r)
        return r;
    if (options->verify && string_equal(options->verify_how, "restore")) {
        error_set(&err, EINVAL,
                  "snapshots reads files back; `snapshot --verify=restore` makes one and restores it");
        return command_fail(options, EXIT_USAGE, &err);
    }
    r = state_open(options->state_directory, app, false, &state, &err);
    if (r >= 0) {
        if (options->verify)
            terminal_phase(&terminal, "verify");
        r = collect(options, state, &terminal, rows, &err);
        terminal_phase_done(&terminal, r == 0, NULL);
    }
    if (r < 0 && r != -ENOENT)
        return command_fail(options, EXIT_ABORTED, &err);
    int status = r > 0 ? EXIT_ABORTED : EXIT_DONE;
    if (options->json)
        return command_json(options, status, rows);
    print_rows(&terminal, app, rows);
    return status;
}
