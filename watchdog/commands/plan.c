/* plan: what an upgrade would do, and how long users would notice. */

#include <errno.h>

#include "watchdog/audit/history.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/commands.h"
#include "watchdog/commands/look.h"
#include "watchdog/commands/summary.h"
#include "watchdog/database/clone.h"
#include "watchdog/docker/image.h"
#include "watchdog/transaction/checks.h"
#include "watchdog/transaction/inspect.h"
#include "watchdog/transaction/resolve.h"
#include "watchdog/transaction/supervisor.h"

#define PLAN_TIME (3 * USEC_PER_MINUTE)
#define REGISTRY_TIME (30 * USEC_PER_SEC)
#define RESTART_TIME (15 * USEC_PER_SEC) /* stop and start of a usual project, where none was measured */

struct plan {
    const char *verdict; /* "upgrade", "up-to-date", "refused" */
    char *reason;        /* NULL: none */
    double freeze, downtime;
    bool measured;        /* the downtime is that of the last upgrade, with this clone's time */
    char *database_newer; /* digest behind the database's tag, NULL: the same, or not known */
};

static void plan_done(struct plan *plan) {
    free(plan->reason);
    free(plan->database_newer);
}

static double in_seconds(usec_t time) {
    usec_t milliseconds = time / USEC_PER_MSEC;
    return (double)milliseconds / 1000.0;
}

/* The last upgrade's downtime, with the clone of today's size in place of that day's. */
static void predict(const struct look *look, struct plan *plan) {
    const struct context *context = &look->context;
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_json_ json_t *list = NULL;
    uint64_t size = 0;
    for (size_t i = 0; i < context->record->databases_count; i++)
        size += (uint64_t)context->record->databases[i].size;
    plan->freeze = in_seconds(clone_predict(size, checks_clone_speed(context->state)));
    plan->downtime = plan->freeze + in_seconds(RESTART_TIME);
    size_t i;
    const json_t *transaction;
    if (history_read(look->options->state_directory, context->settings->app, 0, &list, &warnings, NULL) < 0)
        return;
    json_array_foreach(list, i, transaction) {
        const json_t *seconds = json_get_object(transaction, "seconds");
        double downtime = json_number_value(json_object_get(seconds, "downtime"));
        double freeze = json_number_value(json_object_get(seconds, "freeze"));
        if (!string_equal(json_get_string(transaction, "outcome", ""), "upgraded") || downtime <= freeze)
            continue;
        plan->downtime = downtime - freeze + plan->freeze;
        plan->measured = true;
        return;
    }
}

/* Only told: the database is never changed by an upgrade. */
static void look_at_database(struct look *look, struct plan *plan) {
    const struct record *record = look->context.record;
    for (size_t i = 0; i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        _cleanup_free_ char *digest = NULL;
        if (!service->database || !service->tag || !service->digest ||
            engine_distribution_digest(look->context.engine, service->tag,
                                       context_deadline(&look->context, REGISTRY_TIME), &digest, NULL) < 0)
            continue;
        if (!string_equal(digest, service->digest))
            replace_string(plan->database_newer, take_ptr(digest));
    }
}

static int make(struct look *look, struct plan *plan, struct error *err) {
    int r = inspect_application(&look->context, NULL, err);
    if (r < 0)
        return r;
    predict(look, plan);
    look_at_database(look, plan);
    r = resolve_candidate(&look->context, err);
    if (r < 0)
        return r;
    plan->verdict = r == 0 ? "upgrade" : r == 1 ? "up-to-date" : "refused";
    if (r == 2)
        plan->reason = xstrdup(error_text(err));
    return 0;
}

static json_t *database_json(const struct record *record, const struct plan *plan) {
    json_t *value = json_object();
    for (size_t i = 0; i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        if (!service->database)
            continue;
        json_object_set_new(value, "service", json_text_string(service->service));
        json_object_set_new(value, "image", json_text_string(service->image));
        json_object_set_new(value, "digest",
                            service->digest ? json_text_string(service->digest) : json_null());
        json_object_set_new(value, "newer",
                            plan->database_newer ? json_text_string(plan->database_newer) : json_null());
    }
    return value;
}

static json_t *plan_json(const struct look *look, const struct plan *plan) {
    _cleanup_json_ json_t *public = record_public(look->context.record);
    json_t *value = json_object(), *seconds = json_object();
    json_object_set_new(seconds, "freeze", json_real(plan->freeze));
    json_object_set_new(seconds, "downtime", json_real(plan->downtime));
    json_object_set_new(value, "app", json_text_string(look->context.settings->app));
    json_object_set_new(value, "verdict", json_string(plan->verdict));
    json_object_set_new(value, "reason", plan->reason ? json_text_string(plan->reason) : json_null());
    json_object_set(value, "services", json_object_get(public, "services"));
    json_object_set_new(value, "database", database_json(look->context.record, plan));
    json_object_set_new(value, "seconds", seconds);
    json_object_set(value, "notes", json_object_get(public, "notes"));
    return value;
}

static void print_plan(const struct look *look, const struct plan *plan, const json_t *value) {
    _cleanup_terminal_ struct terminal terminal;
    const char *app = look->context.settings->app;
    size_t i;
    const json_t *note;
    command_terminal(look->options, &terminal);
    summary_print_services(&terminal, json_get_array(value, "services"));
    if (plan->database_newer)
        terminal_print(
            &terminal, TONE_UNSURE,
            "Note: there is a newer image of the database's service; an upgrade does not change it.");
    json_array_foreach(json_get_array(value, "notes"), i, note)
        terminal_print(&terminal, TONE_UNSURE, "Note: %s", json_string_value(note));
    if (string_equal(plan->verdict, "upgrade"))
        terminal_print(&terminal, TONE_GOOD,
                       "%s: would be upgraded; expected downtime %.0f s%s, of it %.1f s for "
                       "the clone",
                       app, plan->downtime, plan->measured ? "" : " (none was measured yet)", plan->freeze);
    else if (plan->reason)
        terminal_print(&terminal, TONE_UNSURE, "%s: would be refused: %s", app, plan->reason);
    else
        terminal_print(&terminal, TONE_GOOD, "%s: every service runs the newest image of its tag", app);
}

int command_plan(const struct options *options) {
    _cleanup_look_ struct look look;
    _cleanup_error_ struct error err = ERROR_NONE;
    __attribute__((cleanup(plan_done))) struct plan plan = { 0 };
    int status = look_init(&look, options, PLAN_TIME);
    if (status)
        return status;
    if (make(&look, &plan, &err) < 0)
        return look_fail(&look, &err);
    _cleanup_json_ json_t *value = plan_json(&look, &plan);
    status = plan.reason ? EXIT_REFUSED : EXIT_DONE;
    if (options->json)
        return command_json(options, status, value);
    print_plan(&look, &plan, value);
    return status;
}
