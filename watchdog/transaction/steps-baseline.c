/* The baseline: what the probes see on the running release, which the window compares with. */

#include <fcntl.h>
#include <errno.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/transaction/looks.h"
#include "watchdog/transaction/steps.h"

#define ROUND_TIME USEC_PER_MINUTE
#define BASELINE_LOOKS 3

static int save_baseline(struct context *context, const struct probe_round *round, struct error *err) {
    _cleanup_free_ char *path = state_transaction_path(context->state, context->record->id, "baseline.json");
    _cleanup_json_ json_t *baseline = baseline_make(round->reports, round->count);
    _cleanup_free_ char *text = json_text(baseline);
    return durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

int step_baseline(struct context *context, struct error *err) {
    _cleanup_looks_ struct looks *looks = NULL;
    int r = looks_new(context, LOOKS_BASELINE, &looks, err);
    if (r < 0)
        return r;
    for (int look = 0;; look++) {
        _cleanup_probe_round_ struct probe_round round = { 0 };
        const char *probe = NULL;
        r = looks_round(context, looks, ROUND_TIME, &round, err);
        if (r < 0)
            return r;
        _cleanup_free_ char *failed = looks_failed(&round, &probe);
        if (!failed)
            return save_baseline(context, &round, err);
        if (look + 1 < BASELINE_LOOKS && deadline_sleep(context->deadline, context->settings->watch.interval))
            continue;
        replace_string(context->record->failed_probe, xstrdup(probe));
        context->record->outcome = OUTCOME_REFUSED;
        error_set(err, EPERM, "the running release does not pass its own probes: %s", failed);
        r = context_record(context, err);
        return r < 0 ? r : 1;
    }
}
