/* Steps that leave nothing behind: of dead runs, of this transaction, and of those whose time is over. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/catalog.h"
#include "watchdog/database/fence.h"
#include "watchdog/docker/exec.h"
#include "watchdog/docker/image.h"
#include "watchdog/snapshot/images.h"
#include "watchdog/transaction/restore-trial.h"
#include "watchdog/transaction/retention.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define SESSIONS_TIME (2 * USEC_PER_MINUTE)

static int end_ours(struct context *context, struct error *err) {
    int r = context_open_maintenance(context, err);
    if (r < 0)
        return r;
    /* On a server that others use, too, so may this program on another host. */
    _cleanup_free_ char *ours =
        xasprintf(SERVER_APPLICATION "%s", context->settings->database.url ? context->record->id : "");
    r = sessions_end_ours(context->maintenance, ours, context_deadline(context, SESSIONS_TIME), err);
    if (r >= 0 && context->database.id)
        r = engine_execs_end(context->engine, context->database.id, context_deadline(context, CALL_TIME),
                             err);
    return r < 0 ? r : 0;
}

/* Before anything was touched a database that is down or lets nobody in holds no session of ours that
 * matters: that it could not be reached may be the very reason of the refusal. */
int step_end_ours(struct context *context, struct error *err) {
    int r = end_ours(context, err);
    if (r >= 0 || context->record->phase != PHASE_FORGET)
        return r;
    error_done(err);
    return 0;
}

/* "0123456789ab_name" of a killed `up`: the service's container, renamed on its way out. */
static const char *half_made_name(const struct container *container) {
    const char *name = container->name;
    for (int i = 0; i < 12; i++)
        if (!name[i] || !strchr("0123456789abcdef", name[i]))
            return NULL;
    return name[12] == '_' && *container->service ? name + 13 : NULL;
}

static const struct container *by_name(const struct container *list, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (string_equal(list[i].name, name))
            return &list[i];
    return NULL;
}

/* Compose renames the old container, creates the new one under its name, and removes the old one. Killed
 * between, the old one may be the only one (then it gets its name back) or be beside its successor (then it
 * goes). A half-made container that was never started holds nothing; one that ran is only removed while the
 * other is there. */
int step_repair_names(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        const char *name = half_made_name(&list[i]);
        if (!name)
            continue;
        usec_t deadline = context_deadline(context, CALL_TIME);
        const struct container *other = by_name(list, count, name);
        if (!other)
            r = engine_rename(context->engine, list[i].id, name, deadline, err);
        else if (!context_is_database(context, &list[i]))
            r = engine_remove(context->engine, list[i].id, deadline, err);
        if (r == -ENOENT || r == -EEXIST) {
            error_done(err);
            r = 0;
        }
    }
    containers_free(list, count);
    return r;
}

static int remove_ours(struct context *context, struct error *err) {
    _cleanup_free_ char *label = xasprintf("%s=%s", DOCKER_LABEL, context->record->id);
    struct container *list = NULL;
    size_t count = 0;
    int r = engine_containers_labelled(context->engine, label, context_deadline(context, CALL_TIME), &list,
                                       &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        r = engine_remove_ours(context->engine, list[i].id, context_deadline(context, CALL_TIME), err);
        if (r == -ENOENT) {
            error_done(err);
            r = 0;
        }
    }
    containers_free(list, count);
    return r;
}

static int drop_tag(struct context *context, const char *name, struct error *err) {
    if (!name)
        return 0;
    int r = engine_untag(context->engine, name, context_deadline(context, CALL_TIME), err);
    if (r == -ENOENT) {
        error_done(err);
        r = 0;
    }
    return r;
}

/* Our tags of this transaction, by their names: the record of a run that died in `fetch` may not list them.
 */
static int drop_tags(struct context *context, const char *word, struct error *err) {
    int r = 0;
    for (size_t i = 0; r >= 0 && i < context->record->services_count; i++) {
        _cleanup_free_ char *name = xasprintf("upgrade-watchdog/%s:%s-%s", word, context->record->id,
                                              context->record->services[i].service);
        r = drop_tag(context, name, err);
    }
    return r;
}

/* Of a `snapshot` that died: what is complete was read back already and stays. */
static int drop_unfinished(struct context *context, struct error *err) {
    const struct record *record = context->record;
    _cleanup_snapshot_ struct snapshot *snapshot = NULL;
    if (snapshot_load(context->state->directory, record->app, record->id, &snapshot, NULL) >= 0)
        return 0;
    return snapshot_remove(context->state->directory, record->id, err);
}

static int drop_partial_snapshot(struct context *context, struct error *err) {
    struct record *record = context->record;
    /* Only one that this transaction made, a rollback by hand works with an older one; and one that died in
     * its second pass holds a tree without a manifest. */
    bool half =
        record->phase == PHASE_FORGET ||
        (record->phase == PHASE_BACK_OUT && record->back_out_from == PHASE_FREEZE && !record->snapshot_exact);
    if (record->kind != KIND_UPGRADE || !half)
        return 0;
    int r = snapshot_remove(context->state->directory, record->id, err);
    if (r >= 0 && record->snapshot) {
        free(record->snapshot);
        record->snapshot = NULL;
        r = context_record(context, err);
    }
    return r;
}

int step_drop_holds(struct context *context, struct error *err) {
    const struct record *record = context->record;
    snapshot_free(context->snapshot);
    context->snapshot = NULL;
    int r = context_open_engine(context, err);
    if (r >= 0)
        r = remove_ours(context, err);
    if (r >= 0)
        r = drop_tags(context, "candidate", err);
    /* The old release's images stay held as long as its snapshot does: step_retain() lets go. */
    if (r >= 0 && (record->phase != PHASE_COMMIT || !record->snapshot))
        r = drop_tags(context, "running", err);
    if (r >= 0)
        r = drop_partial_snapshot(context, err);
    if (r >= 0 && record->kind == KIND_SNAPSHOT)
        r = drop_unfinished(context, err);
    if (r >= 0 && record->kind == KIND_SNAPSHOT)
        r = restore_trial_drop(context, err);
    return r < 0 ? error_prefix(err, "cannot tidy up") : 0;
}

int step_retain(struct context *context, struct error *err) {
    /* What cannot be dropped today can be tomorrow: the outcome does not depend on it, and a night in which
     * nothing was done has nothing to say of it. */
    if (retention_run(context, err) < 0) {
        if (context->record->phase != PHASE_FORGET)
            record_note(context->record, "old snapshots could not all be dropped: %s", error_text(err));
        error_done(err);
    }
    return 0;
}
