/* Rounds of probes. See looks.h. */

#include "watchdog/transaction/looks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/transaction/trouble.h"

#define CALL_TIME (30 * USEC_PER_SEC)

#define BASELINE_LIMIT ((size_t)256 * 1024 * 1024)

static int read_baseline(struct context *context, json_t **ret, struct error *err) {
    _cleanup_free_ char *path = state_transaction_path(context->state, context->record->id, "baseline.json");
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, BASELINE_LIMIT, &text, &size, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    return r < 0 ? r : json_parse(text, size, path, ret, err);
}

static void expect(const struct record *record, enum looks_release release, struct looks *looks) {
    looks->expected = xcalloc(record->services_count, sizeof(*looks->expected));
    for (size_t i = 0; i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        bool new = release == LOOKS_CANDIDATE && service->changes;
        looks->expected[i] =
            (struct probe_expected){ .service = service->service,
                                     .image_id = new ? service->candidate_image_id : service->image_id,
                                     .version = new ? service->candidate_version : service->version,
                                     .must_run = service->ran,
                                     .one_shot = service->one_shot,
                                     .changes = service->changes,
                                     .is_database = service->database };
    }
    looks->view.expected = looks->expected;
    looks->view.expected_count = record->services_count;
}

/* Where the old release's logs begin: with the oldest of its containers. A back-out may have found them
 * running. */
static int oldest_start(struct context *context, usec_t *ret, struct error *err) {
    struct container *list = NULL;
    size_t count = 0;
    int r = context_containers(context, &list, &count, err);
    *ret = context->record->phase_started;
    for (size_t i = 0; r >= 0 && i < count; i++)
        if (!context_is_database(context, &list[i]) && !*list[i].ours && container_runs(&list[i]) &&
            list[i].started && container_run_began(&list[i]) < *ret)
            *ret = container_run_began(&list[i]);
    containers_free(list, count);
    return r;
}

/* What the looks' processes need of Docker and an external server, so that not each of them asks for it. */
static void know_host(struct context *context) {
    const char *directory;
    if (context->engine)
        engine_root_directory(context->engine, context_deadline(context, CALL_TIME), &directory, NULL);
    if (context->settings->database.url && !context->elsewhere)
        server_for_probe(context->settings, NULL, "upgrade-watchdog", "", &context->elsewhere, NULL);
}

int looks_new(struct context *context, enum looks_release release, struct looks **ret, struct error *err) {
    const struct record *record = context->record;
    _cleanup_looks_ struct looks *looks = xcalloc(1, sizeof(*looks));
    int r = probe_set_new(context->settings, &looks->set, err);
    if (r >= 0)
        r = context_open_engine(context, err);
    if (r >= 0 && release != LOOKS_BASELINE)
        r = read_baseline(context, &looks->baseline, err);
    if (r < 0)
        return r;
    probe_set_prepare(looks->set);
    looks->memory = probe_memory_new();
    looks->view = (struct probe_view){ .settings = context->settings,
                                       .engine = context->engine,
                                       .project = record->project,
                                       .gate = context->settings->watch.gate,
                                       .baseline = looks->baseline,
                                       .is_baseline = release == LOOKS_BASELINE,
                                       .is_undone = release == LOOKS_OLD,
                                       .stop_on_fatal = release == LOOKS_CANDIDATE };
    if (release == LOOKS_CANDIDATE)
        looks->view.since_realtime = record->switched;
    if (release == LOOKS_OLD && (r = oldest_start(context, &looks->view.since_realtime, err)) < 0)
        return r;
    for (size_t i = 0; i < looks->set->count; i++)
        looks->view.twin_is_asked =
            looks->view.twin_is_asked ||
            (looks->set->probes[i].kind->makes_requests && !looks->set->probes[i].advisory);
    looks->view.host = context;
    looks->view.forget = context_forget;
    if (release != LOOKS_BASELINE)
        looks->view.look_at_host = trouble_find;
    know_host(context);
    expect(record, release, looks);
    *ret = take_ptr(looks);
    return 0;
}

void looks_free(struct looks *looks) {
    if (!looks)
        return;
    probe_memory_free(looks->memory);
    probe_set_free(looks->set);
    json_decref(looks->baseline);
    free(looks->expected);
    free(looks->told);
    free(looks);
}

void cleanup_looks(struct looks **looks) {
    looks_free(*looks);
}

int looks_round(struct context *context, struct looks *looks, usec_t time, struct probe_round *ret,
                struct error *err) {
    int r =
        probe_round_run(looks->set, &looks->view, looks->memory, context_deadline(context, time), ret, err);
    if (r < 0)
        return r;
    json_t *reports = json_array();
    for (size_t i = 0; i < ret->count; i++)
        if (!ret->reports[i].progress || ret->reports[i].looked)
            json_array_append_new(reports, probe_report_to_json(&ret->reports[i]));
    context_reports(context, reports);
    return 0;
}

/* The reports of a round are in the order of the set: each probe has its place. */
void looks_tell(struct context *context, struct looks *looks, const struct probe_round *round) {
    for (; looks->told_count < round->count; looks->told_count++) {
        looks->told = xrealloc(looks->told, looks->told_count + 1, sizeof(*looks->told));
        looks->told[looks->told_count] = PROBE_PASS;
    }
    for (size_t i = 0; i < round->count; i++) {
        const struct probe_report *report = &round->reports[i];
        if (report->result != looks->told[i] && report->result != PROBE_PASS && !report->progress)
            context_probe(context, report->probe, probe_result_name(report->result), report->sentence);
        looks->told[i] = report->result;
    }
}

bool looks_any_failed(const struct probe_round *round) {
    for (size_t i = 0; i < round->count; i++)
        if (!round->reports[i].advisory && round->reports[i].result == PROBE_FAIL)
            return true;
    return false;
}

char *looks_failed(const struct probe_round *round, const char **ret_probe) {
    const struct probe_report *report = baseline_failed(round->reports, round->count);
    if (!report)
        return NULL;
    if (ret_probe)
        *ret_probe = report->probe;
    return xasprintf("%s: %s", report->probe, report->sentence ? report->sentence : "did not pass");
}
