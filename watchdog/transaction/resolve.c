/* Candidates. See resolve.h. */

#include "watchdog/transaction/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/docker/image.h"
#include "watchdog/docker/reference.h"
#include "watchdog/docker/registry.h"
#include "watchdog/transaction/inspect.h"

#define REGISTRY_TIME (30 * USEC_PER_SEC)

/* Is the running image known by this digest, under any name? */
static int runs_digest(struct context *context, const struct record_service *service, const char *digest,
                       struct error *err) {
    if (string_equal(service->digest, digest)) /* also one that came back without its name */
        return 1;
    struct image image = { 0 };
    int r = engine_image(context->engine, service->image_id, context_deadline(context, REGISTRY_TIME), &image,
                         err);
    if (r < 0)
        return r;
    for (char **at = image.repo_digests; at && *at; at++)
        r = r || string_ends_with(*at, digest);
    image_done(&image);
    return r;
}

static int add_pin(struct context *context, const struct record_service *service,
                   const struct image_place *place, struct error *err) {
    struct record *record = context->record;
    _cleanup_reference_ struct reference reference = { 0 };
    int r = reference_parse(place->meaning, &reference, err);
    if (r < 0)
        return r;
    record->pins = xrealloc(record->pins, record->pins_count + 1, sizeof(*record->pins));
    record->pins[record->pins_count++] =
        (struct record_pin){ .service = xstrdup(service->service),
                             .path = xstrdup(place->path),
                             .before = xstrdup(place->value),
                             .candidate = xstrdup(place->original),
                             .meaning = strchr(place->original, '$') ? xstrdup(place->meaning) : NULL,
                             .old = reference_with_digest(&reference, service->digest) };
    return 0;
}

static int resolve_service(struct context *context, struct record_service *service, struct error *err) {
    _cleanup_free_ char *digest = NULL, *version = NULL;
    _cleanup_image_place_ struct image_place place = { 0 };
    int r = inspect_image_place(context, service->service, &place, err);
    if (r < 0)
        return r;
    if (!place.followed) {
        record_note(context->record, "service \"%s\" is held at the digest in its Compose file",
                    service->service);
        return 0;
    }
    context_progress(context, 0, 0, "ask the registry for %s", service->tag);
    r = engine_distribution_digest(context->engine, service->tag, context_deadline(context, REGISTRY_TIME),
                                   &digest, err);
    if (r < 0)
        return error_prefix(err, "cannot ask the registry for \"%s\"", service->tag);
    r = runs_digest(context, service, digest, err);
    if (r != 0)
        return r < 0 ? r : 0;
    service->changes = true;
    replace_string(service->candidate_digest, take_ptr(digest));
    registry_version(context->engine, service->tag, service->candidate_digest,
                     context_deadline(context, REGISTRY_TIME), &version, NULL);
    replace_string(service->candidate_version, version ? take_ptr(version) : xstrdup(""));
    return add_pin(context, service, &place, err);
}

static const struct record_pin *pin_of(const struct record *record, const char *service) {
    for (size_t i = 0; i < record->pins_count; i++)
        if (string_equal(record->pins[i].service, service))
            return &record->pins[i];
    return NULL;
}

/* A service without a container is no matter: what it would be made from is its siblings' image. */
static int check_pin(struct context *context, const struct record_pin *pin, struct error *err) {
    _cleanup_image_place_ struct image_place place = { 0 };
    int r = inspect_image_place(context, pin->service, &place, err);
    for (char **sharer = place.sharers; r >= 0 && sharer && *sharer; sharer++) {
        const struct record_pin *other = pin_of(context->record, *sharer);
        if (record_service(context->record, *sharer) && inspect_is_placed(context, *sharer, pin->path) &&
            (!other || !string_equal(other->old, pin->old)))
            r = error_set(err, ENOTSUP,
                          "services \"%s\" and \"%s\" take their image from the same line of \"%s\", but do "
                          "not run the "
                          "same one: type `docker compose up -d` first, or give them lines of their own",
                          pin->service, *sharer, pin->path);
    }
    return r;
}

int resolve_check_sharers(struct context *context, struct error *err) {
    int r = context_open_compose(context, err);
    for (size_t i = 0; r >= 0 && i < context->record->pins_count; i++)
        r = check_pin(context, &context->record->pins[i], err);
    return r;
}

int resolve_candidate(struct context *context, struct error *err) {
    struct record *record = context->record;
    size_t changes = 0;
    int r = context_open_compose(context, err);
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        struct record_service *service = &record->services[i];
        if (service->database || !service->tag || !service->digest)
            continue;
        r = resolve_service(context, service, err);
        changes += service->changes;
    }
    /* a login that the registry wants is a person's matter: another try tomorrow would end the same way */
    if (r == -EACCES)
        return 2;
    if (r < 0)
        return r;
    if (changes == 0)
        return 1;
    r = resolve_check_sharers(context, err);
    if (r < 0)
        return r == -ENOTSUP ? 3 : r;
    if (record->again)
        return 0;
    _cleanup_free_ char *id = NULL, *reason = NULL;
    r = state_is_bad(context->state, record, &id, &reason, err);
    if (r <= 0)
        return r;
    error_set(err, EPERM, "this release is known to be bad, transaction %s rolled it back: %s", id, reason);
    return 2;
}
