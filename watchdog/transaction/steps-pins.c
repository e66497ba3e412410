/* Steps on Compose files and local tags. What was written is checked with Compose itself before anything
 * starts. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/docker/image.h"
#include "watchdog/docker/pins.h"
#include "watchdog/transaction/old-images.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define FILE_LIMIT ((size_t)1024 * 1024)

/* Does Compose see the images that were written? @of gives the value of a pin. */
static int verify(struct context *context, const char *(*of)(const struct record_pin *), struct error *err) {
    const struct record *record = context->record;
    _cleanup_json_ json_t *config = NULL;
    if (record->pins_count == 0)
        return 0;
    int r = context_open_compose(context, err);
    if (r >= 0)
        r = compose_config(context->compose, context_deadline(context, CALL_TIME), &config, err);
    for (size_t i = 0; r >= 0 && i < record->pins_count; i++) {
        const json_t *service = json_object_get(json_object_get(config, "services"), record->pins[i].service);
        const char *image = json_get_string(service, "image", ""), *wanted = of(&record->pins[i]);
        /* what a variable was at the beginning is not known; then it is the user's, as it was */
        if (!strchr(wanted, '$') && !string_equal(image, wanted))
            r = error_set(err, EPROTO, "service \"%s\": Compose sees the image \"%s\", expected \"%s\"",
                          record->pins[i].service, image, wanted);
    }
    return r;
}

static const char *candidate_of(const struct record_pin *pin) {
    return pin->meaning ? pin->meaning : pin->candidate;
}

static const char *old_of(const struct record_pin *pin) {
    return pin->old;
}

int step_pins_new(struct context *context, struct error *err) {
    const struct record *record = context->record;
    bool written = false;
    for (size_t i = 0; i < record->pins_count; i++) {
        const struct record_pin *pin = &record->pins[i];
        written = written || pin->meaning; /* the variables, perhaps */
        if (string_equal(pin->before, pin->candidate))
            continue;
        int r = pins_file_remove(pin->path, pin->service, pin->candidate, err);
        if (r < 0)
            return error_prefix(err, "\"%s\": cannot take the pin of service \"%s\" away", pin->path,
                                pin->service);
        written = true;
    }
    return written ? verify(context, candidate_of, err) : 0;
}

static const struct record_file *file_of(const struct record *record, const char *path) {
    for (size_t i = 0; i < record->files_count; i++)
        if (string_equal(record->files[i].path, path))
            return &record->files[i];
    return NULL;
}

static int read_original(struct context *context, const char *path, char **ret, size_t *ret_size,
                         struct error *err) {
    const struct record_file *file = file_of(context->record, path);
    if (!file)
        return error_set(err, ENOENT, "no copy of \"%s\" was kept", path);
    _cleanup_free_ char *copy = state_transaction_path(context->state, context->record->id, file->copy);
    return file_read(AT_FDCWD, copy, FILE_LIMIT, ret, ret_size, err);
}

/* Whether @now is what step_pins_new() makes of the original, or made of it until it died. */
static int is_ours(const struct record *record, const char *path, const char *original, size_t original_size,
                   const char *now, size_t now_size, struct error *err) {
    _cleanup_free_ char *text = xcalloc(original_size + 1, 1);
    size_t size = original_size;
    memcpy(text, original, original_size);
    for (size_t i = 0; i < record->pins_count; i++) {
        const struct record_pin *pin = &record->pins[i];
        char *next = NULL;
        size_t next_size = 0;
        if (!string_equal(pin->path, path) || string_equal(pin->before, pin->candidate))
            continue;
        int r = pins_remove(text, size, pin->service, pin->candidate, &next, &next_size, err);
        if (r < 0)
            return r;
        replace_string(text, next);
        size = next_size;
        if (now_size == size && memcmp(now, text, size) == 0)
            return 1;
    }
    return 0;
}

/* The file as it was, byte for byte; where somebody has edited it meanwhile, only the scalar goes back. */
static int put_back(struct context *context, const struct record_pin *pin, struct error *err) {
    _cleanup_free_ char *original = NULL, *now = NULL;
    size_t original_size = 0, now_size = 0;
    int r = read_original(context, pin->path, &original, &original_size, err);
    if (r >= 0)
        r = file_read(AT_FDCWD, pin->path, FILE_LIMIT, &now, &now_size, err);
    if (r < 0)
        return r;
    if (now_size == original_size && memcmp(now, original, now_size) == 0)
        return 0;
    r = is_ours(context->record, pin->path, original, original_size, now, now_size, err);
    if (r != 0)
        return r < 0 ? r : pins_write(pin->path, original, original_size, err);
    record_note(context->record, "\"%s\" was edited meanwhile: only the image of service \"%s\" was put back",
                pin->path, pin->service);
    r = strchr(pin->before, '$')
            ? pins_file_remove(pin->path, pin->service, pin->before, err)
            : pins_file_edit(pin->path, pin->service, pin->before, context->record->id, err);
    return r < 0 ? r : 0;
}

static const char *before_of(const struct record_pin *pin) {
    return pin->before;
}

int step_pins_before(struct context *context, struct error *err) {
    const struct record *record = context->record;
    bool changed = false;
    for (size_t i = 0; i < record->pins_count; i++) {
        if (string_equal(record->pins[i].before, record->pins[i].candidate))
            continue;
        int r = put_back(context, &record->pins[i], err);
        if (r < 0)
            return error_prefix(err, "cannot put \"%s\" back", record->pins[i].path);
        changed = true;
    }
    return changed ? verify(context, before_of, err) : 0;
}

int step_pins_old(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = old_images_load(context, err);
    if (r >= 0)
        r = old_images_settle_pins(context, err);
    for (size_t i = 0; r >= 0 && i < record->pins_count; i++) {
        const struct record_pin *pin = &record->pins[i];
        r = state_remember_pin(context->state, pin->service, pin->old, pin->candidate, err);
        if (r >= 0)
            r = pins_file_edit(pin->path, pin->service, pin->old, record->id, err);
        if (r < 0)
            return error_prefix(err, "\"%s\": cannot pin service \"%s\" to \"%s\"", pin->path, pin->service,
                                pin->old);
    }
    return r < 0 ? r : verify(context, old_of, err);
}

int step_tags_new(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = context_open_engine(context, err);
    for (size_t i = 0; r >= 0 && i < record->tags_count; i++)
        if (record->tags[i].candidate_image_id)
            r = engine_tag(context->engine, record->tags[i].candidate_image_id, record->tags[i].reference,
                           context_deadline(context, CALL_TIME), err);
    return r < 0 ? r : old_images_name(context, err);
}

int step_tags_old(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = old_images_load(context, err);
    for (size_t i = 0; r >= 0 && i < record->tags_count; i++) {
        const struct record_tag *tag = &record->tags[i];
        if (!tag->candidate_image_id)
            continue;
        usec_t deadline = context_deadline(context, CALL_TIME);
        r = *tag->image_id ? engine_tag(context->engine, tag->image_id, tag->reference, deadline, err)
                           : engine_untag(context->engine, tag->reference, deadline, err);
        if (r == -ENOENT) {
            /* What the tag named before is no image of a running service, and somebody removed it: not ours
             * to mourn. */
            error_done(err);
            r = 0;
        }
    }
    return r < 0 ? r : old_images_name(context, err);
}
