/* What is there before anything is done. See inspect.h. */

#include "watchdog/transaction/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/catalog.h"
#include "watchdog/database/names.h"
#include "watchdog/docker/image.h"
#include "watchdog/docker/pins.h"
#include "watchdog/docker/reference.h"
#include "watchdog/transaction/data.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define COMPOSE_FILE_LIMIT ((size_t)1024 * 1024)

/* "name:tag" of a reference, NULL where only a digest names the image. */
static char *tag_of(const char *image) {
    _cleanup_reference_ struct reference reference = { 0 };
    if (reference_parse(image, &reference, NULL) < 0 || !*reference_tag(&reference))
        return NULL;
    return xasprintf("%s:%s", reference.written, reference_tag(&reference));
}

/* Does another service wait for this one's end? Only then is "exited with 0" its job and not somebody's stop.
 */
static bool is_awaited(const struct project *project, const char *service) {
    for (size_t i = 0; i < project->services_count; i++) {
        const json_t *dependency =
            json_object_get(json_object_get(project->services[i].config, "depends_on"), service);
        if (string_equal(json_get_string(dependency, "condition", ""), "service_completed_successfully"))
            return true;
    }
    return false;
}

static int fill_image(struct context *context, struct record_service *service, struct error *err) {
    struct image image = { 0 };
    int r =
        engine_image(context->engine, service->image_id, context_deadline(context, CALL_TIME), &image, err);
    if (r < 0)
        return error_prefix(err, "the image that service \"%s\" runs", service->service);
    const char *digest = *service->image ? image_digest(&image, service->image) : "";
    service->digest = *digest ? xstrdup(digest) : NULL;
    service->version = xstrdup(image.version);
    image_done(&image);
    return 0;
}

static int fill_service(struct context *context, const struct project *project, const struct service *from,
                        const struct container *container, struct record_service *to, struct error *err) {
    *to = (struct record_service){
        .service = xstrdup(from->name),
        .database = from->is_database,
        .gate = context->settings->watch.gate && string_equal(from->name, context->settings->watch.gate),
        .container_id = xstrdup(container->id),
        .container_name = xstrdup(container->name),
        .image = xstrdup(*from->image ? from->image : container->image_reference),
        .tag = from->has_build ? NULL : tag_of(from->image),
        .image_id = xstrdup(container->image_id),
        .policy = xstrdup(container->policy),
        .policy_retries = container->policy_retries,
        .ran = container_runs(container),
    };
    if (!to->ran && container->exit_code == 0 && container->finished && is_awaited(project, from->name)) {
        to->one_shot = true;
        to->ran = true;
    }
    return fill_image(context, to, err);
}

/* What a pin stands for: the tag that its original names now, and where it names an image that only this host
 * knows the digest of that. */
static void fill_pin(struct context *context, struct record_service *service) {
    _cleanup_reference_ struct reference name = { 0 };
    _cleanup_image_place_ struct image_place place = { 0 };
    if (service->database || !service->tag || reference_parse(service->tag, &name, NULL) < 0)
        return;
    _cleanup_free_ char *digest = pin_local_digest(&name);
    if ((!digest && !strstr(service->image, "@sha256:")) ||
        inspect_image_place(context, service->service, &place, NULL) < 0 || !place.followed)
        return;
    free(service->tag);
    service->tag = tag_of(place.meaning);
    if (digest)
        replace_string(service->digest, take_ptr(digest));
}

static int fill_services(struct context *context, const struct project *project, struct error *err) {
    struct record *record = context->record;
    record->services = xcalloc(project->services_count, sizeof(*record->services));
    for (size_t i = 0; i < project->services_count; i++) {
        const struct container *container = project_container(project, project->services[i].name);
        if (!container)
            continue; /* never created (another profile): up would not make it either, as it is not named */
        struct record_service *service = &record->services[record->services_count++];
        int r = fill_service(context, project, &project->services[i], container, service, err);
        if (r < 0)
            return r;
        fill_pin(context, service);
        if (service->database) {
            replace_string(record->database_container, xstrdup(container->id));
            replace_string(record->database_image_id, xstrdup(container->image_id));
        }
    }
    return 0;
}

static int fill_tags(struct context *context, struct error *err) {
    struct record *record = context->record;
    record->tags = xcalloc(record->services_count, sizeof(*record->tags));
    for (size_t i = 0; i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        bool known = service->database || !service->tag;
        for (size_t k = 0; k < record->tags_count; k++)
            known = known || string_equal(record->tags[k].reference, service->tag);
        if (known)
            continue;
        struct image image = { 0 };
        int r =
            engine_image(context->engine, service->tag, context_deadline(context, CALL_TIME), &image, err);
        if (r < 0 && r != -ENOENT)
            return r;
        record->tags[record->tags_count++] =
            (struct record_tag){ .reference = xstrdup(service->tag),
                                 .image_id = xstrdup(r < 0 ? "" : image.id) };
        if (r >= 0)
            image_done(&image);
        error_done(err);
    }
    return 0;
}

static int keep_file(struct context *context, const char *path, struct record_file *ret, struct error *err) {
    _cleanup_free_ char *text = NULL;
    char digest[DIGEST_TEXT_SIZE];
    size_t size;
    int r = file_read(AT_FDCWD, path, COMPOSE_FILE_LIMIT, &text, &size, err);
    if (r < 0)
        return r;
    const char *slash = strrchr(path, '/');
    *ret = (struct record_file){ .path = xstrdup(path),
                                 .copy = xasprintf("files/%zu-%s", context->record->files_count,
                                                   slash ? slash + 1 : path),
                                 .sha256 = xstrdup(digest_memory(text, size, digest)) };
    if (context->dry)
        return 0;
    _cleanup_free_ char *directory = state_transaction_path(context->state, context->record->id, "files");
    _cleanup_free_ char *copy = state_transaction_path(context->state, context->record->id, ret->copy);
    r = durable_mkdir(directory, 0700, err);
    return r < 0 ? r : durable_write(AT_FDCWD, copy, text, size, 0600, err);
}

static int fill_files(struct context *context, struct error *err) {
    struct record *record = context->record;
    char *const *lists[] = { compose_files(context->compose), compose_env_files(context->compose) };
    record->files = xcalloc(strings_count(lists[0]) + strings_count(lists[1]), sizeof(*record->files));
    for (size_t i = 0; i < ELEMENTS(lists); i++)
        for (char *const *path = lists[i]; path && *path; path++) {
            int r = keep_file(context, *path, &record->files[record->files_count], err);
            record->files_count++; /* what was filled is freed with the record */
            if (r < 0)
                return r;
        }
    return 0;
}

static int fill_database(struct context *context, const char *name, struct record_database *ret,
                         struct error *err) {
    _cleanup_database_ struct database database = { 0 };
    int r =
        database_by_name(context->maintenance, name, context_deadline(context, CALL_TIME), &database, err);
    if (r < 0)
        return r;
    const char *id = context->record->id;
    *ret = (struct record_database){
        .name = xstrdup(name),
        .oid = database.oid,
        .current = database.oid,
        .size = (int64_t)database.size,
        .clone = database_name_make(name, "clone", id, 1),
        .failed = database_name_make(name, "failed", id, 1),
        .restored = database_name_make(name, "restored", id, 1),
        .clone_mark = database_mark_make(id),
        .restored_mark = database_mark_make(id),
        .attributes = database_to_json(&database),
    };
    return 0;
}

static int fill_databases(struct context *context, struct error *err) {
    struct record *record = context->record;
    char **names = context->settings->database.names;
    _cleanup_server_facts_ struct server_facts facts = { 0 };
    int r = context_open_maintenance(context, err);
    if (r >= 0)
        r = server_facts_read(context->maintenance, context_deadline(context, CALL_TIME), &facts, err);
    if (r < 0)
        return r;
    replace_string(record->system_identifier, xstrdup(facts.system_identifier));
    replace_string(record->user, xstrdup(server_user(context->server)));
    record->databases = xcalloc(strings_count(names), sizeof(*record->databases));
    for (; *names; names++) {
        r = fill_database(context, *names, &record->databases[record->databases_count], err);
        if (r < 0)
            return r;
        record->databases_count++;
    }
    return 0;
}

static int fill_trees(struct context *context, const struct project *project, struct error *err) {
    struct record *record = context->record;
    char **data = context->settings->snapshot.data;
    record->trees = xcalloc(strings_count(data), sizeof(*record->trees));
    for (; data && *data; data++) {
        char *path = NULL;
        int r = data_path(context, project, *data, &path, err);
        if (r < 0)
            return r;
        record->trees[record->trees_count++] = (struct record_tree){ .name = xstrdup(*data), .path = path };
    }
    return 0;
}

/* What an earlier look left; names and marks are made anew with the new lists. */
static void forget_lists(struct record *record) {
    struct record kept = *record;
    struct record lists = { .services = kept.services,
                            .services_count = kept.services_count,
                            .tags = kept.tags,
                            .tags_count = kept.tags_count,
                            .files = kept.files,
                            .files_count = kept.files_count,
                            .databases = kept.databases,
                            .databases_count = kept.databases_count,
                            .trees = kept.trees,
                            .trees_count = kept.trees_count };
    codec_free(record_fields, &lists);
    record->services = NULL;
    record->tags = NULL;
    record->files = NULL;
    record->databases = NULL;
    record->trees = NULL;
    record->services_count = record->tags_count = record->files_count = record->databases_count =
        record->trees_count = 0;
}

int inspect_application(struct context *context, struct project **ret, struct error *err) {
    struct record *record = context->record;
    _cleanup_project_ struct project *project = NULL;
    forget_lists(record);
    int r = context_open_compose(context, err);
    if (r >= 0)
        r = project_load(context->settings, context->engine, context->compose,
                         context_deadline(context, CALL_TIME), &project, err);
    if (r < 0)
        return r;
    replace_string(record->project, xstrdup(compose_project(context->compose)));
    replace_string(record->directory, xstrdup(compose_directory(context->compose)));
    if ((r = fill_services(context, project, err)) < 0 || (r = fill_tags(context, err)) < 0 ||
        (r = fill_files(context, err)) < 0 || (r = fill_databases(context, err)) < 0 ||
        (r = fill_trees(context, project, err)) < 0)
        return r;
    const char *gate = context->settings->watch.gate;
    if (gate && !record_gate(record))
        return error_set(err, ENOENT, "[Watch] Gate=%s: the project has no such service with a container",
                         gate);
    record->gate = gate ? GATE_OPEN : GATE_NONE;
    if (ret)
        *ret = take_ptr(project);
    return 0;
}

int inspect_image_name(struct context *context, const struct record_service *service, const char *name,
                       struct error *err) {
    struct image image = { 0 };
    int r = engine_image(context->engine, name, context_deadline(context, CALL_TIME), &image, err);
    if (r < 0 && r != -ENOENT)
        return r;
    bool there = r >= 0, same = there && string_equal(image.id, service->image_id);
    image_done(&image);
    error_done(err);
    if (same || !there)
        return same ? 0 : 2;
    error_set(
        err, ESTALE,
        "service \"%s\" runs another image than \"%s\", which was built or pulled since and never brought "
        "up",
        service->service, name);
    return 1;
}

void image_place_done(struct image_place *place) {
    free(place->path);
    free(place->value);
    free(place->original);
    free(place->meaning);
    strings_free(place->sharers);
    *place = (struct image_place){ 0 };
}

/* A pin of ours is known by its comment, or by our own list where there was no room for one. */
static int fill_place(struct context *context, const char *service, const char *path, const struct pin *pin,
                      struct image_place *ret, struct error *err) {
    _cleanup_free_ char *original = NULL;
    int r = state_find_pin(context->state, service, pin->image, &original, err);
    if (r < 0)
        return r;
    /* of a pin whose original has variables the comment alone is no proof: the value may be anybody's */
    bool ours = r > 0 || (pin->was && (!strchr(pin->was, '$') || !context->state));
    *ret = (struct image_place){ .path = xstrdup(path), .value = xstrdup(pin->image) };
    for (char **sharer = pin->sharers; sharer && *sharer; sharer++)
        strings_append(&ret->sharers, *sharer);
    ret->original = original ? take_ptr(original) : xstrdup(ours ? pin->was : pin->image);
    if (strchr(ret->original, '$'))
        r = compose_interpolate(context->compose, ret->original, context_deadline(context, CALL_TIME),
                                &ret->meaning, err);
    else
        ret->meaning = xstrdup(ret->original);
    if (r < 0) {
        image_place_done(ret);
        return r;
    }
    ret->followed = !strstr(ret->meaning, "@sha256:");
    return 0;
}

int inspect_image_place(struct context *context, const char *service, struct image_place *ret,
                        struct error *err) {
    char *const *files = compose_files(context->compose);
    for (size_t i = strings_count(files); i > 0; i--) {
        _cleanup_free_ char *text = NULL;
        _cleanup_pin_ struct pin pin = { 0 };
        size_t size;
        int r = file_read(AT_FDCWD, files[i - 1], COMPOSE_FILE_LIMIT, &text, &size, err);
        if (r >= 0)
            r = pins_read(text, size, service, &pin, err);
        if (r == -ENOENT) {
            error_done(err);
            continue;
        }
        if (r < 0)
            return error_prefix(err, "\"%s\": the image of service \"%s\"", files[i - 1], service);
        return fill_place(context, service, files[i - 1], &pin, ret, err);
    }
    return error_set(err, ENOENT, "no Compose file in force says which image service \"%s\" has", service);
}

bool inspect_is_placed(struct context *context, const char *service, const char *path) {
    _cleanup_image_place_ struct image_place place = { 0 };
    return inspect_image_place(context, service, &place, NULL) >= 0 && string_equal(place.path, path);
}
