/* A worker. See worker.h. The walk through a phase's rows is machine_next()'s; nothing about order is decided
 * here. */

#include "watchdog/transaction/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/sandbox.h"
#include "watchdog/transaction/channel.h"
#include "watchdog/transaction/steps.h"

step_function *const steps[STEP_COUNT] = {
    [STEP_INSPECT] = step_inspect,
    [STEP_CHECK] = step_check,
    [STEP_BASELINE] = step_baseline,
    [STEP_RESOLVE] = step_resolve,
    [STEP_FETCH] = step_fetch,
    [STEP_DUMP] = step_dump,
    [STEP_COPY_FILES] = step_copy_files,
    [STEP_ARCHIVE_IMAGES] = step_archive_images,
    [STEP_SEAL_SNAPSHOT] = step_seal_snapshot,
    [STEP_CHECKPOINT] = step_checkpoint,
    [STEP_COMPARE_RUNNING] = step_compare_running,
    [STEP_POLICIES_OFF] = step_policies_off,
    [STEP_STOP] = step_stop,
    [STEP_SEE_STOPPED] = step_see_stopped,
    [STEP_FENCE] = step_fence,
    [STEP_END_SESSIONS] = step_end_sessions,
    [STEP_CLONE] = step_clone,
    [STEP_SECOND_PASS] = step_second_pass,
    [STEP_PINS_NEW] = step_pins_new,
    [STEP_TAGS_NEW] = step_tags_new,
    [STEP_SYNC] = step_sync,
    [STEP_AWAIT_FOREIGN] = step_await_foreign,
    [STEP_LIFT] = step_lift,
    [STEP_DATABASE_HEALTH] = step_database_health,
    [STEP_CREATE_NEW] = step_create_new,
    [STEP_POLICIES_BACK] = step_policies_back,
    [STEP_START_NEW] = step_start_new,
    [STEP_WATCH] = step_watch,
    [STEP_START_ALL] = step_start_all,
    [STEP_REMOVE_TWIN] = step_remove_twin,
    [STEP_SETTLE_CLONE] = step_settle_clone,
    [STEP_RETAIN] = step_retain,
    [STEP_LAST_LOOK] = step_last_look,
    [STEP_PINS_BEFORE] = step_pins_before,
    [STEP_PINS_OLD] = step_pins_old,
    [STEP_TAGS_OLD] = step_tags_old,
    [STEP_CREATE_OLD] = step_create_old,
    [STEP_RESTORE_FILES] = step_restore_files,
    [STEP_SEE_NEVER_STARTED] = step_see_never_started,
    [STEP_SEE_IDENTITY] = step_see_identity,
    [STEP_START_OLD] = step_start_old,
    [STEP_PROBE_OLD] = step_probe_old,
    [STEP_DROP_CLONE] = step_drop_clone,
    [STEP_KEEP_LOGS] = step_keep_logs,
    [STEP_COUNT_WRITES] = step_count_writes,
    [STEP_PREPARE_DATABASES] = step_prepare_databases,
    [STEP_SWAP] = step_swap,
    [STEP_RESTORE_ROLES] = step_restore_roles,
    [STEP_END_OURS] = step_end_ours,
    [STEP_REPAIR_NAMES] = step_repair_names,
    [STEP_START_DATABASE] = step_start_database,
    [STEP_DROP_HOLDS] = step_drop_holds,
};

static const char *const moves[] = {
    [MOVE_STEP] = "step",   [MOVE_PHASE] = "phase",           [MOVE_CLOSE] = "close",
    [MOVE_LEAVE] = "leave", [MOVE_INCOMPLETE] = "incomplete", [MOVE_WAIT] = "wait",
};

/* Only rows with a condition need the database to be asked. */
static int look_at_world(struct context *context, const struct row *row, struct machine_world *world,
                         struct error *err) {
    world->first_pass = context->record->first_pass != 0;
    world->back_out_from = (enum phase)context->record->back_out_from;
    return row->condition == IF_ALWAYS ? 0 : context_fenced(context, &world->fenced, err);
}

/* One row: its answer, with the reason of ANSWER_SEEN and ANSWER_FAILED in *err. */
static enum answer do_row(struct context *context, const struct row *row, struct machine_world *world,
                          struct error *err) {
    if (look_at_world(context, row, world, err) < 0)
        return ANSWER_FAILED;
    if (!machine_applies(row, world))
        return ANSWER_DONE;
    context_progress(context, 0, 0, "%s", step_name(row->step));
    int r = steps[row->step](context, err);
    if (r < 0 && deadline_left(context->deadline) == 0)
        error_prefix(err, "the phase's time is over");
    return r < 0 ? ANSWER_FAILED : r > 0 ? ANSWER_SEEN : ANSWER_DONE;
}

static struct machine_move walk(struct context *context, enum phase phase, struct error *err,
                                bool *ret_failed) {
    struct machine_world world = { 0 };
    struct machine_move move = { MOVE_STEP, phase, 0 };
    while (move.move == MOVE_STEP) {
        error_done(err);
        enum answer answer = do_row(context, &machine_phases[phase].rows[move.row], &world, err);
        *ret_failed = answer == ANSWER_FAILED;
        if (*ret_failed)
            break;
        move = machine_next(phase, move.row, answer, &world);
        if (answer == ANSWER_SEEN && move.move == MOVE_STEP &&
            !deadline_sleep(context->deadline, USEC_PER_SEC)) {
            *ret_failed = true;
            error_prefix(err, "again and again until the phase's time was over");
        }
        if (*ret_failed)
            break;
    }
    return move;
}

static int report_end(struct context *context, struct machine_move move, bool failed, const struct error *err,
                      bool fenced) {
    json_t *end = json_object();
    _cleanup_json_ json_t *message = json_object();
    json_object_set_new(end, "move", json_string(failed ? "failed" : moves[move.move]));
    json_object_set_new(end, "phase", json_string(phase_name(move.phase)));
    json_object_set_new(end, "fenced", json_boolean(fenced));
    if (err->number)
        json_object_set_new(end, "reason", json_text_string(error_text(err)));
    json_object_set_new(message, "end", end);
    return channel_send(context->channel, message, deadline_in(10 * USEC_PER_SEC), NULL);
}

static int load(struct context *context, const char *root, const char *app, struct error *err) {
    int r = state_open(root, app, false, &context->state, err);
    if (r >= 0)
        r = state_load(context->state, &context->record, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = NULL;
    size_t size;
    _cleanup_free_ char *path = state_transaction_path(context->state, context->record->id, "app.conf");
    r = file_read(AT_FDCWD, path, 1024 * 1024, &text, &size, err);
    return r < 0 ? r : settings_parse(app, context->record->config, text, size, &context->settings, err);
}

int worker_main(int argc, char **argv) {
    if (argc != 5 || fcntl(CHANNEL_FD, F_GETFD) < 0)
        return 2;
    fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0); /* no core dump with secrets */
    struct context context = { .channel = CHANNEL_FD, .deadline = strtoull(argv[4], NULL, 10) };
    _cleanup_error_ struct error err = ERROR_NONE;
    enum phase phase = phase_by_name(argv[3]);
    struct machine_move move = { MOVE_STEP, phase, 0 };
    bool failed = true, fenced = false;
    /* what the kernel cannot do is said by `check` and preflight, once */
    sandbox_enter(&(const struct sandbox){ .kind = SANDBOX_PROGRAMS }, NULL);
    if (phase != PHASE_NONE && load(&context, argv[1], argv[2], &err) >= 0)
        move = walk(&context, phase, &err, &failed);
    if (!failed && phase == PHASE_REST && context_fenced(&context, &fenced, &err) < 0)
        failed = true;
    int r = report_end(&context, move, failed, &err, fenced);
    context_done(&context);
    return r < 0 ? 1 : 0;
}
