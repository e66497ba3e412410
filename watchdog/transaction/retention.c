/* How long things stay. See retention.h. Closed records say what there is and since when. */

#include "watchdog/transaction/retention.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/database/catalog.h"
#include "watchdog/database/clone.h"
#include "watchdog/docker/image.h"
#include "watchdog/snapshot/images.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define DROP_TIME (2 * USEC_PER_MINUTE)

static bool is_over(usec_t since, usec_t time) {
    usec_t now = clock_realtime();
    return since && now > since && now - since > time;
}

/* Drops @name if it is the very database that was recorded: an OID is never used for another one as long as
 * it is. */
static int drop_recorded(struct context *context, const char *name, uint32_t oid, struct error *err) {
    uint32_t found = 0;
    int r = context_open_maintenance(context, err);
    if (r < 0)
        return r;
    r = database_oid(context->maintenance, name, context_deadline(context, CALL_TIME), &found, err);
    if (r == -ENOENT || (r >= 0 && oid && found != oid)) {
        error_done(err);
        return 0;
    }
    if (r >= 0)
        r = database_drop(context->maintenance, found, name, context_deadline(context, DROP_TIME), err);
    return r < 0 ? r : 0;
}

static uint32_t print_oid(const json_t *print) {
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    return print && fingerprint_from_json(print, &fingerprint, NULL) >= 0 ? fingerprint.oid : 0;
}

static int retain_databases(struct context *context, const struct record *closed, struct error *err) {
    const struct settings *settings = context->settings;
    int r = 0;
    bool clones =
        closed->outcome == OUTCOME_UPGRADED && is_over(closed->finished, settings->snapshot.keep_clone);
    bool failed =
        closed->outcome == OUTCOME_ROLLED_BACK && is_over(closed->finished, settings->snapshot.quarantine);
    for (size_t i = 0; r >= 0 && i < closed->databases_count; i++) {
        const struct record_database *database = &closed->databases[i];
        if (clones && database->clone_print)
            r = drop_recorded(context, database->clone, print_oid(database->clone_print), err);
        if (r >= 0 && failed)
            r = drop_recorded(context, database->failed, database->current, err);
    }
    return r;
}

static int retain_files(struct context *context, const struct record *closed, struct error *err) {
    int r = 0;
    if (!is_over(closed->finished, context->settings->snapshot.quarantine))
        return 0;
    for (char **path = closed->quarantines; r >= 0 && path && *path; path++)
        if (string_starts_with(*path, context->state->directory))
            r = durable_remove_tree(AT_FDCWD, *path, err);
    return r;
}

/* Our tags on the images of a release whose snapshot is gone. */
static int release_tags(struct context *context, const struct record *closed, char *const *removed,
                        struct error *err) {
    if (!strings_contain(removed, closed->id))
        return 0;
    for (size_t i = 0; i < closed->services_count; i++) {
        const char *held = closed->services[i].held;
        int r = held ? engine_untag(context->engine, held, context_deadline(context, CALL_TIME), err) : 0;
        if (r < 0 && r != -ENOENT)
            return r;
        error_done(err);
    }
    return 0;
}

static int by_one_closed(struct context *context, const struct record *closed, char *const *removed,
                         struct error *err) {
    int r = retain_files(context, closed, err);
    if (r >= 0)
        r = release_tags(context, closed, removed, err);
    /* a server that does not answer is asked once, not for each of them */
    return r < 0 || !context->maintenance ? r : retain_databases(context, closed, err);
}

/* One that cannot be dropped (somebody works in the database) keeps none of the others: the first error is
 * told at the end. */
static int by_each_closed(struct context *context, char *const *removed, struct error *err) {
    context_open_maintenance(context, NULL);
    _cleanup_free_ char *path = state_path(context->state, "transactions");
    DIR *directory = opendir(path);
    int r = directory ? 0 : error_errno(err, errno, "cannot read \"%s\"", path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        _cleanup_record_ struct record *closed = NULL;
        if (*entry->d_name == '.' || string_ends_with(entry->d_name, ".json") ||
            string_equal(entry->d_name, context->record->id) ||
            state_load_closed(context->state, entry->d_name, &closed, NULL) < 0)
            continue;
        int one = by_one_closed(context, closed, removed, r < 0 ? NULL : err);
        r = r < 0 ? r : one;
    }
    if (directory)
        closedir(directory);
    return r;
}

int retention_run(struct context *context, struct error *err) {
    struct record *record = context->record;
    const char *directory = context->state->directory;
    _cleanup_strings_ char **removed = NULL, **needed = NULL, **images = NULL;
    int r = context_open_engine(context, err);
    if (record->snapshot)
        strings_append(&needed, record->snapshot);
    if (r >= 0)
        r = snapshots_retain(directory, record->app, context->settings->snapshot.keep, needed, &removed, err);
    if (r >= 0)
        r = by_each_closed(context, removed, err);
    if (r >= 0)
        r = image_archives_needed(directory, record->app, &images, err);
    if (r >= 0)
        r = image_archives_collect(directory, images, err);
    return r;
}
