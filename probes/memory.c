/* Memory of rounds, and reports on their way through the pipe. See memory.h. */

#include "probes/memory.h"

#include "probes/baseline.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

struct probe_memory *probe_memory_new(void) {
    return xcalloc(1, sizeof(struct probe_memory));
}

void probe_memory_free(struct probe_memory *memory) {
    if (!memory)
        return;
    for (size_t i = 0; i < memory->count; i++) {
        probe_report_done(&memory->entries[i].last);
        free(memory->entries[i].route);
    }
    free(memory->entries);
    free(memory);
}

void memory_fit(struct probe_memory *memory, const struct probe_set *set) {
    if (memory->count == set->count)
        return;
    memory->entries = xrealloc(memory->entries, set->count, sizeof(*memory->entries));
    for (size_t i = memory->count; i < set->count; i++)
        memory->entries[i] = (struct memory_entry){ 0 };
    memory->count = set->count;
}

void memory_store(struct probe_memory *memory, size_t index, const struct probe_report *report,
                  const struct probe_view *view) {
    struct memory_entry *entry = &memory->entries[index];
    usec_t now = clock_boottime();
    struct probe_report last = *report;
    last.probe = xstrdup(report->probe);
    last.sentence = xstrdup(report->sentence);
    last.evidence = xstrdup(report->evidence);
    last.answer = NULL;
    last.explained = NULL;
    json_incref(last.measured);
    json_incref(last.session);
    /* A look that saw nothing does not forget where the one before it stood. */
    last.state = json_incref(report->state ? report->state : entry->last.state);
    probe_report_done(&entry->last);
    entry->last = last;
    entry->known = true;
    entry->again = false;
    entry->looked_at = now;
    entry->retry_at = report->retry_after ? now + report->retry_after : 0;
    replace_string(entry->route, xstrdup(view->twin));
}

bool memory_is_due(const struct probe_memory *memory, const struct probe_set *set, size_t index,
                   const struct probe_view *view, usec_t now) {
    const struct memory_entry *entry = &memory->entries[index];
    if (set->probes[index].progress &&
        (view->is_baseline || !view->since_realtime || view->first_pass_realtime))
        return false;
    if (!entry->known || entry->again)
        return true;
    if (now < entry->retry_at)
        return false;
    return entry->last.result != PROBE_PASS || !string_equal(entry->route, view->twin ? view->twin : "") ||
           now >= entry->looked_at + set->probes[index].every;
}

void probe_memory_look_again(const struct probe_set *set, struct probe_memory *memory,
                             const json_t *baseline) {
    for (size_t i = 0; i < set->count && i < memory->count; i++)
        if (baseline_is_compared(baseline, set->probes[i].name))
            memory->entries[i].again = true;
}

usec_t probe_round_next(const struct probe_set *set, const struct probe_memory *memory, usec_t interval) {
    usec_t now = clock_boottime(), next = interval;
    for (size_t i = 0; i < set->count && i < memory->count; i++) {
        const struct memory_entry *entry = &memory->entries[i];
        usec_t at =
            entry->last.result == PROBE_PASS ? entry->looked_at + set->probes[i].every : entry->retry_at;
        usec_t wait = at > now ? at - now : 0;
        if (set->probes[i].every > 0 && wait > 0 && wait < next)
            next = wait;
    }
    return next;
}

#define CLOCK_SLACK (5 * USEC_PER_SEC) /* more than adjtime(3) and the time between two calls */
#define CLOCK_SETTLE (30 * USEC_PER_SEC)

void memory_look_at_clock(struct memory_clock *clock, usec_t realtime, usec_t boottime, usec_t monotonic) {
    if (clock->known) {
        usec_t passed = boottime - clock->boottime, awake = monotonic - clock->monotonic;
        usec_t expected = clock->realtime + passed;
        bool back = realtime + CLOCK_SLACK<expected, forth = realtime> expected + CLOCK_SLACK;
        bool slept = passed > awake + CLOCK_SLACK;
        if (back)
            clock->back += expected - realtime;
        if (back || forth || slept) {
            clock->upset_at = boottime;
            clock->slept = slept;
        }
    }
    clock->known = true;
    clock->realtime = realtime;
    clock->boottime = boottime;
    clock->monotonic = monotonic;
}

const char *memory_clock_trouble(const struct memory_clock *clock, usec_t boottime) {
    if (!clock->upset_at || boottime > clock->upset_at + CLOCK_SETTLE)
        return NULL;
    return clock->slept ? "the machine was just suspended" : "the machine's clock was just set";
}

json_t *report_to_pipe(const struct probe_report *report) {
    json_t *value = probe_report_to_json(report);
    if (report->answer)
        json_object_set(value, "answer", report->answer);
    if (report->session)
        json_object_set(value, "session", report->session);
    if (report->state)
        json_object_set(value, "state", report->state);
    if (report->explained)
        json_object_set(value, "explained", report->explained);
    json_object_set_new(value, "took", json_integer((json_int_t)report->took));
    json_object_set_new(value, "retry_after", json_integer((json_int_t)report->retry_after));
    return value;
}

int report_from_pipe(const json_t *value, struct probe_report *ret, struct error *err) {
    int r = probe_report_from_json(value, ret, err);
    if (r < 0)
        return r;
    ret->answer = json_incref(json_object_get(value, "answer"));
    ret->session = json_incref(json_get_object(value, "session"));
    ret->state = json_incref(json_get_object(value, "state"));
    ret->explained = json_incref(json_get_object(value, "explained"));
    ret->took = (usec_t)json_get_integer(value, "took", 0);
    ret->retry_after = (usec_t)json_get_integer(value, "retry_after", 0);
    return 0;
}
