/*
 * Steps that look at what was started: the window, the old release after an undo.
 *
 * The window is one loop: what should run and does not is started (Compose in the background, so that a
 * release that never becomes healthy is seen at once), a round of probes, the verdict, then a sleep that any
 * event of Docker ends.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "watchdog/transaction/looks.h"
#include "watchdog/transaction/signs.h"
#include "watchdog/transaction/steps.h"
#include "watchdog/transaction/verdict.h"

#define ROUND_TIME USEC_PER_MINUTE
#define OLD_TIME (3 * USEC_PER_MINUTE)   /* for the old release to answer again */
#define UNKNOWN_TIME (30 * USEC_PER_SEC) /* for a probe that cannot look, as after a 429 */
#define START_TIMEOUT_AUTO (180 * USEC_PER_SEC)
#define EAGER_INTERVAL                                                                                       \
    (250 * USEC_PER_MSEC) /* before the first pass users are shut out: each moment counts */
#define HANDS_OFF USEC_PER_MINUTE
#define SAVE_INTERVAL (10 * USEC_PER_SEC)
#define CALL_TIME (30 * USEC_PER_SEC)
#define GATE_TIME (30 * USEC_PER_SEC) /* for a gate that was just started to answer */
#define GATE_SILENCE (3 * USEC_PER_SEC)

/* Everything that the window loop keeps from round to round. */
struct window {
    struct context *context;
    struct looks *looks;
    struct signs signs;
    struct verdict_rules rules;
    struct verdict_memory memory;
    usec_t begun;      /* clock_boottime() at which since_switch is 0 */
    usec_t saved_at;   /* clock_boottime() at which the memory was written last */
    usec_t restart_at; /* clock_boottime() of the next try to start what is down; 0: none wanted */
    usec_t gate_since; /* clock_boottime() at which the gate was opened; 0: it answers, or is not open */
    usec_t took;       /* by the last look */
    bool up_failed;
    bool twin_runs;
};

static void window_done(struct window *window) {
    signs_done(&window->signs);
    verdict_memory_done(&window->memory);
    looks_free(window->looks);
}

/* Every service but the database; the gate too where it may be open. */
static int begin_up(struct context *context, struct error *err) {
    bool shut = context->record->gate == GATE_SHUT;
    _cleanup_strings_ char **services = context_services(context, shut, false);
    int r = context_open_compose(context, err);
    if (r < 0 || !services[0] || context->up.pid)
        return r;
    return compose_up_start(context->compose, services, 0, &context->up, err);
}

int step_start_new(struct context *context, struct error *err) {
    return begin_up(context, err);
}

static int twin_state(struct context *context, bool *ret_there, bool *ret_runs, struct error *err) {
    struct container twin = { 0 };
    int r = engine_container(context->engine, context->record->twin, context_deadline(context, CALL_TIME),
                             &twin, err);
    *ret_there = r >= 0;
    *ret_runs = r >= 0 && container_runs(&twin);
    if (r >= 0)
        container_done(&twin);
    if (r == -ENOENT) {
        error_done(err);
        r = 0;
    }
    return r;
}

/* The twin, while the gate is shut. */
static int ensure_twin(struct window *window, struct error *err) {
    struct context *context = window->context;
    struct record *record = context->record;
    const struct record_service *gate = record_gate(record);
    bool there = false, runs = false;
    if (!gate || record->gate != GATE_SHUT)
        return 0;
    if (!record->twin) {
        record->twin =
            xasprintf("%s-%s-twin-%s", record->project, gate->service, record->id + strlen(record->id) - 4);
        int r = context_record(context, err);
        if (r < 0)
            return r;
    }
    int r = twin_state(context, &there, &runs, err);
    if (r >= 0 && there && !runs)
        r = engine_start(context->engine, record->twin, context_deadline(context, CALL_TIME), err);
    if (r >= 0 && !there) {
        _cleanup_free_ char *label = xasprintf("%s=%s", DOCKER_LABEL, record->id);
        char *labels[] = { label, NULL };
        r = context_open_compose(context, err);
        if (r >= 0)
            r = compose_run_twin(context->compose, gate->service, record->twin, labels,
                                 context_deadline(context, USEC_PER_MINUTE), NULL, err);
    }
    window->twin_runs = r >= 0;
    return r > 0 ? -EPROTO : r;
}

/* A gate that runs and that we did not open: shut again, said, and remembered. */
static int shut_foreign_gate(struct context *context, struct error *err) {
    struct record *record = context->record;
    const struct record_service *gate = record_gate(record);
    struct container *list = NULL;
    size_t count = 0;
    if (!gate || record->gate != GATE_SHUT)
        return 0;
    int r = context_containers(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++) {
        if (!string_equal(list[i].service, gate->service) || list[i].one_off || *list[i].ours ||
            !container_runs(&list[i]))
            continue;
        record->gate_by_hand = true;
        record_note(record, "the gate \"%s\" was started by somebody else and was shut again", gate->service);
        context_event(context, "gate-by-hand",
                      "the gate \"%s\" was started by somebody else; it is shut again", gate->service);
        r = context_record(context, err);
        if (r >= 0)
            r = engine_set_policy(context->engine, list[i].id, "no", 0, context_deadline(context, CALL_TIME),
                                  err);
        if (r >= 0)
            r = engine_stop(context->engine, list[i].id, -1, context_deadline(context, CALL_TIME), err);
    }
    containers_free(list, count);
    return r;
}

/* Starts what is down, unless it is down by itself: then the probes say so. Never an error: the verdict
 * decides. */
static void keep_started(struct window *window) {
    struct context *context = window->context;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (context->up.pid) {
        int r = process_poll(&context->up, &err);
        if (r != 1) {
            window->up_failed = r != 0;
            if (r != 0)
                record_note(context->record, "docker compose up: %s", error_text(&err));
        }
    }
    if (shut_foreign_gate(context, &err) < 0 || ensure_twin(window, &err) < 0) {
        context_progress(context, 0, 0, "the gate's twin: %s", error_text(&err));
        error_done(&err);
    }
    if (window->restart_at && deadline_left(window->restart_at) == 0 && !context->up.pid) {
        window->restart_at = 0;
        step_start_database(context, NULL);
        begin_up(context, NULL);
    }
}

/* Recorded before it is done; then the policy and the start, and that it is open. */
static int open_gate(struct window *window, struct error *err) {
    struct context *context = window->context;
    struct record *record = context->record;
    const struct record_service *gate = record_gate(record);
    struct container *list = NULL;
    size_t count = 0;
    if (!gate || record->gate == GATE_OPEN)
        return 0;
    database_remember_written(context);
    record->gate = GATE_OPENING;
    int r = context_record(context, err);
    if (r >= 0)
        r = step_policies_back(context, err);
    if (r >= 0)
        r = context_containers(context, &list, &count, err);
    bool started = false;
    for (size_t i = 0; r >= 0 && i < count; i++)
        if (string_equal(list[i].service, gate->service) && !list[i].one_off && !*list[i].ours) {
            r = engine_start(context->engine, list[i].id, context_deadline(context, CALL_TIME), err);
            started = r >= 0;
        }
    containers_free(list, count);
    if (r >= 0 && !started)
        r = error_set(err, ENOENT, "the gate \"%s\" has no container", gate->service);
    if (r < 0)
        return error_prefix(err, "cannot open the gate");
    record->gate = GATE_OPEN;
    window->gate_since = clock_boottime();
    context_event(context, "gate-opened", "the gate \"%s\" is open", gate->service);
    return 0;
}

static int first_pass(struct window *window, struct error *err) {
    struct context *context = window->context;
    struct record *record = context->record;
    record->first_pass = clock_realtime();
    window->looks->view.first_pass_realtime = record->first_pass;
    context_event(context, "first-pass", "every probe has passed");
    int r = context_record(context, err);
    if (r >= 0 && context->settings->watch.gate_until == GATE_UNTIL_FIRST_PASS) {
        r = open_gate(window, err);
        record_serves(record);
    } else if (r >= 0 && record->gate == GATE_NONE) {
        record_serves(record);
    }
    return r < 0 ? r : context_record(context, err);
}

/* Evidence and badness are on disk before the undo begins. */
static int condemn(struct window *window, enum verdict verdict, char *probe, char *reason,
                   struct error *err) {
    struct record *record = window->context->record;
    replace_string(record->failed_probe, probe);
    replace_string(record->cause, reason ? xstrdup(reason) : xstrdup(verdict_name(verdict)));
    record->bad = verdict == VERDICT_ROLL_BACK;
    _cleanup_free_ char *prefix = xasprintf("%s: ", record->failed_probe ? record->failed_probe : "");
    bool named = string_starts_with(record->cause, prefix); /* as verdict_step() writes it */
    context_probe(window->context, record->failed_probe ? record->failed_probe : "?",
                  record->bad ? "fail" : "unknown", record->cause + (named ? strlen(prefix) : 0));
    int r = context_record(window->context, err);
    free(reason);
    error_set(err, EPROTO, "%s", record->cause);
    return r < 0 ? r : 1;
}

/* What the probes have done so far outlives us: at once when one failed, now and then when all is well. */
static void save_memory(struct window *window, const struct probe_round *round) {
    struct record *record = window->context->record;
    bool failed = false;
    for (size_t i = 0; i < round->count; i++)
        failed = failed || (round->reports[i].looked && !round->reports[i].advisory &&
                            round->reports[i].result == PROBE_FAIL);
    if (!window->memory.first_pass || (!failed && clock_boottime() < window->saved_at + SAVE_INTERVAL))
        return;
    window->saved_at = clock_boottime();
    json_decref(record->window);
    record->window = verdict_memory_to_json(&window->memory);
    context_record(window->context, NULL);
}

static bool is_any_answered(const struct probe_round *round) {
    for (size_t i = 0; i < round->count; i++)
        if (round->reports[i].looked && json_object_get(round->reports[i].measured, "status"))
            return true;
    return false;
}

/* Docker's proxy accepts connections before a gate that was just started listens: until all that goes through
 * it has been answered once, no answer says nothing of the release. One that is waited for in vain for long,
 * while others are answered, is not the gate's: a leak of connections silences what needs the database. */
static void forgive_silence(struct window *window, struct probe_round *round) {
    bool silent = false, others = is_any_answered(round);
    if (!window->gate_since)
        return;
    for (size_t i = 0; i < round->count; i++) {
        struct probe_report *report = &round->reports[i];
        if (report->result != PROBE_FAIL || report->fatal || report->answered ||
            json_object_get(report->measured, "status") || (others && report->took > GATE_SILENCE))
            continue;
        silent = true;
        report->result = PROBE_UNKNOWN;
    }
    if (!silent || clock_boottime() >= window->gate_since + GATE_TIME)
        window->gate_since = 0;
}

static int decide(struct window *window, struct probe_round *round, bool *ret_over, struct error *err) {
    struct context *context = window->context;
    char *probe = NULL, *reason = NULL;
    const struct verdict_host host = { .trouble = round->trouble, .busy = round->busy };
    forgive_silence(window, round);
    enum verdict verdict = verdict_step(&window->rules, &window->memory, round->reports, round->count, &host,
                                        clock_boottime() - window->begun, &probe, &reason);
    *ret_over = false;
    switch (verdict) {
    case VERDICT_WAIT:
        if (window->memory.first_pass) /* until then it is starting, and that they fail is no news */
            looks_tell(context, window->looks, round);
        save_memory(window, round);
        break;
    case VERDICT_FIRST_PASS:
        return first_pass(window, err);
    case VERDICT_ROLL_BACK:
    case VERDICT_ROLL_BACK_UNKNOWN:
        *ret_over = true;
        return condemn(window, verdict, probe, reason, err);
    case VERDICT_KEEP_TELL:
        record_note(context->record, "kept, although a probe could not look: %s", reason ? reason : "");
        context_event(context, "warning", "the release is kept, although a probe could not look: %s",
                      reason ? reason : "");
        *ret_over = true;
        break;
    case VERDICT_KEEP:
        *ret_over = true;
        break;
    }
    free(probe);
    free(reason);
    return 0;
}

/* Before the first pass each moment counts, but an application that is starting needs the processor too: half
 * of the time is its own. */
static usec_t eager_interval(const struct window *window) {
    return window->took > EAGER_INTERVAL ? window->took : EAGER_INTERVAL;
}

/* Until the next round: an event of Docker, the end of `up`, or the time. Before the first pass users are
 * shut out: no longer than the wrong answers of what has started need to be believed. */
static void wait_for_next(struct window *window) {
    struct context *context = window->context;
    const struct verdict_memory *memory = &window->memory;
    usec_t interval = window->rules.interval, settle_time = window->rules.settle_time;
    if (!context->record->first_pass && interval > eager_interval(window))
        interval = eager_interval(window);
    if (memory->settled && memory->wrong < settle_time && interval > settle_time - memory->wrong)
        interval = settle_time - memory->wrong;
    signs_wait(&window->signs, context->engine, context->record->project,
               context->up.pid ? context->up.output_fd : -1, context_deadline(context, interval));
}

/* A run that died in the window goes on where it was, with what the probes had done until then. */
static void resume(struct window *window) {
    const struct record *record = window->context->record;
    struct verdict_memory *memory = &window->memory;
    if (record->window && verdict_memory_from_json(record->window, memory, NULL) == 0)
        verdict_memory_restart(memory);
    memory->first_pass = true;
}

static int window_open(struct context *context, struct window *window, struct error *err) {
    const struct record *record = context->record;
    const struct settings *settings = context->settings;
    *window = (struct window){ .context = context, .begun = clock_boottime() };
    window->rules = (struct verdict_rules){
        .start_timeout = settings->watch.start_timeout ? settings->watch.start_timeout : START_TIMEOUT_AUTO,
        .settle_time = settings->watch.settle_time,
        .duration = settings->watch.duration,
        .interval = settings->watch.interval,
        .fail_after = settings->watch.fail_after,
        .fail_share = settings->watch.fail_share,
        .progress_limit = settings->watch.progress_limit,
    };
    if (record->first_pass)
        resume(window);
    signs_init(&window->signs, record->switched);
    return looks_new(context, LOOKS_CANDIDATE, &window->looks, err);
}

static int look_once(struct window *window, bool *ret_over, struct error *err) {
    struct context *context = window->context;
    _cleanup_probe_round_ struct probe_round round = { 0 };
    bool shut = context->record->gate == GATE_SHUT;
    window->looks->view.twin = shut && window->twin_runs ? context->record->twin : NULL;
    window->looks->view.first_pass_realtime = context->record->first_pass;
    signs_take(&window->signs, context->engine, context->record->project);
    window->looks->view.signs = window->signs.seen;
    usec_t begun = clock_boottime();
    int r = looks_round(context, window->looks, ROUND_TIME, &round, err);
    window->took = clock_boottime() - begun;
    if (r < 0)
        return r;
    /* The host's trouble stopped something: started again, when Docker is back. What somebody else stops is
     * left to them. */
    if (round.trouble && !window->restart_at && !signs_stopped_since(&window->signs, HANDS_OFF))
        window->restart_at = deadline_in(2 * USEC_PER_SEC);
    return decide(window, &round, ret_over, err);
}

int step_watch(struct context *context, struct error *err) {
    struct window window;
    bool over = false;
    int r = window_open(context, &window, err);
    /* A gate whose opening was recorded is opened, whatever died in between. */
    if (r >= 0 && context->record->gate == GATE_OPENING)
        r = open_gate(&window, err);
    if (r >= 0 && context->record->first_pass && context->record->gate == GATE_SHUT &&
        context->settings->watch.gate_until == GATE_UNTIL_FIRST_PASS)
        r = open_gate(&window, err);
    while (r == 0 && !over) {
        keep_started(&window);
        r = look_once(&window, &over, err);
        if (r != 0 || over)
            break;
        if (deadline_left(context->deadline) == 0) {
            r = error_set(err, ETIME, "the window did not end in its time");
            break;
        }
        wait_for_next(&window);
    }
    window_done(&window);
    return r;
}

int step_probe_old(struct context *context, struct error *err) {
    _cleanup_looks_ struct looks *looks = NULL;
    int r = looks_new(context, LOOKS_OLD, &looks, err);
    usec_t wanted = context->settings->watch.start_timeout;
    usec_t deadline = context_deadline(context, wanted > OLD_TIME ? wanted : OLD_TIME);
    usec_t unknown = clock_boottime(); /* since when no probe failed, and some could not look */
    if (r < 0)
        return r;
    if (!looks->baseline) {
        record_note(context->record, "the probes were not looked at: no baseline was kept");
        return 0;
    }
    for (;;) {
        _cleanup_probe_round_ struct probe_round round = { 0 };
        r = looks_round(context, looks, ROUND_TIME, &round, err);
        if (r < 0)
            return r;
        _cleanup_free_ char *failed = looks_failed(&round, NULL);
        if (!failed)
            return 0;
        bool only_unknown = !looks_any_failed(&round) && !round.trouble;
        unknown = only_unknown ? unknown : clock_boottime();
        if (only_unknown && clock_boottime() >= unknown + UNKNOWN_TIME) {
            record_note(context->record, "the old release runs, and nothing failed, but %s", failed);
            return 0;
        }
        /* The host's trouble stopped something: that is started again, and says nothing against the release.
         */
        if (round.trouble) {
            step_start_database(context, NULL);
            step_start_old(context, NULL);
        }
        if (deadline_left(deadline) == 0 && round.trouble)
            return error_set(err, EAGAIN, "the old release could not be looked at: %s", round.trouble);
        if (!deadline_sleep(deadline, 500 * USEC_PER_MSEC)) {
            error_set(err, EPROTO, "the old release runs, but does not pass its probes: %s", failed);
            return 1;
        }
    }
}
