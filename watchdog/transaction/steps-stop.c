/* Steps that keep the application still: restart policies, stopping, and looking whether it really is. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/catalog.h"
#include "watchdog/docker/logs.h"
#include "watchdog/transaction/foreign.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define CHECKPOINT_TIME (2 * USEC_PER_MINUTE)
#define FOREIGN_TIME (2 * USEC_PER_MINUTE) /* for somebody's `up` to end by itself */
#define LOGS_TIME (5 * USEC_PER_SEC)       /* downtime: evidence is not worth more */
#define LOGS_LIMIT ((size_t)4 * 1024 * 1024)

int step_checkpoint(struct context *context, struct error *err) {
    int r = context_open_maintenance(context, err);
    if (r < 0)
        return r;
    r = server_checkpoint(context->maintenance, context_deadline(context, CHECKPOINT_TIME), err);
    return r < 0 ? r : 0;
}

static const struct container *by_id(const struct container *list, size_t count, const char *id) {
    for (size_t i = 0; i < count; i++)
        if (string_equal(list[i].id, id))
            return &list[i];
    return NULL;
}

/* Made since the beginning, as by `compose run`: what is in no record would be stopped and not started again.
 */
static int see_no_other(const struct record *record, const struct container *list, size_t count,
                        struct error *err) {
    for (size_t i = 0; i < count; i++) {
        bool known = *list[i].ours != '\0';
        for (size_t k = 0; !known && k < record->services_count; k++)
            known = string_equal(record->services[k].container_id, list[i].id);
        if (known || !container_runs(&list[i]))
            continue;
        error_set(err, ESTALE, "container \"%s\" was not there when the upgrade began: somebody works on it",
                  list[i].name);
        return 1;
    }
    return 0;
}

int step_compare_running(struct context *context, struct error *err) {
    const struct record *record = context->record;
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    if (r == 0)
        r = see_no_other(record, list, count, err);
    for (size_t i = 0; r == 0 && i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        const struct container *container = by_id(list, count, service->container_id);
        bool ran = service->ran && !service->one_shot;
        if (!container || container_runs(container) != ran ||
            !string_equal(container->image_id, service->image_id)) {
            error_set(err, ESTALE,
                      "service \"%s\" is not as it was when the upgrade began: somebody works on it",
                      service->service);
            r = 1;
        }
    }
    containers_free(list, count);
    return r;
}

int step_policies_off(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        if (context_is_database(context, &list[i]) || string_equal(list[i].policy, "no"))
            continue;
        r = engine_set_policy(context->engine, list[i].id, "no", 0, context_deadline(context, CALL_TIME),
                              err);
        if (r == -ENOENT) {
            error_done(err);
            r = 0;
        }
    }
    containers_free(list, count);
    return r;
}

int step_stop(struct context *context, struct error *err) {
    struct container *list = NULL;
    char **ids = NULL;
    size_t count = 0;
    int r = 0;
    if (!context->record->down_since) {
        context->record->down_since = clock_realtime();
        if (context->record->phase == PHASE_QUIESCE)
            context->record->quiesced = context->record->down_since;
        r = context_record(context, err);
    }
    if (r >= 0)
        r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++)
        if (!context_is_database(context, &list[i]) && container_runs(&list[i]))
            strings_append(&ids, list[i].id);
    if (r >= 0 && ids)
        r = engine_stop_all(context->engine, ids, -1, context->deadline, err);
    if (r >= 0 && ids)
        r = engine_wait_stopped(context->engine, ids, context->deadline, err);
    strings_free(ids);
    containers_free(list, count);
    return r;
}

int step_see_stopped(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!context_is_database(context, &list[i]) && container_runs(&list[i])) {
            error_set(err, EBUSY, "container \"%s\" was started by somebody else", list[i].name);
            context_event(context, "foreign-start", "container \"%s\" was started while it should be stopped",
                          list[i].name);
            r = 1;
        }
    containers_free(list, count);
    return r;
}

int step_await_foreign(struct context *context, struct error *err) {
    const struct record *record = context->record;
    usec_t deadline = context_deadline(context, FOREIGN_TIME);
    for (;;) {
        _cleanup_strings_ char **found =
            foreign_compose(record->directory, record->project, context_supervisor(context));
        if (!found)
            return 0;
        context_progress(context, 0, 0, "waiting for %s", found[0]);
        if (!deadline_sleep(deadline, 200 * USEC_PER_MSEC)) {
            error_set(err, EBUSY, "%s works on the project and does not end", found[0]);
            return 1;
        }
    }
}

int step_see_never_started(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    int r = step_see_stopped(context, err);
    if (r != 0 || !context->before_files)
        return r;
    r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        _cleanup_free_ char *now = xasprintf("%s %llu", list[i].id, (unsigned long long)list[i].started);
        if (context_is_database(context, &list[i]) || strings_contain(context->before_files, now))
            continue;
        error_set(err, EBUSY,
                  "container \"%s\" was made or started by somebody else while files were restored",
                  list[i].name);
        r = 1;
    }
    containers_free(list, count);
    return r;
}

struct log_file {
    int fd;
};

static int log_data(void *userdata, enum frame_stream stream, const char *data, size_t size) {
    const struct log_file *file = userdata;
    (void)stream;
    return write_all(file->fd, data, size);
}

static void keep_log(struct context *context, const struct container *container) {
    _cleanup_free_ char *name = xasprintf("logs/%s.log", container->name);
    _cleanup_free_ char *directory = state_transaction_path(context->state, context->record->id, "logs");
    _cleanup_free_ char *path = state_transaction_path(context->state, context->record->id, name);
    if (durable_mkdir(directory, 0700, NULL) < 0)
        return;
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    struct log_file file = { fd };
    struct logs logs = { .container = container->id,
                         .since = context->record->switched,
                         .timestamps = true,
                         .limit = LOGS_LIMIT,
                         .on_data = log_data,
                         .userdata = &file,
                         .deadline = context_deadline(context, LOGS_TIME) };
    engine_logs(context->engine, &logs, NULL);
}

/* Evidence: what cannot be had must not hold up the rollback. */
int step_keep_logs(struct context *context, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    if (context->record->kind != KIND_UPGRADE)
        return 0;
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++)
        if (!context_is_database(context, &list[i]) && list[i].started >= context->record->switched)
            keep_log(context, &list[i]);
    containers_free(list, count);
    return r;
}
