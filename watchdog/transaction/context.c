/* What a worker works with. See context.h. */

#include "watchdog/transaction/context.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/catalog.h"
#include "watchdog/database/fence.h"
#include "watchdog/transaction/channel.h"

#define PROGRESS_INTERVAL (250 * USEC_PER_MSEC)
#define RECORD_TIME (2 * USEC_PER_MINUTE) /* for the supervisor to write the record */
#define CALL_TIME (30 * USEC_PER_SEC)     /* for one question to a daemon */

void context_close_database(struct context *context) {
    if (context->maintenance)
        PQfinish(context->maintenance);
    context->maintenance = NULL;
    programs_free(context->programs);
    context->programs = NULL;
    server_free(context->server);
    context->server = NULL;
    if (context->database.id)
        container_done(&context->database);
    context->database = (struct container){ 0 };
}

void context_done(struct context *context) {
    if (context->up.pid)
        process_stop(&context->up, 0);
    context_close_database(context);
    server_free(context->elsewhere);
    snapshot_free(context->snapshot);
    strings_free(context->before_files);
    compose_free(context->compose);
    engine_free(context->engine);
    settings_free(context->settings);
    record_free(context->record);
    state_free(context->state);
    buffer_done(&context->received);
    free(context->step_text);
}

void context_forget(void *userdata) {
    struct context *context = userdata;
    char *password = context->maintenance ? PQpass(context->maintenance) : NULL;
    if (password)
        explicit_bzero(password, strlen(password));
    server_free(context->server);
    context->server = NULL;
    server_free(context->elsewhere);
    context->elsewhere = NULL;
}

pid_t context_supervisor(const struct context *context) {
    return context->channel < 0 ? 0 : getppid();
}

usec_t context_deadline(const struct context *context, usec_t after) {
    usec_t deadline = deadline_in(after);
    return deadline < context->deadline ? deadline : context->deadline;
}

int context_open_engine(struct context *context, struct error *err) {
    if (context->engine)
        return 0;
    return engine_new(NULL, context_deadline(context, CALL_TIME), &context->engine, err);
}

int context_open_compose(struct context *context, struct error *err) {
    int r = context_open_engine(context, err);
    if (r < 0 || context->compose)
        return r;
    return compose_new(context->settings, context->engine, context_deadline(context, CALL_TIME),
                       &context->compose, err);
}

bool context_is_database(const struct context *context, const struct container *container) {
    return string_equal(container->service, context->settings->database.service) && !container->one_off &&
           !*container->ours;
}

int context_open_snapshot(struct context *context, struct error *err) {
    if (context->snapshot)
        return 0;
    return snapshot_load(context->state->directory, context->record->app, context->record->snapshot,
                         &context->snapshot, err);
}

int context_containers(struct context *context, struct container **ret, size_t *ret_count,
                       struct error *err) {
    int r = context_open_engine(context, err);
    if (r < 0)
        return r;
    const char *project = context->record->project;
    if (!project) {
        r = context_open_compose(context, err);
        if (r < 0)
            return r;
        project = compose_project(context->compose);
    }
    return engine_containers(context->engine, project, context_deadline(context, CALL_TIME), ret, ret_count,
                             err);
}

static int find_database(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    if (r < 0)
        return r;
    r = error_set(err, ENOENT, "the database service \"%s\" has no container",
                  context->settings->database.service);
    for (size_t i = 0; i < count; i++)
        if (context_is_database(context, &list[i])) {
            if (container_runs(&list[i]))
                r = engine_container(context->engine, list[i].id, context_deadline(context, CALL_TIME),
                                     &context->database, err);
            else
                r = error_set(err, EAGAIN, "the database's container \"%s\" does not run (%s)", list[i].name,
                              list[i].status);
            break;
        }
    containers_free(list, count);
    return r;
}

int context_open_database(struct context *context, struct error *err) {
    if (context->server)
        return 0;
    bool external = context->settings->database.url != NULL;
    int r = external ? context_open_engine(context, err) : 0;
    if (!external && !context->database.id)
        r = find_database(context, err);
    if (r < 0)
        return r;
    r = server_open(context->settings, external ? NULL : &context->database, context->record->id,
                    context_deadline(context, CALL_TIME), &context->server, err);
    if (r < 0) {
        context_close_database(context);
        return r;
    }
    if (external)
        programs_new_external(context->settings, context->engine, context->record->id, &context->programs);
    else
        programs_new(context->engine, &context->database, &context->programs);
    return 0;
}

/* A name can come to lead to another server, as when a copy of a cluster takes its place: nothing of the
 * record is true there. */
static int same_cluster(struct context *context, struct error *err) {
    const char *recorded = context->record->system_identifier;
    _cleanup_server_facts_ struct server_facts facts = { 0 };
    if (!context->settings->database.url || !recorded || !*recorded)
        return 0;
    int r = server_facts_read(context->maintenance, context_deadline(context, CALL_TIME), &facts, err);
    if (r < 0 || string_equal(facts.system_identifier, recorded))
        return r;
    return error_set(
        err, ESTALE,
        "the server at Url= is another one than at the beginning (system identifier %s, expected %s)",
        facts.system_identifier, recorded);
}

int context_open_maintenance(struct context *context, struct error *err) {
    if (context->maintenance && PQstatus(context->maintenance) == CONNECTION_OK)
        return 0;
    if (context->maintenance)
        context_close_database(context);
    int r = context_open_database(context, err);
    if (r < 0)
        return r;
    r = server_connect(context->server, NULL, context_deadline(context, CALL_TIME), &context->maintenance,
                       err);
    if (r >= 0)
        r = same_cluster(context, err);
    if (r == -ESTALE)
        context_close_database(context);
    return r;
}

static int tell(struct context *context, json_t *message, struct error *err) {
    _cleanup_json_ json_t *owned = message;
    if (context->channel < 0)
        return 0;
    return channel_send(context->channel, owned, deadline_in(RECORD_TIME), err);
}

int context_record(struct context *context, struct error *err) {
    if (context->dry)
        return 0;
    json_t *message = json_object();
    json_object_set_new(message, "record", record_encode(context->record));
    int r = tell(context, message, err);
    if (r < 0)
        return error_prefix(err, "cannot have the record written");
    _cleanup_json_ json_t *answer = NULL;
    r = channel_receive(context->channel, &context->received, deadline_in(RECORD_TIME), &answer, err);
    if (r < 0)
        return error_prefix(err, "cannot have the record written");
    const char *text = json_get_string(answer, "error", NULL);
    return text ? error_set(err, EIO, "cannot have the record written: %s", text) : 0;
}

void context_progress(struct context *context, uint64_t done, uint64_t total, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    usec_t now = clock_boottime();
    if (string_equal(text, context->step_text) && now - context->progress_sent < PROGRESS_INTERVAL &&
        done < total)
        return;
    if (string_equal(text, context->step_text) && now - context->progress_sent < PROGRESS_INTERVAL && !total)
        return;
    replace_string(context->step_text, xstrdup(text));
    context->progress_sent = now;
    if (context->channel < 0) {
        if (context->progress)
            context->progress(context->userdata, text, done, total);
        return;
    }
    json_t *progress = json_object(), *message = json_object();
    json_object_set_new(progress, "text", json_text_string(text));
    json_object_set_new(progress, "done", json_integer((json_int_t)done));
    json_object_set_new(progress, "total", json_integer((json_int_t)total));
    json_object_set_new(message, "progress", progress);
    tell(context, message, NULL);
}

void context_event(struct context *context, const char *kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    json_t *event = json_object(), *message = json_object();
    json_object_set_new(event, "kind", json_string(kind));
    json_object_set_new(event, "text", json_text_string(text));
    json_object_set_new(message, "event", event);
    tell(context, message, NULL);
}

void context_probe(struct context *context, const char *probe, const char *result, const char *sentence) {
    json_t *report = json_object(), *message = json_object();
    json_object_set_new(report, "probe", json_text_string(probe));
    json_object_set_new(report, "result", json_string(result));
    json_object_set_new(report, "sentence", json_text_string(sentence ? sentence : ""));
    json_object_set_new(message, "probe", report);
    tell(context, message, NULL);
}

void context_reports(struct context *context, json_t *reports) {
    json_decref(context->record->reports);
    context->record->reports = reports;
    json_t *message = json_object();
    json_object_set(message, "reports", reports);
    tell(context, message, NULL);
}

static void tree_advanced(void *userdata, uint64_t files, uint64_t bytes) {
    struct context *context = userdata;
    context_progress(context, bytes, 0, "files: %llu", (unsigned long long)files);
}

struct tree_run context_tree_run(struct context *context, const char *text) {
    (void)text;
    return (struct tree_run){ context->deadline, tree_advanced, context };
}

int context_fenced(struct context *context, bool *ret, struct error *err) {
    *ret = false;
    if (context->record->databases_count == 0)
        return 0;
    int r = context_open_maintenance(context, err);
    for (size_t i = 0; r >= 0 && i < context->record->databases_count; i++) {
        const struct record_database *database = &context->record->databases[i];
        uint32_t oid = 0;
        bool standing = false;
        r = database_oid(context->maintenance, database->name, context_deadline(context, CALL_TIME), &oid,
                         err);
        if (r == -ENOENT) {
            /* No database has the name at this moment: nobody can connect to it. */
            error_done(err);
            *ret = true;
            r = 0;
            continue;
        }
        if (r >= 0)
            r = fence_read(context->maintenance, oid, context_deadline(context, CALL_TIME), &standing, err);
        *ret = *ret || standing;
    }
    return r < 0 ? error_prefix(err, "cannot read the database's fence") : 0;
}

char **context_services(const struct context *context, bool but_gate, bool all) {
    char **list = xcalloc(1, sizeof(char *));
    for (size_t i = 0; i < context->record->services_count; i++) {
        const struct record_service *service = &context->record->services[i];
        if (service->database || (but_gate && service->gate) || (!all && !service->ran))
            continue;
        if (!strings_contain(list, service->service))
            strings_append(&list, service->service);
    }
    return list;
}
