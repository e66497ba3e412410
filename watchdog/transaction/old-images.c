/* Images that a rollback goes back to. See old-images.h. */

#include "watchdog/transaction/old-images.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/image.h"
#include "watchdog/docker/pins.h"
#include "watchdog/docker/reference.h"
#include "watchdog/snapshot/images.h"
#include "watchdog/transaction/inspect.h"

#define CALL_TIME (30 * USEC_PER_SEC)

/* Somebody's prune may have taken an image that no container held. */
static int ensure_image(struct context *context, const char *image_id, struct error *err) {
    struct image image = { 0 };
    int r = engine_image(context->engine, image_id, context_deadline(context, CALL_TIME), &image, err);
    if (r != -ENOENT) {
        image_done(&image);
        return r;
    }
    struct image_archive archive = { 0 };
    struct tree_run run = context_tree_run(context, "load images");
    error_done(err);
    r = image_archive_find(context->state->directory, image_id, &archive, err);
    if (r >= 0)
        r = image_archive_load(&archive, context->engine, &run, err);
    image_archive_done(&archive);
    if (r >= 0)
        record_note(context->record, "the image %.19s was gone and came back from its archive", image_id);
    return r;
}

int old_images_load(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = context_open_engine(context, err);
    for (size_t i = 0; r >= 0 && i < record->services_count; i++)
        if (!record->services[i].database)
            r = ensure_image(context, record->services[i].image_id, err);
    return r < 0 ? r : 0;
}

/* 1: @name stands for the image, 0: for another one, or (-ENOENT in *ret_why) for none. */
static int stands_for(struct context *context, const char *name, const char *image_id, int *ret_why,
                      struct error *err) {
    struct image image = { 0 };
    int r = engine_image(context->engine, name, context_deadline(context, CALL_TIME), &image, err);
    *ret_why = r;
    if (r == -ENOENT)
        error_done(err);
    else if (r < 0)
        return r;
    bool same = r >= 0 && string_equal(image.id, image_id);
    image_done(&image);
    return same;
}

static struct record_pin *pin_of(const struct record *record, const char *service) {
    for (size_t i = 0; i < record->pins_count; i++)
        if (string_equal(record->pins[i].service, service))
            return &record->pins[i];
    return NULL;
}

int old_images_name(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = context_open_engine(context, err), why;
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        _cleanup_reference_ struct reference name = { 0 };
        if (service->database || pin_of(record, service->service) ||
            reference_parse(service->image, &name, NULL) < 0 || *name.digest)
            continue;
        r = stands_for(context, service->image, service->image_id, &why, err);
        if (r == 0 && why == -ENOENT)
            r = engine_tag(context->engine, service->image_id, service->image,
                           context_deadline(context, CALL_TIME), err);
    }
    return r < 0 ? r : 0;
}

/* Makes the local name; the pin says it from now on. */
static int pin_locally(struct context *context, const struct record_service *service, struct record_pin *pin,
                       struct error *err) {
    _cleanup_reference_ struct reference reference = { 0 };
    int r = reference_parse(pin->old, &reference, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *local =
        *reference.digest ? pin_local_name(&reference, reference.digest) : xstrdup(pin->old);
    r = engine_tag(context->engine, service->image_id, local, context_deadline(context, CALL_TIME), err);
    if (r < 0)
        return r;
    record_note(context->record,
                "service \"%s\" is pinned to the name \"%s\" on this host: its image came back without the "
                "name that the registry has for it",
                service->service, local);
    replace_string(pin->old, take_ptr(local));
    return 0;
}

/* A service that does not change, but is named by a digest: held so by the user, or by an earlier pin. */
static int add_pin(struct context *context, const struct record_service *service, struct error *err) {
    struct record *record = context->record;
    _cleanup_image_place_ struct image_place place = { 0 };
    int r = context_open_compose(context, err);
    if (r >= 0)
        r = inspect_image_place(context, service->service, &place, err);
    if (r < 0)
        return r;
    record->pins = xrealloc(record->pins, record->pins_count + 1, sizeof(*record->pins));
    record->pins[record->pins_count++] =
        (struct record_pin){ .service = xstrdup(service->service),
                             .path = take_ptr(place.path),
                             .before = xstrdup(place.value),
                             .candidate = take_ptr(place.original),
                             .old = xstrdup(strchr(place.value, '$') ? service->image : place.value) };
    return 0;
}

static int add_pins(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = 0, why;
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        _cleanup_reference_ struct reference name = { 0 };
        if (service->database || pin_of(record, service->service) ||
            reference_parse(service->image, &name, NULL) < 0 || !*name.digest)
            continue;
        r = stands_for(context, service->image, service->image_id, &why, err);
        if (r == 0)
            r = add_pin(context, service, err);
    }
    return r < 0 ? r : 0;
}

int old_images_settle_pins(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = context_open_engine(context, err), why;
    if (r >= 0)
        r = add_pins(context, err);
    for (size_t i = 0; r >= 0 && i < record->pins_count; i++) {
        const struct record_service *service = record_service(record, record->pins[i].service);
        if (!service)
            continue;
        r = stands_for(context, record->pins[i].old, service->image_id, &why, err);
        if (r == 0)
            r = pin_locally(context, service, &record->pins[i], err);
    }
    return r < 0 ? r : context_record(context, err);
}
