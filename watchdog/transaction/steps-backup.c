/* Steps of the durable snapshot, made while the application runs. */

#include <errno.h>
#include <fcntl.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/path.h"
#include "watchdog/database/dump.h"
#include "watchdog/snapshot/images.h"
#include "watchdog/snapshot/offhost.h"
#include "watchdog/transaction/steps.h"

struct dumping {
    struct context *context;
    const char *word;
    uint64_t total;
};

static int dump_advanced(void *userdata, uint64_t bytes) {
    const struct dumping *dumping = userdata;
    context_progress(dumping->context, bytes, dumping->total, "%s", dumping->word);
    return 0;
}

static int dump_database(struct context *context, const struct record_database *database, struct error *err) {
    _cleanup_free_ char *path = snapshot_dump_path(context->snapshot, database->name);
    _cleanup_dump_ struct dump dump = { 0 };
    struct dumping dumping = { context, "dump", 0 };
    struct dump_progress progress = { dump_advanced, &dumping };
    int r = dump_write(context->programs, context->server, database->name, path, &progress, context->deadline,
                       &dump, err);
    if (r < 0)
        return r;
    dumping = (struct dumping){ context, "verify the dump", dump.file.bytes };
    r = dump_verify(context->programs, context->server, path, &dump, &progress, context->deadline, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *details = json_object();
    json_object_set_new(details, "dump", dump_to_json(&dump));
    json_object_set(details, "database", database->attributes);
    snapshot_add_dump(context->snapshot, database->name, dump.file.compressed, dump.file.sha256, details);
    return 0;
}

int step_dump(struct context *context, struct error *err) {
    struct record *record = context->record;
    snapshot_free(context->snapshot);
    context->snapshot = NULL;
    int r = context_open_database(context, err);
    if (r >= 0)
        r = snapshot_create(context->state->directory, record->app, record->id, &context->snapshot, err);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++)
        r = dump_database(context, &record->databases[i], err);
    if (r < 0)
        return error_prefix(err, "cannot dump the database");
    _cleanup_free_ char *path = snapshot_globals_path(context->snapshot);
    char digest[DIGEST_TEXT_SIZE];
    uint64_t bytes;
    r = globals_write(context->programs, context->server, path, context->deadline, digest, &bytes, err);
    if (r < 0)
        return error_prefix(err, "cannot dump the roles");
    snapshot_add_globals(context->snapshot, bytes, digest);
    return 0;
}

static bool is_data_file(const struct record *record, const char *path) {
    for (size_t i = 0; i < record->files_count; i++)
        if (string_equal(record->files[i].path, path))
            return true;
    return false;
}

/* Owned by the caller; NULL when there is none. */
static char *previous_tree(const struct context *context, const struct record_tree *tree) {
    const struct record *record = context->record;
    return snapshots_previous_tree(context->state->directory, record->app, record->id, tree->name);
}

static int copy_tree(struct context *context, const struct record_tree *tree, const char *previous,
                     struct error *err) {
    _cleanup_free_ char *directory = snapshot_tree_path(context->snapshot, tree->name);
    _cleanup_manifest_ struct manifest *manifest = NULL;
    struct tree_source source = { tree->name, tree->path };
    struct tree_run run = context_tree_run(context, "copy files");
    int r = tree_copy(&source, directory, previous, &run, &manifest, err);
    if (r < 0)
        return error_prefix(err, "cannot copy the files of Data=%s", tree->name);
    snapshot_add_tree(context->snapshot, manifest);
    return 0;
}

int step_copy_files(struct context *context, struct error *err) {
    const struct record *record = context->record;
    for (size_t i = 0; i < record->trees_count; i++) {
        const struct record_tree *tree = &record->trees[i];
        _cleanup_free_ char *previous = previous_tree(context, tree);
        if (is_data_file(record, tree->path))
            return error_set(err, EINVAL, "[Snapshot] Data=%s: that is a Compose file", tree->name);
        int r = copy_tree(context, tree, previous, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < record->files_count; i++) {
        int r = snapshot_add_file(context->snapshot, record->files[i].path, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int step_archive_images(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = context_open_engine(context, err);
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        struct image_archive archive = { 0 };
        struct tree_run run = context_tree_run(context, "archive images");
        if (service->database)
            continue;
        context_progress(context, 0, 0, "archive the image of %s", service->service);
        r = image_archive_make(context->state->directory, context->engine, service->image_id, &run, &archive,
                               err);
        if (r < 0)
            return error_prefix(err, "cannot archive the image of service \"%s\"", service->service);
        image_archive_done(&archive);
        _cleanup_free_ char *reference = service->tag && service->digest
                                             ? xasprintf("%s@%s", service->tag, service->digest)
                                             : xstrdup(service->image);
        snapshot_add_image(context->snapshot, service->service, reference, service->image_id, true);
    }
    return r;
}

static bool is_fault_of(const struct snapshot_fault *fault, const struct record_tree *tree) {
    _cleanup_free_ char *name = tree_directory_name(tree->name);
    _cleanup_free_ char *directory = xasprintf("files/%s", name);
    return path_covers(directory, fault->file);
}

/* A byte that rotted in the previous snapshot is in this one too, by the hard link, and would be in each
 * night's after it: only what is live still has it right. Returns how many trees were copied anew. */
static int copy_anew(struct context *context, const struct snapshot_fault *faults, size_t count,
                     struct error *err) {
    struct record *record = context->record;
    int copied = 0;
    for (size_t i = 0; i < record->trees_count; i++) {
        const struct record_tree *tree = &record->trees[i];
        _cleanup_free_ char *previous = previous_tree(context, tree);
        size_t first = 0;
        while (first < count && !is_fault_of(&faults[first], tree))
            first++;
        if (!previous || first == count)
            continue;
        int r = copy_tree(context, tree, NULL, err);
        if (r < 0)
            return r;
        record_note(record, "Data=%s: a file of an earlier snapshot was damaged: copied anew (\"%s\": %s)",
                    tree->name, faults[first].file, faults[first].what);
        copied++;
    }
    return copied;
}

/* "Verified" is what was read again from the disk, not what was meant to be written. */
static int read_back(struct context *context, bool again, struct error *err) {
    struct tree_run run = context_tree_run(context, "read the snapshot back");
    struct snapshot_fault *faults = NULL;
    size_t count = 0;
    int copied = 0, r = snapshot_finish(context->snapshot, err);
    if (r >= 0)
        r = snapshot_verify(context->snapshot, context->state->directory, &run, &faults, &count, err);
    if (r >= 0 && count > 0 && !again)
        r = copied = copy_anew(context, faults, count, err);
    if (r >= 0 && count > 0 && copied == 0)
        r = error_set(err, EBADMSG, "the new snapshot is damaged: \"%s\": %s", faults[0].file,
                      faults[0].what);
    snapshot_faults_free(faults, count);
    return r > 0 ? 1 : r;
}

int step_seal_snapshot(struct context *context, struct error *err) {
    const struct settings *settings = context->settings;
    struct record *record = context->record;
    int r = read_back(context, false, err);
    if (r > 0)
        r = read_back(context, true, err);
    if (r < 0)
        return r;
    snapshot_set_verified(context->snapshot, "checksums", clock_realtime());
    r = snapshot_finish(context->snapshot, err);
    if (r < 0)
        return r;
    replace_string(record->snapshot, xstrdup(context->snapshot->id));
    if (settings->snapshot.off_host) {
        struct tree_run run = context_tree_run(context, "copy off the host");
        uint64_t bytes;
        context_progress(context, 0, 0, "copy the snapshot to %s", settings->snapshot.off_host);
        /* The disk may be gone since preflight, and `snapshot` has none. */
        r = offhost_look(settings->snapshot.off_host, context->state->directory, NULL, err);
        if (r >= 0)
            r = offhost_copy(context->snapshot, settings->snapshot.off_host, &run, &bytes, err);
        if (r >= 0)
            r = offhost_retain(settings->snapshot.off_host, record->app, settings->snapshot.keep, err);
        if (r < 0)
            return error_prefix(err, "cannot copy the snapshot off the host");
    }
    return context_record(context, err);
}
