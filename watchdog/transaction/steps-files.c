/* Steps on the data directories, and the one that makes all of it durable. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "watchdog/base/durable.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)

int step_second_pass(struct context *context, struct error *err) {
    struct record *record = context->record;
    usec_t begun = clock_boottime();
    int r = context_open_snapshot(context, err);
    for (size_t i = 0; r >= 0 && i < record->trees_count; i++) {
        const struct record_tree *tree = &record->trees[i];
        _cleanup_free_ char *directory = snapshot_tree_path(context->snapshot, tree->name);
        _cleanup_manifest_ struct manifest *manifest = NULL;
        struct tree_source source = { tree->name, tree->path };
        struct tree_run run = context_tree_run(context, "second pass");
        struct tree_changes changes = { 0 };
        r = tree_second_pass(&source, directory, &run, &changes, &manifest, err);
        if (r >= 0)
            snapshot_add_tree(context->snapshot, manifest);
    }
    if (r >= 0) {
        snapshot_set_verified(context->snapshot, "checksums", clock_realtime());
        r = snapshot_finish(context->snapshot, err);
    }
    if (r < 0)
        return error_prefix(err, "cannot make the copy of the files exact");
    record->snapshot_exact = true;
    record_seconds(record, "second-pass", clock_boottime() - begun);
    return context_record(context, err);
}

static int remember_containers(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    strings_free(context->before_files);
    context->before_files = xcalloc(1, sizeof(char *));
    /* One that runs now may change files after they were restored: whatever becomes of it, it is seen. */
    for (size_t i = 0; r >= 0 && i < count; i++)
        if (!container_runs(&list[i]))
            strings_appendf(&context->before_files, "%s %llu", list[i].id,
                            (unsigned long long)list[i].started);
    containers_free(list, count);
    return r;
}

/* A quarantine of its own for each attempt: named in the record before anything moves into it. */
static int new_quarantine(struct context *context, char **ret, struct error *err) {
    struct record *record = context->record;
    size_t attempt = strings_count(record->quarantines) + 1;
    _cleanup_free_ char *path = state_path(context->state, "quarantine/%s-%zu", record->id, attempt);
    strings_append(&record->quarantines, path);
    int r = context_record(context, err);
    if (r >= 0)
        *ret = take_ptr(path);
    return r;
}

static void forget_quarantine(struct record *record) {
    size_t count = strings_count(record->quarantines);
    free(record->quarantines[count - 1]);
    record->quarantines[count - 1] = NULL;
}

static int restore_tree(struct context *context, const struct record_tree *tree, const char *quarantine,
                        size_t *displaced, struct error *err) {
    _cleanup_free_ char *directory = snapshot_tree_path(context->snapshot, tree->name);
    _cleanup_free_ char *name = tree_directory_name(tree->name);
    _cleanup_free_ char *aside = xasprintf("%s/%s", quarantine, name);
    struct tree_restore restore = { directory, tree->path, aside, context->record->id };
    struct tree_run run = context_tree_run(context, "restore files");
    struct tree_restored restored = { 0 };
    int r = tree_restore(&restore, &run, &restored, err);
    if (r < 0)
        return error_prefix(err, "cannot restore the files of Data=%s", tree->name);
    *displaced += restored.displaced + restored.metadata;
    return 0;
}

int step_restore_files(struct context *context, struct error *err) {
    struct record *record = context->record;
    _cleanup_free_ char *quarantine = NULL;
    usec_t begun = clock_boottime();
    size_t displaced = 0;
    int r = remember_containers(context, err);
    if (r < 0 || !record->snapshot || (record->kind == KIND_UPGRADE && !record->snapshot_exact))
        return r;
    r = context_open_snapshot(context, err);
    if (r >= 0)
        r = new_quarantine(context, &quarantine, err);
    for (size_t i = 0; r >= 0 && i < record->trees_count; i++)
        r = restore_tree(context, &record->trees[i], quarantine, &displaced, err);
    if (r < 0)
        return r;
    if (displaced == 0) {
        r = durable_remove_tree(AT_FDCWD, quarantine, err);
        if (r < 0)
            return r;
        forget_quarantine(record);
    } else {
        record_seconds(record, "files", clock_boottime() - begun);
    }
    return context_record(context, err);
}

int step_sync(struct context *context, struct error *err) {
    const struct record *record = context->record;
    const char *docker = NULL;
    int r = context_open_engine(context, err);
    if (r >= 0)
        r = durable_sync_filesystem(context->state->directory, err);
    if (r >= 0)
        r = engine_root_directory(context->engine, context_deadline(context, CALL_TIME), &docker, err);
    if (r >= 0)
        r = durable_sync_filesystem(docker, err);
    for (size_t i = 0; r >= 0 && i < record->trees_count; i++)
        r = durable_sync_filesystem(record->trees[i].path, err);
    return r;
}
