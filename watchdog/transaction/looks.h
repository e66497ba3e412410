#pragma once

/* Rounds of probes as the phases need them: what is expected, and the baseline. */

#include "probes/baseline.h"
#include "probes/round.h"
#include "watchdog/transaction/context.h"

struct looks {
    struct probe_set *set;
    struct probe_memory *memory;
    struct probe_expected *expected;
    json_t *baseline; /* NULL: none */
    struct probe_view view;
    enum probe_result *told; /* what looks_tell() has seen of each probe last; NULL: nothing yet */
    size_t told_count;
};

/* Which release is to be seen: the running one (baseline), the candidate, or the old one after an undo. */
enum looks_release { LOOKS_BASELINE, LOOKS_CANDIDATE, LOOKS_OLD };

int looks_new(struct context *context, enum looks_release release, struct looks **ret, struct error *err);
void looks_free(struct looks *looks);
void cleanup_looks(struct looks **looks);
#define _cleanup_looks_ __attribute__((cleanup(cleanup_looks)))

/* One round; its reports go to the supervisor. */
int looks_round(struct context *context, struct looks *looks, usec_t time, struct probe_round *ret,
                struct error *err);

/* Tells of each probe that fails, or cannot look, and did neither at the round before. */
void looks_tell(struct context *context, struct looks *looks, const struct probe_round *round);

/* Whether a deciding probe failed; one that could not look did not. */
bool looks_any_failed(const struct probe_round *round);
/* The first deciding probe of the round that did not pass, as a sentence; NULL when all passed. Owned by the
 * caller. */
char *looks_failed(const struct probe_round *round, const char **ret_probe);
