#pragma once

/* The [Probe NAME] sections of a configuration as checked probes. */

#include "probes/probe.h"

/* The kinds there are, ended by NULL. */
extern const struct probe_kind *const probe_kinds[];
/* The keys that every kind has (Kind=, After=, Severity=, Every=, Timeout=); offsets are of struct probe. */
extern const struct probe_key probe_common_keys[];

struct probe_set {
    struct probe *probes; /* in the order of the configuration */
    size_t count;
    size_t *order;   /* indices, predecessors before those that come after them */
    size_t *lane;    /* per probe: those joined by After= have the same number */
    size_t lanes;    /* how many numbers there are, from 0 */
    bool *ancestors; /* count x count: [of * count + whom], directly or through others */
};

/* Checks all sections: unknown kinds and keys, values, missing and repeated keys, patterns and jq programs,
 * After= of a probe that is not there or in a cycle, and that at least one probe decides. Credentials are not
 * read: recovery must not depend on them. Returns 0, or -EINVAL with "FILE:LINE: [Probe NAME] Key=: what was
 * expected". */
int probe_set_new(const struct settings *settings, struct probe_set **ret, struct error *err);
void probe_set_free(struct probe_set *set);

/* Compiles what each look runs: for a caller that looks more than once. */
void probe_set_prepare(struct probe_set *set);

/* The probe of that name, or NULL. */
const struct probe *probe_set_find(const struct probe_set *set, const char *name);

/* Whether @whom comes before @of in its chain; indices of probes. */
bool probe_set_is_ancestor(const struct probe_set *set, size_t of, size_t whom);

/* For `check` and `preflight`: every credential that a %{name} stands for can be read, and every program that
 * a probe runs is there. Returns 0, or a negative errno with a sentence that names file, line, key and
 * credential. */
int probe_set_check_needs(const struct probe_set *set, const struct settings *settings, struct error *err);

void cleanup_probe_set(struct probe_set **set);
#define _cleanup_probe_set_ __attribute__((cleanup(cleanup_probe_set)))
