/* What an answer is worth. See answer.h. */

#include "probes/answer.h"

#include <errno.h>
#include <string.h>

#include "probes/capture.h"
#include "probes/comparison.h"
#include "probes/jq.h"
#include "probes/pattern.h"
#include "probes/version.h"
#include "probes/volatile.h"
#include "watchdog/base/json.h"

#define EVIDENCE_LIMIT 400
#define SIDES_SHOWN 120 /* bytes of both sides of an assertion */
/* Whatever the baseline's time: nobody feels less, and machines jitter. */
#define MAX_TIME_FLOOR (500 * USEC_PER_MSEC)

/* A machine that is busy with other things makes answers this much slower, not more, in times that a process
 * waits for its turn. */
#define BUSY_FACTOR 20
#define BUSY_FLOOR (3 * USEC_PER_SEC)

bool answer_is_only_slow(const struct probe_look *look, usec_t took) {
    json_int_t before = json_get_integer(look->baseline, "milliseconds", -1);
    usec_t longest = before < 0 ? took : (usec_t)before * USEC_PER_MSEC * BUSY_FACTOR;
    return took <= (longest > BUSY_FLOOR ? longest : BUSY_FLOOR);
}

static bool is_compared_with(const struct answer_settings *settings) {
    bool compares = settings->same && *settings->same != '~' && strstr(settings->same, "$baseline");
    for (char **program = settings->asserts; program && *program; program++)
        compares = compares || strstr(*program, "$baseline");
    return compares;
}

static bool needs_json(const struct judgement *judgement) {
    const struct answer_settings *settings = judgement->settings;
    bool needs = settings->asserts || (settings->same && *settings->same != '~') ||
                 (settings->version && *settings->version != '~');
    for (size_t i = 0; i < settings->captures.count; i++)
        needs = needs || settings->captures.list[i].from == ANSWER_JQ;
    return needs || judgement->wants_json;
}

static char *masked_text(const struct judgement *judgement, const char *text) {
    return secrets_mask(judgement->secrets, text, strlen(text));
}

bool answer_failed(struct judgement *judgement, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    _cleanup_free_ char *masked = masked_text(judgement, text);
    probe_fail(judgement->report, "%s %s", judgement->subject, masked);
    return false;
}

bool answer_unknown(struct judgement *judgement, const char *what, const char *why) {
    _cleanup_free_ char *masked = masked_text(judgement, why);
    probe_unknown(judgement->report, "%s %s: %s", judgement->subject, what, masked);
    return false;
}

/* What the baseline keeps is masked, so both sides are. New reference. */
static json_t *masked_copy(const struct judgement *judgement, const json_t *value) {
    _cleanup_free_ char *text = json_text(value);
    _cleanup_free_ char *masked = masked_text(judgement, text);
    json_t *copy = json_loads(masked, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    /* masking a number gives no JSON any more */
    return copy ? copy : json_string("***");
}

void answer_note(struct judgement *judgement, const char *key, const char *program, json_t *values,
                 const char *outcome) {
    if (judgement->look->explain) {
        json_t *note = json_pack("{s:s, s:o, s:o}", "key", key, "program", json_text_string(program),
                                 "outcome", json_text_string(outcome));
        if (values)
            json_object_set_new(note, "values", masked_copy(judgement, values));
        probe_explain_append(judgement->report, "judgement", note);
    }
    json_decref(values);
}

/* This look is one of the two or more that the baseline is made of, and not the first. */
static bool is_second_look(const struct judgement *judgement) {
    return judgement->look->view->is_baseline && judgement->look->baseline;
}

/* $baseline: what the baseline's answer was; at the baseline's first look, this answer. */
static const json_t *baseline_of(const struct judgement *judgement) {
    const struct probe_look *look = judgement->look;
    return look->view->baseline ? json_object_get(look->baseline, "json") : judgement->json;
}

static bool has_baseline(struct judgement *judgement) {
    if (!judgement->look->view->baseline || judgement->look->baseline)
        return true;
    return answer_unknown(judgement, "cannot be compared", "the baseline has no answer of this probe");
}

static json_t *volatile_of(const struct judgement *judgement, const char *member) {
    return json_object_get(json_object_get(judgement->look->baseline, "volatile"), member);
}

/* Remembers what differs between this look at the running release and the one before it. */
static void find_volatile(struct judgement *judgement, const char *member, const json_t *now) {
    const json_t *before = json_object_get(judgement->look->baseline, member);
    if (!is_second_look(judgement) || !before)
        return;
    json_t *paths = json_deep_copy(volatile_of(judgement, member));
    json_t *all = json_object_get(judgement->kept, "volatile");
    if (!paths)
        paths = json_array();
    if (!all) {
        all = json_object();
        json_object_set_new(judgement->kept, "volatile", all);
    }
    volatile_find(before, now, paths);
    json_object_set_new(all, member, paths);
}

void answer_begin(struct judgement *judgement, json_t *captures) {
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct answer_settings *settings = judgement->settings;
    if (!judgement->json && needs_json(judgement) &&
        json_parse(judgement->text, judgement->size, "the answer", &judgement->json, &err) < 0)
        judgement->json_error = xstrdup(error_text(&err));
    capture_all(judgement, captures);
    json_int_t milliseconds = (json_int_t)(judgement->took / USEC_PER_MSEC),
               before = json_get_integer(judgement->look->baseline, "milliseconds", 0);
    judgement->kept = json_object();
    json_object_set_new(
        judgement->kept, "milliseconds",
        json_integer(is_second_look(judgement) && before > milliseconds ? before : milliseconds));
    if (settings->same || settings->version || settings->max_time.factor > 0 || is_compared_with(settings))
        json_object_set_new(judgement->kept, "compared", json_true());
    if (is_second_look(judgement))
        json_object_set_new(judgement->kept, "again", json_true());
    if (is_compared_with(settings) && judgement->json) {
        json_t *masked = masked_copy(judgement, judgement->json);
        find_volatile(judgement, "json", masked);
        json_object_set_new(judgement->kept, "json", masked);
    }
}

static bool judge_patterns(struct judgement *judgement, char **patterns, bool wanted) {
    const char *key = wanted ? "Match" : "NoMatch";
    for (; patterns && *patterns; patterns++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_pattern_ struct pattern *pattern = NULL;
        int r = pattern_new(*patterns, &pattern, &err);
        r = r < 0 ? r : pattern_match(pattern, judgement->text, judgement->size, &err);
        answer_note(judgement, key, *patterns, NULL,
                    r < 0 ? error_text(&err)
                    : r   ? "matches"
                          : "does not match");
        if (r < 0)
            return answer_unknown(judgement, wanted ? "Match=" : "NoMatch=", error_text(&err));
        if (r != wanted)
            return answer_failed(judgement, "%s with %s that %s \"%s\"", judgement->said, judgement->what,
                                 wanted ? "does not match" : "matches", *patterns);
    }
    return true;
}

/* Over @input instead of the answer. */
static bool run_jq(struct judgement *judgement, const char *key, const char *program, const json_t *input,
                   json_t **ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *what = xasprintf("%s=", key);
    if (strstr(program, "$baseline") && !has_baseline(judgement))
        return false;
    int r = jq_run(judgement->settings->prepared, program, input, baseline_of(judgement), ret, &err);
    if (r < 0)
        answer_note(judgement, key, program, NULL, error_text(&err));
    if (r == -EDOM)
        return answer_failed(judgement, "answered what %s=%s ends on with \"%s\"", key, program,
                             error_text(&err));
    return r < 0 ? answer_unknown(judgement, what, error_text(&err)) : true;
}

bool answer_jq(struct judgement *judgement, const char *key, const char *program, json_t **ret) {
    return run_jq(judgement, key, program, judgement->json, ret);
}

static bool is_true(const json_t *values) {
    bool holds = json_array_size(values) > 0;
    const json_t *value;
    size_t i;
    json_array_foreach(values, i, value) holds = holds && !json_is_null(value) && !json_is_false(value);
    return holds;
}

/*
 * An assertion that compares with $baseline and does not hold may stumble over what changes by itself. Where
 * it did so between two looks at the running release, what is volatile counts as unchanged, for this
 * assertion alone: one that held then (`.rows >= $baseline.rows`) is held to its word.
 */
static bool holds_settled(struct judgement *judgement, const char *program) {
    const json_t *kept = json_object_get(judgement->kept, "volatile");
    const json_t *paths =
        is_second_look(judgement) ? json_object_get(kept, "json") : volatile_of(judgement, "json");
    json_t *loose = json_object_get(judgement->look->baseline, "loose");
    _cleanup_json_ json_t *values = NULL, *name = json_text_string(program);
    if (!judgement->look->baseline || !strstr(program, "$baseline") || json_array_size(paths) == 0)
        return false;
    if (!is_second_look(judgement) && !volatile_has(loose, name))
        return false;
    _cleanup_json_ json_t *settled = volatile_settled(judgement->json, baseline_of(judgement), paths);
    if (jq_run(judgement->settings->prepared, program, settled, baseline_of(judgement), &values, NULL) < 0 ||
        !is_true(values))
        return false;
    loose = json_object_get(judgement->kept, "loose");
    if (!loose) {
        loose = json_array();
        json_object_set_new(judgement->kept, "loose", loose);
    }
    json_array_append(loose, name);
    return true;
}

/* ": 24 >= 25" where a program that does not hold compares two plain values; else "". Owned by the caller. */
static char *sides_of(const struct judgement *judgement, const char *program) {
    _cleanup_json_ json_t *values = NULL;
    _cleanup_free_ char *sides = NULL;
    char operator[COMPARISON_OPERATOR_SIZE];
    if (!comparison_split(program, &sides, operator) ||
        jq_run(judgement->settings->prepared, sides, judgement->json, baseline_of(judgement), &values, NULL) <
            0 ||
        json_array_size(values) != 1)
        return xstrdup("");
    const json_t *left = json_array_get(json_array_get(values, 0), 0),
                 *right = json_array_get(json_array_get(values, 0), 1);
    if (!left || json_is_array(left) || json_is_object(left) || !right || json_is_array(right) ||
        json_is_object(right))
        return xstrdup("");
    _cleanup_free_ char *one = json_text(left), *other = json_text(right);
    /* no text is cut: half of a secret would not be masked */
    return strlen(one) + strlen(other) > SIDES_SHOWN ? xstrdup("")
                                                     : xasprintf(": %s %s %s", one, operator, other);
}

static bool judge_assert(struct judgement *judgement, const char *program) {
    _cleanup_json_ json_t *values = NULL;
    if (!answer_jq(judgement, "Assert", program, &values))
        return false;
    bool holds = is_true(values), settled = !holds && holds_settled(judgement, program);
    answer_note(judgement, "Assert", program, json_incref(values),
                holds     ? "holds"
                : settled ? "holds, but for what changes by itself"
                          : "does not hold");
    if (holds || settled)
        return true;
    _cleanup_free_ char *sides = sides_of(judgement, program);
    return answer_failed(judgement, "%s, but Assert=%s does not hold%s", judgement->said, program, sides);
}

/* What is another value in each look at one release says nothing about another release. */
static bool is_comparable(struct judgement *judgement, const json_t *same) {
    const json_t *paths = json_object_get(json_object_get(judgement->kept, "volatile"), "same");
    bool any = json_array_size(same) == 0;
    size_t i;
    const json_t *value;
    _cleanup_json_ json_t *root = json_array();
    json_array_foreach(same, i, value) {
        bool nests = json_is_object(value) || json_is_array(value);
        _cleanup_json_ json_t *path = json_pack("[o]", nests ? json_null() : json_integer((json_int_t)i));
        any = any || !volatile_has(paths, path);
    }
    return any && !volatile_has(paths, root);
}

/* Of Same=~PATTERN, the list of all that it finds, as the one value that a jq program would give. One that
 * finds nothing compares nothing. */
static bool same_of_pattern(struct judgement *judgement, const char *source, json_t **ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *found = json_array();
    int r = capture_all_by_pattern(judgement, source, found, &err);
    if (r < 0)
        return answer_unknown(judgement, "Same=", error_text(&err));
    if (json_array_size(found) == 0)
        return answer_failed(judgement, "%s with %s that does not match \"%s\"", judgement->said,
                             judgement->what, source);
    *ret = json_pack("[O]", found);
    return true;
}

static bool judge_same(struct judgement *judgement) {
    const char *program = judgement->settings->same;
    _cleanup_json_ json_t *values = NULL;
    _cleanup_free_ char *where = NULL;
    if (!program)
        return true;
    if (*program == '~' ? !same_of_pattern(judgement, program + 1, &values)
                        : !answer_jq(judgement, "Same", program, &values))
        return false;
    json_t *same = masked_copy(judgement, values);
    json_object_set_new(judgement->kept, "same", same);
    find_volatile(judgement, "same", same);
    if (!judgement->look->view->baseline) {
        answer_note(judgement, "Same", program, json_incref(same), "is kept to be compared with");
        return true;
    }
    if (!has_baseline(judgement))
        return false;
    if (is_second_look(judgement)) {
        bool comparable = is_comparable(judgement, same);
        answer_note(judgement, "Same", program, json_incref(same),
                    comparable ? "can be compared" : "is another value in each look");
        return comparable || answer_unknown(judgement, "cannot be compared",
                                            "Same= gives another value in each look at the running release");
    }
    bool is_same = volatile_same(json_object_get(judgement->look->baseline, "same"), same,
                                 volatile_of(judgement, "same"), &where);
    answer_note(judgement, "Same", program, json_incref(same), is_same ? "is as at the baseline" : where);
    /* the place of Same='s first value says nothing */
    const char *place = where && string_starts_with(where, ".[0]") ? where + 4 : where;
    return is_same || answer_failed(judgement, "%s, but Same=%s is not what it was at the baseline: %s%s",
                                    judgement->said, program, *place == ' ' ? "it" : "", place);
}

static bool judge_time(struct judgement *judgement) {
    const struct answer_time *limit = &judgement->settings->max_time;
    usec_t longest = limit->fixed;
    char took[DURATION_SIZE], allowed[DURATION_SIZE];
    if (!limit->text)
        return true;
    if (limit->factor > 0) {
        json_int_t before = json_get_integer(judgement->look->baseline, "milliseconds", -1);
        if (!has_baseline(judgement))
            return false;
        /* the baseline measures, it has nothing to compare with */
        if (before < 0 || judgement->look->view->is_baseline)
            return true;
        double microseconds = limit->factor * (double)before * (double)USEC_PER_MSEC;
        longest = microseconds > (double)MAX_TIME_FLOOR ? (usec_t)microseconds : MAX_TIME_FLOOR;
    }
    duration_format(took, judgement->took);
    duration_format(allowed, longest);
    answer_note(judgement, "MaxTime", limit->text, NULL,
                judgement->took > longest ? "took longer" : "in time");
    if (judgement->took <= longest)
        return true;
    judgement->report->slow = answer_is_only_slow(judgement->look, judgement->took);
    return answer_failed(judgement, "%s after %s, MaxTime=%s allows %s", judgement->said, took, limit->text,
                         allowed);
}

bool answer_judge(struct judgement *judgement) {
    const struct answer_settings *settings = judgement->settings;
    if (!judge_patterns(judgement, settings->match, true) ||
        !judge_patterns(judgement, settings->no_match, false))
        return false;
    if (judgement->json_error)
        return answer_failed(judgement, "%s: %s", judgement->said, judgement->json_error);
    for (char **program = settings->asserts; program && *program; program++)
        if (!judge_assert(judgement, *program))
            return false;
    if (judgement->missing && judgement->was_stopped)
        return answer_unknown(judgement, "Capture=", judgement->missing);
    if (judgement->missing)
        return answer_failed(judgement, "%s, but Capture=%s", judgement->said, judgement->missing);
    if (!version_judge(judgement) || !judge_same(judgement) || !judge_time(judgement))
        return false;
    _cleanup_free_ char *masked = masked_text(judgement, judgement->said);
    probe_pass(judgement->report, "%s %s", judgement->subject, masked);
    return true;
}

/* What the comparison with the running release is made of. */
static void explain_baseline(struct judgement *judgement) {
    const json_t *paths = json_object_get(json_object_get(judgement->kept, "volatile"),
                                          judgement->settings->same ? "same" : "json"),
                 *path;
    json_t *shown = json_array();
    size_t i;
    json_array_foreach(paths, i, path) {
        _cleanup_free_ char *text = volatile_show(path);
        /* the place of Same='s value says nothing */
        bool first = string_starts_with(text, ".[0].") || string_equal(text, ".[0]");
        bool each = string_starts_with(text, ".[].") && judgement->settings->same;
        json_array_append_new(shown, json_text_string(first ? text + 4 : each ? text + 3 : text));
    }
    if (is_second_look(judgement))
        probe_explain(judgement->report, "baseline",
                      json_pack("{s:I, s:o}", "milliseconds",
                                json_get_integer(judgement->look->baseline, "milliseconds", 0),
                                "changes by itself", shown));
    else
        json_decref(shown);
}

void answer_end(struct judgement *judgement) {
    struct probe_report *report = judgement->report;
    if (judgement->look->explain)
        explain_baseline(judgement);
    report->answer = take_ptr(judgement->kept);
    /* What passed needs no evidence, and its answer may hold secrets that nobody named. */
    if (report->result != PROBE_PASS && !report->evidence)
        report->evidence =
            secrets_excerpt(judgement->secrets, judgement->text, judgement->size, EVIDENCE_LIMIT);
    json_decref(judgement->json);
    free(judgement->json_error);
    free(judgement->missing);
    free(judgement->subject);
    free(judgement->said);
}
