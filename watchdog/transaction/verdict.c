/* The verdict. See verdict.h, whose table's rows are named here. */

#include "watchdog/transaction/verdict.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define STEP_LONGEST (2 * USEC_PER_MINUTE)
#define LOOKS_FOR_SHARE 10
#define STAND_FACTOR 2
#define OVERTIME_FACTOR 3

struct verdict_counter {
    char *probe;
    unsigned in_row, fails, looks;
    char *sentence; /* of the latest fail: the share may be exceeded by a look that passed, the tenth */
};

const char *verdict_name(enum verdict verdict) {
    static const char *const names[] = {
        [VERDICT_WAIT] = "wait",           [VERDICT_FIRST_PASS] = "first-pass",
        [VERDICT_ROLL_BACK] = "roll-back", [VERDICT_ROLL_BACK_UNKNOWN] = "roll-back-unknown",
        [VERDICT_KEEP] = "keep",           [VERDICT_KEEP_TELL] = "keep-tell",
    };
    return names[verdict];
}

static void counters_clear(struct verdict_memory *memory) {
    for (size_t i = 0; i < memory->counters_count; i++) {
        free(memory->counters[i].probe);
        free(memory->counters[i].sentence);
    }
    free(memory->counters);
    memory->counters = NULL;
    memory->counters_count = 0;
}

void verdict_memory_done(struct verdict_memory *memory) {
    counters_clear(memory);
    *memory = (struct verdict_memory){ 0 };
}

void verdict_memory_restart(struct verdict_memory *memory) {
    memory->last = 0;
    memory->settled = false;
    memory->wrong = 0;
    if (!memory->first_pass)
        memory->used = memory->stood = memory->slowed = 0;
}

static struct verdict_counter *counter_of(struct verdict_memory *memory, const char *probe) {
    for (size_t i = 0; i < memory->counters_count; i++)
        if (string_equal(memory->counters[i].probe, probe))
            return &memory->counters[i];
    memory->counters = xrealloc(memory->counters, memory->counters_count + 1, sizeof(*memory->counters));
    memory->counters[memory->counters_count] =
        (struct verdict_counter){ .probe = xstrdup(probe), .sentence = xstrdup("") };
    return &memory->counters[memory->counters_count++];
}

json_t *verdict_memory_to_json(const struct verdict_memory *memory) {
    json_t *counters = json_object();
    for (size_t i = 0; i < memory->counters_count; i++)
        json_object_set_new(
            counters, memory->counters[i].probe,
            json_pack("{s:I, s:I, s:I, s:o}", "in_row", (json_int_t)memory->counters[i].in_row, "fails",
                      (json_int_t)memory->counters[i].fails, "looks", (json_int_t)memory->counters[i].looks,
                      "sentence", json_text_string(memory->counters[i].sentence)));
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:o}", "first_pass", memory->first_pass, "last",
                     (json_int_t)memory->last, "used", (json_int_t)memory->used, "stood",
                     (json_int_t)memory->stood, "slowed", (json_int_t)memory->slowed, "counters", counters);
}

static int read_number(const json_t *object, const char *key, json_int_t limit, usec_t *ret,
                       struct error *err) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > limit)
        return error_set(err, EBADMSG, "\"%s\" of the verdict's memory is no number from 0 to %lld", key,
                         (long long)limit);
    *ret = (usec_t)json_integer_value(value);
    return 0;
}

int verdict_memory_from_json(const json_t *value, struct verdict_memory *memory, struct error *err) {
    struct verdict_memory read = { 0 };
    const json_t *first_pass = json_object_get(value, "first_pass"), *counter;
    json_t *counters = json_get_object(value, "counters");
    const char *probe;
    int r = 0;
    if (!json_is_boolean(first_pass) || !counters)
        return error_set(err, EBADMSG, "the verdict's memory has no \"first_pass\" and \"counters\"");
    read.first_pass = json_is_true(first_pass);
    if ((r = read_number(value, "last", INT64_MAX, &read.last, err)) < 0 ||
        (r = read_number(value, "used", INT64_MAX, &read.used, err)) < 0 ||
        (r = read_number(value, "stood", INT64_MAX, &read.stood, err)) < 0)
        return r;
    if (json_object_get(value, "slowed") && /* since 0.1.0 */
        (r = read_number(value, "slowed", INT64_MAX, &read.slowed, err)) < 0)
        return r;
    json_object_foreach(counters, probe, counter) {
        usec_t in_row, fails, looks;
        if ((r = read_number(counter, "in_row", UINT32_MAX / 200, &in_row, err)) < 0 ||
            (r = read_number(counter, "fails", UINT32_MAX / 200, &fails, err)) < 0 ||
            (r = read_number(counter, "looks", UINT32_MAX / 200, &looks, err)) < 0) {
            counters_clear(&read);
            return r;
        }
        struct verdict_counter *at = counter_of(&read, probe);
        at->in_row = (unsigned)in_row;
        at->fails = (unsigned)fails;
        at->looks = (unsigned)looks;
        replace_string(at->sentence, xstrdup(json_get_string(counter, "sentence", "")));
    }
    verdict_memory_done(memory);
    *memory = read;
    return 0;
}

/* Row 18. */
static bool is_slowed_down(const struct probe_report *report, const struct verdict_host *host) {
    return report->result == PROBE_FAIL && report->slow && host && !host->trouble && host->busy;
}

/* Rows 1 and 18. */
static enum probe_result effective(const struct probe_report *report, const struct verdict_host *host) {
    bool excused = is_slowed_down(report, host) || (host && host->trouble);
    return excused && report->result == PROBE_FAIL ? PROBE_UNKNOWN : report->result;
}

struct picture {
    const struct probe_report *fatal, *failed, *unknown; /* the first of each that decides */
    bool decides;                                        /* there is a deciding probe at all */
    bool progress;                                       /* a migration is at work */
    const struct probe_report *slowed;                   /* the first that decides and is excused by row 18 */
    const struct probe_report *wrong;                    /* the first that decides and was answered wrongly */
    bool ready; /* row 19: one says that what is new has started, and none that it has not */
};

static struct picture look_at(const struct probe_report *reports, size_t count,
                              const struct verdict_host *host) {
    struct picture picture = { 0 };
    bool starting = false;
    for (size_t i = 0; i < count; i++) {
        picture.progress =
            picture.progress || (reports[i].progress && reports[i].looked && reports[i].result == PROBE_PASS);
        if (reports[i].advisory || reports[i].progress)
            continue;
        picture.decides = true;
        enum probe_result result = effective(&reports[i], host);
        if (result == PROBE_FAIL && reports[i].fatal && !picture.fatal)
            picture.fatal = &reports[i];
        if (result == PROBE_FAIL && !picture.failed)
            picture.failed = &reports[i];
        bool wrong = reports[i].answered && !reports[i].slow;
        if (result == PROBE_FAIL && wrong && !picture.wrong)
            picture.wrong = &reports[i];
        starting = starting || (result == PROBE_FAIL && !wrong);
        picture.ready = picture.ready || (result == PROBE_PASS && reports[i].ready);
        if (is_slowed_down(&reports[i], host) && !picture.slowed)
            picture.slowed = &reports[i];
        if (result != PROBE_FAIL && result != PROBE_PASS && !picture.unknown)
            picture.unknown = &reports[i];
    }
    picture.ready = picture.ready && !starting && !picture.progress;
    return picture;
}

static bool is_unknown(const struct picture *picture) {
    return picture->unknown || !picture->decides; /* row 2 */
}

static enum verdict end_with(enum verdict verdict, const char *probe, const char *sentence, char *detail,
                             char **ret_probe, char **ret_reason) {
    _cleanup_free_ char *owned = detail;
    *ret_probe = xstrdup(probe);
    *ret_reason = xasprintf("%s: %s%s", probe, sentence, owned ? owned : "");
    return verdict;
}

/* The same for a report; NULL stands for row 2, when there was none. */
static enum verdict end_with_report(enum verdict verdict, const struct probe_report *report, char *detail,
                                    char **ret_probe, char **ret_reason) {
    return end_with(verdict, report ? report->probe : "probes",
                    report && report->sentence ? report->sentence : "nothing was reported", detail, ret_probe,
                    ret_reason);
}

/* Row 19. The first step of those that it counts begins its clock. */
static bool is_settled_and_wrong(const struct verdict_rules *rules, struct verdict_memory *memory,
                                 const struct picture *picture, usec_t passed) {
    bool settled = picture->ready && picture->wrong;
    memory->wrong = settled && memory->settled ? memory->wrong + passed : 0;
    memory->settled = settled;
    return settled && rules->settle_time && memory->wrong >= rules->settle_time;
}

static enum verdict step_before_pass(const struct verdict_rules *rules, struct verdict_memory *memory,
                                     const struct picture *picture, usec_t passed, char **ret_probe,
                                     char **ret_reason) {
    if (!picture->failed && !is_unknown(picture)) {
        memory->first_pass = true;
        memory->used = memory->stood = memory->slowed = 0;
        counters_clear(memory);
        return VERDICT_FIRST_PASS;
    }
    char duration[DURATION_SIZE];
    if (is_settled_and_wrong(rules, memory, picture, passed)) {
        duration_format(duration, memory->wrong);
        return end_with_report(VERDICT_ROLL_BACK, picture->wrong,
                               xasprintf(" (for %s since it has started)", duration), ret_probe, ret_reason);
    }
    duration_format(duration, rules->start_timeout);
    if (picture->progress && memory->last < rules->progress_limit)
        memory->used = memory->stood = memory->slowed = 0; /* row 17 */
    else if (picture->failed)
        memory->used += passed;
    else
        memory->stood += passed;
    if (memory->used >= rules->start_timeout && picture->failed)
        return end_with_report(VERDICT_ROLL_BACK, picture->failed,
                               xasprintf(" (not passed within %s)", duration), ret_probe, ret_reason);
    if (memory->stood / STAND_FACTOR >= rules->start_timeout && !picture->failed)
        return end_with_report(VERDICT_ROLL_BACK_UNKNOWN, picture->unknown,
                               xasprintf(" (could not be looked at for %d times %s)", STAND_FACTOR, duration),
                               ret_probe, ret_reason);
    return VERDICT_WAIT;
}

/* Rows 10 and 11: the text of the rule that a probe broke, or NULL. */
static char *broken_rule(const struct verdict_rules *rules, const struct probe_report *report,
                         const struct verdict_counter *counter) {
    unsigned fail_after = report->fail_after ? report->fail_after : rules->fail_after ? rules->fail_after : 1;
    unsigned fail_share = report->fail_share ? report->fail_share : rules->fail_share;
    if (counter->in_row >= fail_after)
        return fail_after == 1 ? xstrdup("") : xasprintf(" (%u times in a row)", counter->in_row);
    if (counter->looks >= LOOKS_FOR_SHARE &&
        (uint64_t)counter->fails * 100 > (uint64_t)fail_share * counter->looks)
        return xasprintf(" (%u of %u looks, more than %u%%)", counter->fails, counter->looks, fail_share);
    return NULL;
}

static void count(struct verdict_counter *counter, const struct probe_report *report,
                  enum probe_result result) {
    if (result == PROBE_UNKNOWN)
        return;
    counter->looks++;
    counter->in_row = result == PROBE_FAIL ? counter->in_row + 1 : 0;
    if (result == PROBE_FAIL) {
        counter->fails++;
        replace_string(counter->sentence, xstrdup(report->sentence));
    }
}

/* Counts what is new. Returns the counter of a probe that broke a rule, and the rule's text; else NULL. */
static const struct verdict_counter *count_all(const struct verdict_rules *rules,
                                               struct verdict_memory *memory,
                                               const struct probe_report *reports, size_t reports_count,
                                               const struct verdict_host *host, char **ret_rule) {
    for (size_t i = 0; i < reports_count; i++) {
        if (reports[i].advisory || reports[i].progress || !reports[i].looked)
            continue;
        struct verdict_counter *counter = counter_of(memory, reports[i].probe);
        count(counter, &reports[i], effective(&reports[i], host));
        *ret_rule = broken_rule(rules, &reports[i], counter);
        if (*ret_rule)
            return counter;
    }
    return NULL;
}

/* Rows 13 and 20: each of the two has its own time, and both together have half as much again; then the
 * longer one counts. */
static enum verdict stood_too_long(const struct verdict_rules *rules, const struct verdict_memory *memory) {
    usec_t other = memory->stood > memory->slowed ? memory->stood - memory->slowed : 0;
    bool over = memory->slowed / STAND_FACTOR >= rules->duration || other / STAND_FACTOR >= rules->duration ||
                memory->stood / (STAND_FACTOR + 1) >= rules->duration;
    if (!over)
        return VERDICT_WAIT;
    return memory->slowed > 0 && memory->slowed >= other ? VERDICT_ROLL_BACK : VERDICT_KEEP_TELL;
}

static enum verdict step_in_window(const struct verdict_rules *rules, struct verdict_memory *memory,
                                   const struct probe_report *reports, size_t reports_count,
                                   const struct verdict_host *host, const struct picture *picture,
                                   usec_t passed, char **ret_probe, char **ret_reason) {
    char *rule = NULL;
    const struct verdict_counter *broke = count_all(rules, memory, reports, reports_count, host, &rule);
    if (broke)
        return end_with(VERDICT_ROLL_BACK, broke->probe, broke->sentence, rule, ret_probe, ret_reason);
    if (!is_unknown(picture))
        memory->used += passed;
    else
        memory->stood += passed;
    if (picture->slowed)
        memory->slowed += passed;
    enum verdict verdict = is_unknown(picture) ? stood_too_long(rules, memory) : VERDICT_WAIT;
    if (verdict != VERDICT_WAIT) {
        char duration[DURATION_SIZE];
        bool slow = verdict == VERDICT_ROLL_BACK;
        duration_format(duration, rules->duration);
        return end_with_report(
            verdict, slow && picture->slowed ? picture->slowed : picture->unknown,
            slow ? xasprintf(" (too slow for %s: the host is busy, but that does not explain it)",
                             duration_format(duration, memory->slowed))
                 : xasprintf(" (could not be looked at for %d times %s)", STAND_FACTOR, duration),
            ret_probe, ret_reason);
    }
    if (picture->failed && memory->used / OVERTIME_FACTOR >= rules->duration)
        return end_with_report(VERDICT_KEEP_TELL, picture->failed, xstrdup(" (at the end of the window)"),
                               ret_probe, ret_reason);
    bool over = memory->used >= rules->duration;
    return over && !picture->failed && !is_unknown(picture) ? VERDICT_KEEP : VERDICT_WAIT;
}

enum verdict verdict_step(const struct verdict_rules *rules, struct verdict_memory *memory,
                          const struct probe_report *reports, size_t reports_count,
                          const struct verdict_host *host, usec_t since_switch, char **ret_probe,
                          char **ret_reason) {
    *ret_probe = *ret_reason = NULL;
    usec_t passed = since_switch > memory->last ? since_switch - memory->last : 0;
    memory->last = since_switch;
    if (passed > STEP_LONGEST + rules->interval)
        passed = STEP_LONGEST;
    struct picture picture = look_at(reports, reports_count, host);
    if (picture.fatal)
        return end_with_report(VERDICT_ROLL_BACK, picture.fatal, NULL, ret_probe, ret_reason);
    if (!memory->first_pass)
        return step_before_pass(rules, memory, &picture, passed, ret_probe, ret_reason);
    return step_in_window(rules, memory, reports, reports_count, host, &picture, passed, ret_probe,
                          ret_reason);
}
