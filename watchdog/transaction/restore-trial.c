/* Restoring on trial. See restore-trial.h. */

#include "watchdog/transaction/restore-trial.h"

#include <errno.h>

#include "watchdog/base/json.h"
#include "watchdog/database/catalog.h"
#include "watchdog/database/dump.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define DROP_TIME (2 * USEC_PER_MINUTE)

struct trial {
    struct context *context;
    uint64_t total;
};

static int advanced(void *userdata, uint64_t bytes) {
    const struct trial *trial = userdata;
    context_progress(trial->context, bytes, trial->total, "restore on trial");
    return 0;
}

static const json_t *entry_of(const struct snapshot *snapshot, const char *name) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_get_array(snapshot->document, "databases"), i, entry) {
        if (string_equal(json_get_string(entry, "name", ""), name))
            return entry;
    }
    return NULL;
}

static int try_one(struct context *context, const struct record_database *database, struct error *err) {
    const json_t *entry = entry_of(context->snapshot, database->name);
    _cleanup_free_ char *path = snapshot_dump_path(context->snapshot, database->name);
    _cleanup_dump_ struct dump dump = { 0 };
    _cleanup_database_ struct database recorded = { 0 };
    _cleanup_fingerprint_ struct fingerprint made = { 0 };
    if (!entry)
        return error_set(err, EBADMSG, "the snapshot holds no dump of \"%s\"", database->name);
    int r = dump_from_json(json_path(entry, "details.dump"), &dump, err);
    if (r >= 0)
        r = database_from_json(json_path(entry, "details.database"), &recorded, err);
    if (r < 0)
        return r;
    struct trial trial = { context, dump.file.bytes };
    struct dump_progress progress = { advanced, &trial };
    return dump_restore(context->programs, context->server, context->maintenance, path, &dump, &recorded,
                        database->restored, database->restored_mark, &progress, context->deadline, &made,
                        err);
}

static int drop_one(struct context *context, const char *name, struct error *err) {
    uint32_t oid = 0;
    int r = database_oid(context->maintenance, name, context_deadline(context, CALL_TIME), &oid, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    if (r >= 0)
        r = database_drop(context->maintenance, oid, name, context_deadline(context, DROP_TIME), err);
    return r < 0 ? r : 0;
}

int restore_trial_drop(struct context *context, struct error *err) {
    int r = context_open_maintenance(context, err);
    for (size_t i = 0; r >= 0 && i < context->record->databases_count; i++)
        r = drop_one(context, context->record->databases[i].restored, err);
    return r;
}

int restore_trial(struct context *context, struct error *err) {
    _cleanup_error_ struct error dropping = ERROR_NONE;
    int r = context_open_maintenance(context, err);
    for (size_t i = 0; r >= 0 && i < context->record->databases_count; i++)
        r = try_one(context, &context->record->databases[i], err);
    int dropped = restore_trial_drop(context, &dropping);
    if (r < 0)
        return error_prefix(err, "the dump does not restore");
    if (dropped < 0)
        return error_move(err, &dropping);
    snapshot_set_verified(context->snapshot, "restore", clock_realtime());
    return snapshot_finish(context->snapshot, err);
}
