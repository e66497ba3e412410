/* Steps before anything is touched: what is there, what could be, and its images. */

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/docker/image.h"
#include "watchdog/docker/pins.h"
#include "watchdog/docker/reference.h"
#include "watchdog/docker/registry.h"
#include "watchdog/transaction/checks.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/resolve.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)

int step_inspect(struct context *context, struct error *err) {
    int r = inspect_application(context, NULL, err);
    return r < 0 ? r : context_record(context, err);
}

int step_check(struct context *context, struct error *err) {
    struct finding *findings = NULL;
    size_t count = 0;
    int r = checks_run(context, &findings, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (findings[i].ok)
            continue;
        if (findings[i].advisory)
            record_note(context->record, "%s: %s", findings[i].name, findings[i].sentence);
        else {
            error_set(err, EPERM, "%s: %s%s%s", findings[i].name, findings[i].sentence,
                      *findings[i].cure ? "; " : "", findings[i].cure);
            context->record->outcome = OUTCOME_REFUSED;
            r = 1;
        }
    }
    findings_free(findings, count);
    if (r < 0)
        return r;
    int saved = context_record(context, err);
    return saved < 0 ? saved : r;
}

int step_resolve(struct context *context, struct error *err) {
    int r = resolve_candidate(context, err);
    if (r <= 0 && r != 0)
        return r;
    if (r == 1) {
        context->record->outcome = OUTCOME_UP_TO_DATE;
        error_set(err, EALREADY, "every service runs the newest image of its tag");
    } else if (r > 1) {
        context->record->outcome = OUTCOME_REFUSED;
        context->record->known_bad = r == 2;
    }
    int saved = context_record(context, err);
    return saved < 0 ? saved : r > 0;
}

static void pull_advanced(void *userdata, uint64_t bytes, uint64_t total) {
    context_progress(userdata, bytes, total, "pull");
}

/* A name of ours on an image, so that no prune takes it while the transaction lasts. */
static int hold(struct context *context, const char *image_id, const char *service, const char *word,
                char **ret, struct error *err) {
    _cleanup_free_ char *name = xasprintf("upgrade-watchdog/%s:%s-%s", word, context->record->id, service);
    for (char *at = name; *at; at++)
        if (*at >= 'A' && *at <= 'Z' && at < strchr(name, ':'))
            *at = (char)(*at - 'A' + 'a');
    int r = engine_tag(context->engine, image_id, name, context_deadline(context, CALL_TIME), err);
    if (r < 0)
        return r;
    replace_string(*ret, take_ptr(name));
    return 0;
}

static int hold_with_container(struct context *context, const char *image_id, const char *service,
                               struct error *err) {
    _cleanup_free_ char *name = xasprintf("upgrade-watchdog-%s-%s", context->record->id, service);
    _cleanup_json_ json_t *config = json_pack("{s:s, s:[s], s:{s:s}}", "Image", image_id, "Cmd", "true",
                                              "Labels", DOCKER_LABEL, context->record->id);
    _cleanup_free_ char *id = NULL;
    int r = engine_create(context->engine, name, config, context_deadline(context, CALL_TIME), &id, err);
    if (r == -EEXIST) {
        error_done(err);
        return 0;
    }
    return r;
}

static int fetch_service(struct context *context, struct record_service *service, struct error *err) {
    _cleanup_reference_ struct reference reference = { 0 };
    struct image image = { 0 };
    int r = reference_parse(service->tag, &reference, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *wanted = xasprintf("%s@%s", reference.written, service->candidate_digest);
    context_progress(context, 0, 0, "pull %s", service->tag);
    r = engine_pull(context->engine, wanted, pull_advanced, context, context->deadline, err);
    if (r >= 0)
        r = engine_image(context->engine, wanted, context_deadline(context, CALL_TIME), &image, err);
    if (r < 0)
        return r;
    replace_string(service->candidate_image_id, xstrdup(image.id));
    replace_string(service->candidate_version, xstrdup(image.version));
    image_done(&image);
    /* Another index for the same platform's manifest is no other release. */
    service->changes = !string_equal(service->candidate_image_id, service->image_id);
    r = hold(context, service->candidate_image_id, service->service, "candidate", &service->candidate_held,
             err);
    if (r >= 0)
        r = hold_with_container(context, service->candidate_image_id, service->service, err);
    return r;
}

/* A prune takes names away from images that run, where they have several. What is named by a digest can be
 * fetched again; a tag is given back by the switch. */
static int see_name(struct context *context, const struct record_service *service, struct error *err) {
    _cleanup_reference_ struct reference reference = { 0 };
    int r = inspect_image_name(context, service, service->image, err);
    if (r != 2 || reference_parse(service->image, &reference, NULL) < 0 || !*reference.digest)
        return r == 2 ? 0 : r;
    context_progress(context, 0, 0, "pull %s", service->image);
    r = engine_pull(context->engine, service->image, pull_advanced, context, context->deadline, err);
    if (r >= 0)
        r = inspect_image_name(context, service, service->image, err);
    return r == 2 ? error_set(err, ENOENT, "the image \"%s\" was pulled and is not there", service->image)
                  : r;
}

/* What the registry has no news of keeps its container only where its name still stands for its image. */
static int see_names(struct context *context, struct error *err) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < context->record->services_count; i++) {
        const struct record_service *service = &context->record->services[i];
        if (!service->database && !service->changes && *service->image)
            r = see_name(context, service, err);
    }
    if (r == 1) {
        context->record->outcome = OUTCOME_REFUSED;
        error_prefix(err, "type `docker compose up -d` first");
    }
    return r;
}

int step_fetch(struct context *context, struct error *err) {
    struct record *record = context->record;
    size_t changes = 0;
    int r = context_open_engine(context, err);
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        struct record_service *service = &record->services[i];
        if (service->changes) {
            r = fetch_service(context, service, err);
            if (r < 0)
                return error_prefix(err, "cannot fetch the image of service \"%s\"", service->service);
        }
        changes += service->changes;
        if (!service->database)
            r = hold(context, service->image_id, service->service, "running", &service->held, err);
    }
    for (size_t k = 0; r >= 0 && k < record->tags_count; k++)
        for (size_t i = 0; i < record->services_count; i++)
            if (record->services[i].changes &&
                string_equal(record->services[i].tag, record->tags[k].reference))
                replace_string(record->tags[k].candidate_image_id,
                               xstrdup(record->services[i].candidate_image_id));
    if (r >= 0 && changes == 0) {
        record->outcome = OUTCOME_UP_TO_DATE;
        error_set(err, EALREADY, "the new digests are of the images that run already");
    }
    if (r >= 0 && changes > 0)
        r = see_names(context, err);
    int saved = r < 0 ? r : context_record(context, err);
    return saved < 0 ? saved : r == 1 || changes == 0;
}
