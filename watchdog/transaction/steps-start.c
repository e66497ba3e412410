/* Steps that make and start containers. Compose makes them, since it alone understands its files. */

#include <errno.h>
#include <string.h>

#include "watchdog/docker/image.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define DATABASE_TIME (5 * USEC_PER_MINUTE)
#define START_TIME (10 * USEC_PER_MINUTE)
#define TWIN_TIME USEC_PER_MINUTE

static const struct container *container_of(const struct container *list, size_t count, const char *service) {
    for (size_t i = 0; i < count; i++)
        if (string_equal(list[i].service, service) && !list[i].one_off && !*list[i].ours)
            return &list[i];
    return NULL;
}

/* Starts the database's container when it is down, makes it when it is gone (`down` by hand: its volume is
 * there). Returns 1 when something was done, 0 when it runs. */
static int ensure_database(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    const char *service = context->settings->database.service;
    if (!service)
        return 0; /* elsewhere: others see to it */
    int r = context_containers(context, &list, &count, err);
    const struct container *database = r < 0 ? NULL : container_of(list, count, service);
    if (r >= 0 && database && container_runs(database)) {
        containers_free(list, count);
        return 0;
    }
    if (database) {
        r = engine_start(context->engine, database->id, context_deadline(context, CALL_TIME), err);
    } else if (r >= 0) {
        char *services[] = { (char *)service, NULL };
        r = context_open_compose(context, err);
        if (r >= 0)
            r = compose_up(context->compose, services, 0, context_deadline(context, START_TIME), err);
    }
    containers_free(list, count);
    context_close_database(context);
    return r < 0 ? error_prefix(err, "cannot start the database") : r > 0 ? -EPROTO : 1;
}

static int database_is_healthy(struct context *context, struct error *err) {
    int r = ensure_database(context, err);
    if (r < 0)
        return r;
    context_close_database(context);
    r = context_open_maintenance(context, err);
    if (r < 0)
        return r;
    /* Behind a fence a health check that connects fails: then that it lets us in is all that can be asked. */
    bool fenced = true;
    r = context_fenced(context, &fenced, err);
    if (r < 0 || fenced || !context->database.id || !*context->database.health ||
        string_equal(context->database.health, "healthy"))
        return r;
    return error_set(err, EAGAIN, "the database's container is %s", context->database.health);
}

int step_database_health(struct context *context, struct error *err) {
    usec_t deadline = context_deadline(context, DATABASE_TIME);
    for (;;) {
        int r = database_is_healthy(context, err);
        if (r != -EAGAIN && r != -ECONNREFUSED && r != -ECONNRESET)
            return r;
        if (!deadline_sleep(deadline, 100 * USEC_PER_MSEC))
            return error_prefix(err, "the database does not become healthy");
    }
}

int step_start_database(struct context *context, struct error *err) {
    return step_database_health(context, err);
}

/* All of them, so that no container of the old release is left that could be started once the fence is
 * lifted. */
int step_create_new(struct context *context, struct error *err) {
    struct record *record = context->record;
    _cleanup_strings_ char **services = context_services(context, false, true);
    int r = 0;
    if (record_gate(record)) {
        record->gate = GATE_SHUT; /* recorded before there is anything that could be opened */
        r = context_record(context, err);
    }
    if (r >= 0)
        r = context_open_compose(context, err);
    if (r >= 0 && services[0])
        r = compose_up(context->compose, services, COMPOSE_UP_NO_START, context_deadline(context, START_TIME),
                       err);
    return r < 0 ? error_prefix(err, "cannot make the new containers") : r > 0 ? -EPROTO : 0;
}

int step_policies_back(struct context *context, struct error *err) {
    const struct record *record = context->record;
    bool shut = record->phase == PHASE_SWITCH || (record->phase == PHASE_WATCH && record->gate == GATE_SHUT);
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        const struct container *container = container_of(list, count, service->service);
        if (!container || service->database || (service->gate && shut) ||
            (string_equal(container->policy, service->policy) &&
             container->policy_retries == (int)service->policy_retries))
            continue;
        r = engine_set_policy(context->engine, container->id, service->policy, (int)service->policy_retries,
                              context_deadline(context, CALL_TIME), err);
    }
    containers_free(list, count);
    return r;
}

/* Services that ran before and whose container is down or not there. @ret_ids: of the containers that are
 * there. */
static int what_is_down(struct context *context, char ***ret_services, char ***ret_ids, struct error *err) {
    const struct record *record = context->record;
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    *ret_services = NULL;
    *ret_ids = NULL;
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        const struct container *container = container_of(list, count, service->service);
        if (service->database || !service->ran || service->one_shot ||
            (container && container_runs(container)))
            continue;
        strings_append(ret_services, service->service);
        if (container)
            strings_append(ret_ids, container->id);
    }
    containers_free(list, count);
    return r;
}

static int start_down(struct context *context, char *const *services, char *const *ids, struct error *err) {
    int r = 0;
    if (strings_count(ids) == strings_count(services)) {
        for (size_t i = 0; r >= 0 && ids[i]; i++)
            r = engine_start(context->engine, ids[i], context_deadline(context, CALL_TIME), err);
        return r;
    }
    r = context_open_compose(context, err);
    if (r >= 0)
        r = compose_up(context->compose, services, 0, context_deadline(context, START_TIME), err);
    return r > 0 ? -EPROTO : r;
}

/* From commit on the gate belongs to the users again. */
int step_start_all(struct context *context, struct error *err) {
    struct record *record = context->record;
    _cleanup_strings_ char **services = NULL, **ids = NULL;
    bool shut = record->gate == GATE_SHUT || record->gate == GATE_OPENING;
    int r = what_is_down(context, &services, &ids, err);
    if (r >= 0 && shut) {
        record->gate = GATE_OPENING;
        r = context_record(context, err);
    }
    if (r >= 0 && services)
        r = start_down(context, services, ids, err);
    if (r < 0 || !shut)
        return r;
    record->gate = GATE_OPEN;
    record_serves(record);
    return context_record(context, err);
}

/* Does every service that ran have a container of the old image? Then those are started as they are: `up`
 * would look at the tag, which may have named a newer image before we came. 1, 0 or -errno. */
static int have_old_containers(struct context *context, bool all, struct error *err) {
    const struct record *record = context->record;
    struct container *list = NULL;
    size_t count = 0, missing = 0;
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        const struct container *container = container_of(list, count, service->service);
        if (!service->database && (all || service->ran))
            missing += !container || !string_equal(container->image_id, service->image_id);
    }
    containers_free(list, count);
    return r < 0 ? r : missing == 0;
}

/* The tags name the old images while Compose makes the containers, whatever they named before. */
static int tags_as_running(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < record->services_count; i++)
        if (record->services[i].tag && !record->services[i].database)
            r = engine_tag(context->engine, record->services[i].image_id, record->services[i].tag,
                           context_deadline(context, CALL_TIME), err);
    return r;
}

int step_create_old(struct context *context, struct error *err) {
    _cleanup_strings_ char **services = context_services(context, false, true);
    int r = context_open_compose(context, err);
    if (r < 0 || !services[0])
        return r;
    /* Behind a pin the image is certain, and the container has to be made from the pinned text; without one
     * (back-out) containers that are right already stay. */
    bool pinned = context->record->phase == PHASE_UNDO_START;
    r = pinned ? 0 : have_old_containers(context, true, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (!pinned)
        r = tags_as_running(context, err);
    if (r >= 0)
        r = compose_up(context->compose, services, COMPOSE_UP_NO_START, context_deadline(context, START_TIME),
                       err);
    if (r == 0 && !pinned)
        r = step_tags_old(context, err);
    return r < 0 ? error_prefix(err, "cannot make the old containers") : r > 0 ? -EPROTO : 0;
}

int step_start_old(struct context *context, struct error *err) {
    _cleanup_strings_ char **services = context_services(context, false, false);
    int there = have_old_containers(context, false, err);
    int r = there < 0 ? there : context_open_compose(context, err);
    /* Not `start`: it starts what they depend on too, which somebody may have stopped. */
    if (r >= 0 && services[0])
        r = compose_up(context->compose, services, there ? COMPOSE_UP_NO_RECREATE : 0,
                       context_deadline(context, START_TIME), err);
    if (r != 0)
        return r < 0 ? error_prefix(err, "cannot start the old release") : -EPROTO;
    record_serves(context->record);
    return context_record(context, err);
}

int step_remove_twin(struct context *context, struct error *err) {
    if (!context->record->twin)
        return 0;
    int r = context_open_engine(context, err);
    if (r >= 0)
        r = engine_remove_ours(context->engine, context->record->twin, context_deadline(context, TWIN_TIME),
                               err);
    if (r != -ENOENT)
        return r;
    error_done(err);
    return 0;
}

static int look_at_container(struct record *record, const struct record_service *service,
                             const struct container *container, struct error *err) {
    /* Somebody may have started it meanwhile, as is his right: no reason to say that the end is another one.
     */
    if (!service->ran && container && container_runs(container))
        record_note(record, "service \"%s\" was stopped when this began, and runs now", service->service);
    if (!service->ran || service->one_shot)
        return 0;
    if (!container || !container_runs(container))
        return error_set(err, EBUSY, "service \"%s\" does not run", service->service) ? 1 : 0;
    if (!string_equal(container->policy, service->policy))
        return error_set(err, EBUSY, "service \"%s\" has the restart policy \"%s\", expected \"%s\"",
                         service->service, container->policy, service->policy)
                   ? 1
                   : 0;
    return 0;
}

int step_last_look(struct context *context, struct error *err) {
    struct record *record = context->record;
    struct container *list = NULL;
    size_t count = 0;
    size_t notes = strings_count(record->notes);
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r == 0 && i < record->services_count; i++)
        r = look_at_container(record, &record->services[i],
                              container_of(list, count, record->services[i].service), err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (string_equal(list[i].ours, record->id)) {
            error_set(err, EBUSY, "the container \"%s\" of this transaction is still there", list[i].name);
            r = 1;
        }
    containers_free(list, count);
    return r == 0 && strings_count(record->notes) > notes ? context_record(context, err) : r;
}
