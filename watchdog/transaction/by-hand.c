/* A rollback by a person's word. See by-hand.h. */

#include "watchdog/transaction/by-hand.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/database/clone.h"
#include "watchdog/database/names.h"
#include "watchdog/docker/image.h"
#include "watchdog/docker/reference.h"
#include "watchdog/transaction/apart.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/old-images.h"
#include "watchdog/transaction/resolve.h"
#include "watchdog/transaction/strays.h"

#define LOOK_TIME (2 * USEC_PER_MINUTE)
#define IMAGES_TIME USEC_PER_HOUR
#define VERIFY_TIME (6 * USEC_PER_HOUR)
#define CALL_TIME (30 * USEC_PER_SEC)
#define BASELINE_LIMIT ((size_t)256 * 1024 * 1024)

static int choose_snapshot(struct state *state, const char *app, const char *id, struct snapshot **ret,
                           struct error *err) {
    if (id)
        return snapshot_load(state->directory, app, id, ret, err);
    struct snapshot **list = NULL;
    size_t count = 0;
    int r = snapshots_list(state->directory, app, &list, &count, err);
    if (r < 0)
        return r;
    r = error_set(err, ENOENT, "there is no complete snapshot of \"%s\"", app);
    for (size_t i = 0; i < count; i++)
        if (list[i]->complete) {
            error_done(err);
            r = snapshot_load(state->directory, app, list[i]->id, ret, err);
            break;
        }
    snapshots_free(list, count);
    return r;
}

static const json_t *entry_of(const struct snapshot *snapshot, const char *list, const char *key,
                              const char *name) {
    size_t i;
    const json_t *entry;
    json_array_foreach(json_get_array(snapshot->document, list), i,
                       entry) if (string_equal(json_get_string(entry, key, ""), name)) return entry;
    return NULL;
}

/* The service goes back to the image that it had; what runs now is what it comes from. */
static int aim_service(struct context *context, const struct snapshot *snapshot,
                       struct record_service *service, struct error *err) {
    const json_t *entry = entry_of(snapshot, "images", "service", service->service);
    const char *old = json_get_string(entry, "image_id", NULL);
    const char *reference = json_get_string(entry, "reference", "");
    if (!old || service->database || string_equal(old, service->image_id))
        return 0;
    service->changes = true;
    service->candidate_image_id = service->image_id;
    service->candidate_digest = service->digest;
    service->candidate_version = service->version;
    service->image_id = xstrdup(old);
    const char *at = strstr(reference, "@sha256:");
    service->digest = at ? xstrdup(at + 1) : NULL;
    struct image image = { 0 };
    int r = engine_image(context->engine, old, context_deadline(context, CALL_TIME), &image, err);
    service->version = xstrdup(r < 0 ? "" : image.version);
    if (r >= 0)
        image_done(&image);
    else if (r == -ENOENT)
        error_done(err);
    else
        return r;
    _cleanup_image_place_ struct image_place place = { 0 };
    _cleanup_reference_ struct reference name = { 0 };
    if (!service->tag || !service->digest)
        return error_set(err, ENOTSUP,
                         "the snapshot does not say by which name and digest service \"%s\" had its image",
                         service->service);
    r = inspect_image_place(context, service->service, &place, err);
    if (r >= 0)
        r = reference_parse(place.meaning, &name, err);
    if (r < 0)
        return r;
    struct record *record = context->record;
    record->pins = xrealloc(record->pins, record->pins_count + 1, sizeof(*record->pins));
    record->pins[record->pins_count++] =
        (struct record_pin){ .service = xstrdup(service->service),
                             .path = take_ptr(place.path),
                             .before = take_ptr(place.value),
                             .candidate = take_ptr(place.original),
                             .old = reference_with_digest(&name, service->digest) };
    for (size_t i = 0; i < record->tags_count; i++)
        if (string_equal(record->tags[i].reference, service->tag)) {
            replace_string(record->tags[i].candidate_image_id, xstrdup(service->candidate_image_id));
            replace_string(record->tags[i].image_id, xstrdup(old));
        }
    return 0;
}

static bool is_pinned(const struct record *record, const char *service) {
    for (size_t i = 0; i < record->pins_count; i++)
        if (string_equal(record->pins[i].service, service))
            return true;
    return false;
}

/* A service that is newer than the snapshot, and takes its image from the line of one that goes back: with
 * it. */
static void take_along(struct record *record, size_t pin, struct record_service *service) {
    const struct record_service *first = record_service(record, record->pins[pin].service);
    service->changes = true;
    service->candidate_image_id = service->image_id;
    service->candidate_digest = service->digest;
    service->candidate_version = service->version;
    service->image_id = xstrdup(first->image_id);
    service->digest = xstrdup(first->digest);
    service->version = xstrdup(first->version);
    record->pins = xrealloc(record->pins, record->pins_count + 1, sizeof(*record->pins));
    const struct record_pin *from = &record->pins[pin];
    record->pins[record->pins_count++] = (struct record_pin){ .service = xstrdup(service->service),
                                                              .path = xstrdup(from->path),
                                                              .before = xstrdup(from->before),
                                                              .candidate = xstrdup(from->candidate),
                                                              .old = xstrdup(from->old) };
    record_note(record, "service \"%s\" takes its image from the same line as \"%s\", and goes back with it",
                service->service, first->service);
}

static int aim_sharers(struct context *context, struct error *err) {
    struct record *record = context->record;
    int r = 0;
    for (size_t i = 0, count = record->pins_count; r >= 0 && i < count; i++) {
        const struct record_service *first = record_service(record, record->pins[i].service);
        _cleanup_image_place_ struct image_place place = { 0 };
        r = inspect_image_place(context, record->pins[i].service, &place, err);
        for (char **sharer = place.sharers; r >= 0 && sharer && *sharer; sharer++)
            for (size_t k = 0; k < record->services_count; k++)
                if (string_equal(record->services[k].service, *sharer) && !record->services[k].database &&
                    !is_pinned(record, *sharer) && inspect_is_placed(context, *sharer, place.path) &&
                    string_equal(record->services[k].image_id, first->candidate_image_id))
                    take_along(record, i, &record->services[k]);
    }
    return r < 0 ? r : resolve_check_sharers(context, err);
}

static const struct record_database *database_of(const struct record *record, const char *name) {
    for (size_t i = 0; record && i < record->databases_count; i++)
        if (string_equal(record->databases[i].name, name))
            return &record->databases[i];
    return NULL;
}

static int aim_database(const struct snapshot *snapshot, const struct record *made,
                        struct record_database *database, struct error *err) {
    const json_t *entry = entry_of(snapshot, "databases", "name", database->name);
    const struct record_database *old = database_of(made, database->name);
    const json_t *attributes =
        old && old->attributes ? old->attributes : json_path(entry, "details.database");
    if (!entry || !attributes)
        return error_set(err, ENOENT, "the snapshot %s holds no dump of the database \"%s\"", snapshot->id,
                         database->name);
    json_decref(database->attributes);
    database->attributes = json_deep_copy(attributes);
    if (old && old->clone_print && made->outcome == OUTCOME_UPGRADED) {
        replace_string(database->clone, xstrdup(old->clone));
        replace_string(database->clone_mark, xstrdup(old->clone_mark));
        database->clone_print = json_deep_copy(old->clone_print);
    }
    if (old && old->written_before)
        database->written_before = json_deep_copy(old->written_before);
    return 0;
}

static int look_at_place(const struct snapshot *snapshot, const struct record_tree *tree, struct error *err) {
    _cleanup_free_ char *directory = snapshot_tree_path(snapshot, tree->name);
    int r = tree_can_restore(directory, tree->path, err);
    return r < 0 ? error_prefix(err, "Data=%s", tree->name) : 0;
}

static int aim_trees(const struct snapshot *snapshot, struct record *record, struct error *err) {
    size_t kept = 0;
    int r = 0;
    for (size_t i = 0; i < record->trees_count; i++) {
        if (entry_of(snapshot, "trees", "name", record->trees[i].name)) {
            r = r < 0 ? r : look_at_place(snapshot, &record->trees[i], err);
            record->trees[kept++] = record->trees[i];
            continue;
        }
        record_note(record, "Data=%s is not in the snapshot and stays as it is", record->trees[i].name);
        free(record->trees[i].name);
        free(record->trees[i].path);
    }
    record->trees_count = kept;
    return r;
}

static int aim(struct context *context, const struct snapshot *snapshot, const struct record *made,
               struct error *err) {
    struct record *record = context->record;
    _cleanup_project_ struct project *project = NULL;
    int r = inspect_application(context, &project, err);
    if (r >= 0)
        r = strays_refuse(project, context->compose, context_deadline(context, CALL_TIME), err);
    for (size_t i = 0; r >= 0 && i < record->services_count; i++)
        r = aim_service(context, snapshot, &record->services[i], err);
    if (r >= 0)
        r = aim_sharers(context, err);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++)
        r = aim_database(snapshot, made, &record->databases[i], err);
    if (r < 0)
        return r;
    r = aim_trees(snapshot, record, err);
    if (r >= 0)
        r = apart_check(context, project, err);
    if (r < 0)
        return r;
    record->snapshot = xstrdup(snapshot->id);
    record->cause = xasprintf("rolled back by hand to the snapshot %s", snapshot->id);
    return 0;
}

/* Every byte of it is read before anything is touched. */
static int look_whole(const struct state *state, const struct snapshot *snapshot, struct error *err) {
    struct tree_run run = { deadline_in(VERIFY_TIME), NULL, NULL };
    struct snapshot_fault *faults = NULL;
    size_t count = 0;
    int r = snapshot_verify(snapshot, state->directory, &run, &faults, &count, err);
    if (r >= 0 && count > 0)
        r = error_set(
            err, EBADMSG,
            "the snapshot %s is damaged: \"%s\" %s; choose another one, `snapshots --verify` reads them all",
            snapshot->id, faults[0].file, faults[0].what);
    snapshot_faults_free(faults, count);
    return r;
}

static void forget_borrowed(struct context *context) {
    context->state = NULL;
    context->record = NULL;
    context->settings = NULL;
    context_done(context);
}

int by_hand_prepare(struct state *state, const struct settings *settings, const char *id,
                    struct record *record, struct error *err) {
    _cleanup_snapshot_ struct snapshot *snapshot = NULL;
    _cleanup_record_ struct record *made = NULL;
    int r = choose_snapshot(state, settings->app, id, &snapshot, err);
    if (r >= 0)
        r = look_whole(state, snapshot, err);
    if (r < 0)
        return r;
    r = state_load_closed(state, snapshot->id, &made, err);
    if (r == -ENOENT) /* made by `snapshot`, not by an upgrade */
        error_done(err);
    else if (r < 0)
        return r;
    struct context context = { .state = state,
                               .record = record,
                               .settings = (struct settings *)settings,
                               .deadline = deadline_in(LOOK_TIME),
                               .channel = -1,
                               .dry = true };
    r = aim(&context, snapshot, made, err);
    if (r >= 0)
        r = context_fenced(&context, &(bool){ false }, err);
    forget_borrowed(&context);
    return r;
}

int by_hand_images(struct state *state, const struct settings *settings, struct record *record,
                   struct error *err) {
    struct context context = { .state = state,
                               .record = record,
                               .settings = (struct settings *)settings,
                               .deadline = deadline_in(IMAGES_TIME),
                               .channel = -1,
                               .dry = true };
    int r = old_images_load(&context, err);
    if (r >= 0)
        r = old_images_settle_pins(&context, err);
    forget_borrowed(&context);
    return r;
}

int by_hand_keep(struct state *state, const struct record *record, struct error *err) {
    _cleanup_free_ char *from = state_transaction_path(state, record->snapshot, "baseline.json");
    _cleanup_free_ char *to = state_transaction_path(state, record->id, "baseline.json");
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, from, BASELINE_LIMIT, &text, &size, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    return r < 0 ? r : durable_write(AT_FDCWD, to, text, size, 0600, err);
}

/* The id of a snapshot begins with its time: 20261123T031500Z. */
usec_t by_hand_moment(const struct record *record) {
    const char *id = record->snapshot;
    usec_t moment = 0;
    if (!id || strlen(id) < 16)
        return 0;
    _cleanup_free_ char *text =
        xasprintf("%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", id, id + 4, id + 6, id + 9, id + 11, id + 13);
    return timestamp_parse(text, &moment) < 0 ? 0 : moment;
}
