/* snapshot: make one now, while the application runs. */

#include <errno.h>

#include "watchdog/audit/journal.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/session.h"
#include "watchdog/transaction/apart.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/restore-trial.h"
#include "watchdog/transaction/steps.h"

#define SNAPSHOT_TIME (6 * USEC_PER_HOUR)

static void advanced(void *userdata, const char *text, uint64_t done, uint64_t total) {
    terminal_progress(userdata, text, done, total);
}

static void tree_advanced(void *userdata, uint64_t files, uint64_t bytes) {
    (void)files;
    terminal_progress(userdata, "read back", bytes, 0);
}

static int lock(struct context *context, enum exit_code *ret_code, struct error *err) {
    int r = state_lock_project(context->state, context->record->project, err);
    if (r >= 0)
        r = state_lock_server(context->state, context->record->system_identifier, err);
    if (r == -EBUSY)
        *ret_code = EXIT_LOCKED;
    return r;
}

/* Every byte of it, as it is on disk. */
static int read_back(struct context *context, struct terminal *terminal, struct error *err) {
    struct tree_run run = { context->deadline, tree_advanced, terminal };
    struct snapshot_fault *faults = NULL;
    size_t count = 0;
    int r = snapshot_verify(context->snapshot, context->state->directory, &run, &faults, &count, err);
    if (r >= 0 && count > 0)
        r = error_set(err, EBADMSG, "\"%s\": %s", faults[0].file, faults[0].what);
    snapshot_faults_free(faults, count);
    return r;
}

/* The record says `backup`: whoever finds it dead drops what it left, as of an upgrade that died there. */
static int make(struct session *session, struct context *context, enum exit_code *ret_code,
                struct error *err) {
    static step_function *const making[] = { step_dump, step_copy_files, step_archive_images,
                                             step_seal_snapshot, step_sync };
    const struct options *options = session->options;
    _cleanup_project_ struct project *project = NULL;
    int r = inspect_application(context, &project, err);
    if (r >= 0)
        r = apart_check(context, project, err);
    if (r >= 0)
        r = lock(context, ret_code, err);
    if (r < 0)
        return r;
    context->record->phase = PHASE_BACKUP;
    r = session_keep_configuration(session, context->record, err);
    if (r >= 0)
        r = state_save(context->state, context->record, err);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(making); i++)
        r = making[i](context, err);
    if (r >= 0 && options->verify)
        r = read_back(context, &session->watcher.terminal, err);
    if (r >= 0 && options->verify && string_equal(options->verify_how, "restore"))
        r = restore_trial(context, err);
    return r;
}

/* A snapshot that cannot be trusted is not kept. */
static void clean(struct context *context) {
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = snapshot_remove(context->state->directory, context->record->id, &err);
    if (r >= 0)
        r = state_forget(context->state, context->record, &err);
    if (r < 0)
        command_warn("what was made of the snapshot is still there: %s", error_text(&err));
}

static enum exit_code tell(struct session *session, struct context *context) {
    _cleanup_json_ json_t *summary = snapshot_summary(context->snapshot);
    const struct journal journal = { session->settings->app, context->record->id, terminal_plain,
                                     &session->watcher.terminal };
    char bytes[BYTES_SIZE];
    bytes_format(bytes, (uint64_t)json_get_integer(summary, "bytes", 0));
    usec_t now = clock_realtime(), began = context->record->started;
    const struct journal_fields fields = { .seconds = now > began ? now - began : 0 };
    journal_send(&journal, EVENT_SNAPSHOT, &fields, "snapshot %s: %s, verified by %s", context->record->id,
                 bytes, json_get_string(summary, "verified", "nothing"));
    json_object_set_new(summary, "app", json_text_string(session->settings->app));
    json_object_set_new(summary, "snapshot", json_text_string(context->record->id));
    if (session->options->json)
        return (enum exit_code)command_json(session->options, EXIT_DONE, summary);
    terminal_print(&session->watcher.terminal, TONE_GOOD, "%s: snapshot %s, %s, verified by %s",
                   session->settings->app, context->record->id, bytes,
                   json_get_string(summary, "verified", "nothing"));
    return EXIT_DONE;
}

static void measure(struct session *session) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct measure metrics = { .state = session->state, .textfile = session->settings->metrics.textfile };
    if (measure_write(&metrics, &err) < 0)
        command_warn("%s", error_text(&err));
}

static enum exit_code snapshot(struct session *session) {
    _cleanup_error_ struct error err = ERROR_NONE, tidying = ERROR_NONE;
    struct terminal *terminal = &session->watcher.terminal;
    enum exit_code code = EXIT_ABORTED;
    struct context context = { .state = session->state,
                               .settings = session->settings,
                               .record = record_new(session->settings->app, KIND_SNAPSHOT),
                               .deadline = deadline_in(SNAPSHOT_TIME),
                               .channel = -1,
                               .progress = advanced,
                               .userdata = terminal,
                               .dry = true /* its steps do not write the record */ };
    terminal_phase(terminal, "snapshot");
    int r = make(session, &context, &code, &err);
    terminal_phase_done(terminal, r >= 0, NULL);
    if (r < 0) {
        clean(&context);
        code = session_fail(session, code, &err);
    } else {
        if (step_retain(&context, &tidying) < 0 || state_forget(session->state, context.record, &tidying) < 0)
            command_warn("%s", error_text(&tidying));
        code = tell(session, &context);
        measure(session);
    }
    context.state = NULL; /* the session's */
    context.settings = NULL;
    context_done(&context);
    return code;
}

int command_snapshot(const struct options *options) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct session session;
    enum exit_code code;
    bool go_on = true;
    int r = session_begin(&session, options, &err, &code);
    if (r >= 0) {
        code = EXIT_INCOMPLETE;
        r = session_recover(&session, &go_on, &code, &err);
    }
    if (r < 0)
        code = session_fail(&session, code, &err);
    else if (r == 0 || go_on)
        code = snapshot(&session);
    session_done(&session);
    return code;
}
