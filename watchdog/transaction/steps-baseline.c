/*
 * The baseline: what the probes see on the running release, which the window compares with. Looked at twice
 * where something will be compared: what differs between two looks at one release says nothing about another
 * one.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/transaction/looks.h"
#include "watchdog/transaction/steps.h"
#include "watchdog/transaction/trouble.h"

#define ROUND_TIME USEC_PER_MINUTE
#define BASELINE_LOOKS 3
#define MEMORY_TIME (5 * USEC_PER_SEC)
/* Times are often written in whole seconds: a shorter pause would take them for constants. */
#define BETWEEN_LOOKS (1100 * USEC_PER_MSEC)

static int save_baseline(struct context *context, const json_t *baseline, struct error *err) {
    _cleanup_free_ char *path = state_transaction_path(context->state, context->record->id, "baseline.json");
    _cleanup_free_ char *text = json_text(baseline);
    return durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

/* A round in which every deciding probe passes. Returns 0, 1 when there is none: the outcome is recorded
 * then. */
static int look_until_passed(struct context *context, struct looks *looks, struct probe_round *ret,
                             struct error *err) {
    for (int look = 0;; look++) {
        const char *probe = NULL;
        int r = looks_round(context, looks, ROUND_TIME, ret, err);
        if (r < 0)
            return r;
        _cleanup_free_ char *failed = looks_failed(ret, &probe);
        if (!failed)
            return 0;
        if (look + 1 < BASELINE_LOOKS &&
            deadline_sleep(context->deadline, context->settings->watch.interval)) {
            probe_round_done(ret);
            continue;
        }
        replace_string(context->record->failed_probe, xstrdup(probe));
        context->record->outcome = OUTCOME_REFUSED;
        error_set(err, EPERM, "the running release does not pass its own probes: %s", failed);
        r = context_record(context, err);
        return r < 0 ? r : 1;
    }
}

/* Once more, to find what changes by itself. */
static int settle(struct context *context, struct looks *looks, struct error *err) {
    _cleanup_probe_round_ struct probe_round round = { 0 };
    deadline_sleep(context->deadline, BETWEEN_LOOKS);
    looks->view.baseline = looks->baseline;
    probe_memory_look_again(looks->set, looks->memory, looks->baseline);
    int r = look_until_passed(context, looks, &round, err);
    if (r == 0)
        baseline_settle(looks->baseline, round.reports, round.count);
    return r;
}

int step_baseline(struct context *context, struct error *err) {
    _cleanup_looks_ struct looks *looks = NULL;
    _cleanup_probe_round_ struct probe_round round = { 0 };
    int r = looks_new(context, LOOKS_BASELINE, &looks, err);
    if (r >= 0)
        r = look_until_passed(context, looks, &round, err);
    if (r != 0)
        return r;
    looks->baseline = baseline_make(round.reports, round.count);
    if (baseline_is_compared_any(looks->baseline) && (r = settle(context, looks, err)) != 0)
        return r;
    context->record->memory = (int64_t)trouble_memory(context, context_deadline(context, MEMORY_TIME));
    return save_baseline(context, looks->baseline, err);
}
