/* What an answer is worth: status, patterns, jq, the baseline. */

#include "probes/http.h"

#include <errno.h>
#include <string.h>

#include "probes/jq.h"
#include "probes/pattern.h"
#include "watchdog/base/json.h"

#define EVIDENCE_LIMIT 400
#define CAPTURE_LIMIT ((size_t)64 * 1024)
#define RETRY_AFTER_DEFAULT (30 * USEC_PER_SEC)

struct judgement {
    struct http_look *http;
    const struct http_answer *answer;
    struct probe_report *report;
    json_t *json;     /* the answer parsed; NULL: it is no JSON */
    char *json_error; /* why */
};

/* "GET /api/projects": with names of values, not the values. */
static char *request_of(const struct http_look *http) {
    return xasprintf("%s %s", http->settings->method, http->settings->target);
}

static bool failed(struct judgement *judgement, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns false, for callers to return with. */
static bool failed(struct judgement *judgement, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    _cleanup_free_ char *masked = secrets_mask(&judgement->http->secrets, text, strlen(text));
    _cleanup_free_ char *request = request_of(judgement->http);
    probe_fail(judgement->report, "%s %s", request, masked);
    return false;
}

static bool unknown(struct judgement *judgement, const char *what, const char *why) {
    _cleanup_free_ char *request = request_of(judgement->http);
    probe_unknown(judgement->report, "%s %s: %s", request, what, why);
    return false;
}

static bool needs_json(const struct http_settings *settings) {
    for (size_t i = 0; i < settings->captures.count; i++)
        if (!settings->captures.list[i].is_pattern)
            return true;
    return settings->asserts || settings->same || settings->assets;
}

static void parse(struct judgement *judgement) {
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct buffer *body = &judgement->answer->body;
    if (needs_json(judgement->http->settings) &&
        json_parse(body->text, body->size, "the answer", &judgement->json, &err) < 0)
        judgement->json_error = xstrdup(error_text(&err));
}

/* A captured value goes into headers, URLs and forms. */
static const char *bad_value(const char *value, size_t size) {
    if (size == 0)
        return "is empty";
    if (size > CAPTURE_LIMIT)
        return "is longer than 64 KiB";
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F)
            return "has a control character";
    return NULL;
}

/* A string is taken as it is, a number or boolean as JSON writes it. Owned by the caller, NULL: neither. */
static char *text_of(const json_t *value) {
    if (json_is_string(value))
        return json_string_length(value) == strlen(json_string_value(value))
                   ? xstrdup(json_string_value(value))
                   : NULL;
    return json_is_number(value) || json_is_boolean(value) ? json_text(value) : NULL;
}

/* Returns 1 with the value, 0 when the answer has none, or -errno. */
static int capture_one(struct judgement *judgement, const struct http_capture *capture, char **ret,
                       struct error *err) {
    const struct buffer *body = &judgement->answer->body;
    size_t size;
    if (capture->is_pattern) {
        _cleanup_pattern_ struct pattern *pattern = NULL;
        int r = pattern_new(capture->source, &pattern, err);
        r = r < 0 ? r : pattern_capture(pattern, body->text, body->size, ret, &size, err);
        if (r > 0 && strlen(*ret) != size)
            return error_set(err, EDOM, "has a NUL byte");
        return r;
    }
    _cleanup_json_ json_t *values = NULL;
    if (!judgement->json)
        return 0;
    int r = jq_run(capture->source, judgement->json, judgement->json, &values, err);
    *ret = r == 0 ? text_of(json_array_get(values, 0)) : NULL;
    return r < 0 ? r : *ret != NULL;
}

/* Before anything is said about the answer, so that what is said can be masked. What could not be captured is
 * a failure only when the rest is in order. */
static void capture_all(struct judgement *judgement, json_t *captures, char **ret_missing) {
    const struct http_settings *settings = judgement->http->settings;
    for (size_t i = 0; i < settings->captures.count; i++) {
        const struct http_capture *capture = &settings->captures.list[i];
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *value = NULL;
        int r = capture_one(judgement, capture, &value, &err);
        const char *bad = r > 0    ? bad_value(value, strlen(value))
                          : r == 0 ? "is not there"
                                   : error_text(&err);
        if (r > 0)
            secrets_add(&judgement->http->secrets, value);
        if (r > 0 && !bad)
            json_object_set_new(captures, capture->name, json_text_string(value));
        else if (!*ret_missing)
            *ret_missing = xasprintf("%s: %s", capture->name, bad);
    }
}

static bool judge_status(struct judgement *judgement) {
    const struct http_answer *answer = judgement->answer;
    const struct http_settings *settings = judgement->http->settings;
    if (http_status_wanted(settings, answer->status))
        return true;
    if (answer->status == 429) {
        judgement->report->retry_after = answer->retry_after ? answer->retry_after : RETRY_AFTER_DEFAULT;
        _cleanup_free_ char *request = request_of(judgement->http);
        probe_unknown(judgement->report, "%s answered 429: too many requests", request);
        return false;
    }
    return failed(judgement, "answered %ld%s%s, wanted %s", answer->status, *answer->location ? " to " : "",
                  answer->location, settings->status.text);
}

static bool judge_patterns(struct judgement *judgement, char **patterns, bool wanted) {
    const struct buffer *body = &judgement->answer->body;
    for (; patterns && *patterns; patterns++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_pattern_ struct pattern *pattern = NULL;
        int r = pattern_new(*patterns, &pattern, &err);
        r = r < 0 ? r : pattern_match(pattern, body->text, body->size, &err);
        if (r < 0)
            return unknown(judgement, wanted ? "Match=" : "NoMatch=", error_text(&err));
        if (r != wanted)
            return failed(judgement, "answered %ld with a body that %s \"%s\"", judgement->answer->status,
                          wanted ? "does not match" : "matches", *patterns);
    }
    return true;
}

/* $baseline: what the baseline's answer was; at the baseline itself, this answer. */
static const json_t *baseline_of(const struct judgement *judgement) {
    const struct probe_look *look = judgement->http->look;
    return look->view->baseline ? json_object_get(look->baseline, "json") : judgement->json;
}

static bool has_baseline(struct judgement *judgement) {
    if (!judgement->http->look->view->baseline || judgement->http->look->baseline)
        return true;
    return unknown(judgement, "cannot be compared", "the baseline has no answer of this probe");
}

static bool judge_assert(struct judgement *judgement, const char *program) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *values = NULL;
    if (strstr(program, "$baseline") && !has_baseline(judgement))
        return false;
    int r = jq_run(program, judgement->json, baseline_of(judgement), &values, &err);
    if (r == -EDOM)
        return failed(judgement, "answered what Assert=%s ends on with \"%s\"", program, error_text(&err));
    if (r < 0)
        return unknown(judgement, "Assert=", error_text(&err));
    bool holds = json_array_size(values) > 0;
    const json_t *value;
    size_t i;
    json_array_foreach(values, i, value) holds = holds && !json_is_null(value) && !json_is_false(value);
    return holds ||
           failed(judgement, "answered %ld, but Assert=%s does not hold", judgement->answer->status, program);
}

/* What the baseline keeps is masked, so both sides are. New reference. */
static json_t *masked_copy(const struct judgement *judgement, const json_t *value) {
    _cleanup_free_ char *text = json_text(value);
    _cleanup_free_ char *masked = secrets_mask(&judgement->http->secrets, text, strlen(text));
    json_t *copy = json_loads(masked, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    /* masking a number gives no JSON any more */
    return copy ? copy : json_string("***");
}

static bool judge_same(struct judgement *judgement, json_t *kept) {
    const struct http_settings *settings = judgement->http->settings;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *values = NULL;
    if (!settings->same)
        return true;
    int r = jq_run(settings->same, judgement->json, baseline_of(judgement), &values, &err);
    if (r == -EDOM)
        return failed(judgement, "answered what Same=%s ends on with \"%s\"", settings->same,
                      error_text(&err));
    if (r < 0)
        return unknown(judgement, "Same=", error_text(&err));
    json_t *same = masked_copy(judgement, values);
    json_object_set_new(kept, "same", same);
    if (!judgement->http->look->view->baseline)
        return true;
    if (!has_baseline(judgement))
        return false;
    return json_equal(same, json_object_get(judgement->http->look->baseline, "same")) ||
           failed(judgement, "answered %ld, but Same=%s is not what it was at the baseline",
                  judgement->answer->status, settings->same);
}

/* What later looks are compared with: only what the settings ask for. */
static json_t *keep(struct judgement *judgement) {
    const struct http_settings *settings = judgement->http->settings;
    json_t *kept = json_pack("{s:I, s:I}", "status", (json_int_t)judgement->answer->status, "milliseconds",
                             (json_int_t)(judgement->answer->took / USEC_PER_MSEC));
    bool compares = false;
    for (char **program = settings->asserts; program && *program; program++)
        compares = compares || strstr(*program, "$baseline");
    compares = compares || (settings->same && strstr(settings->same, "$baseline")) ||
               (settings->assets && strstr(settings->assets, "$baseline"));
    if (compares && judgement->json)
        json_object_set_new(kept, "json", masked_copy(judgement, judgement->json));
    return kept;
}

static bool judge_assets(struct judgement *judgement, json_t *kept) {
    const struct http_settings *settings = judgement->http->settings;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *urls = NULL;
    if (!settings->assets)
        return true;
    int r = jq_run(settings->assets, judgement->json, baseline_of(judgement), &urls, &err);
    if (r == -EDOM)
        return failed(judgement, "answered what Assets=%s ends on with \"%s\"", settings->assets,
                      error_text(&err));
    if (r < 0)
        return unknown(judgement, "Assets=", error_text(&err));
    size_t before = (size_t)json_get_integer(judgement->http->look->baseline, "assets", 0);
    json_object_set_new(kept, "assets", json_integer((json_int_t)json_array_size(urls)));
    if (json_array_size(urls) == 0 && before > 0)
        return failed(judgement, "answered %ld with no assets, the baseline had %zu",
                      judgement->answer->status, before);
    http_assets(judgement->http, urls, judgement->report);
    return judgement->report->result == PROBE_PASS;
}

static bool judge_all(struct judgement *judgement, const char *missing, json_t *kept) {
    const struct http_settings *settings = judgement->http->settings;
    if (!judge_status(judgement) || !judge_patterns(judgement, settings->match, true) ||
        !judge_patterns(judgement, settings->no_match, false))
        return false;
    if (judgement->json_error)
        return failed(judgement, "answered %ld: %s", judgement->answer->status, judgement->json_error);
    for (char **program = settings->asserts; program && *program; program++)
        if (!judge_assert(judgement, *program))
            return false;
    if (missing)
        return failed(judgement, "answered %ld, but Capture=%s", judgement->answer->status, missing);
    if (!judge_same(judgement, kept))
        return false;
    _cleanup_free_ char *request = request_of(judgement->http);
    probe_pass(judgement->report, "%s answered %ld", request, judgement->answer->status);
    return judge_assets(judgement, kept);
}

void http_judge(struct http_look *http, const struct http_answer *answer, json_t *captures,
                struct probe_report *report) {
    struct judgement judgement = { .http = http, .answer = answer, .report = report };
    _cleanup_free_ char *missing = NULL;
    parse(&judgement);
    capture_all(&judgement, captures, &missing);
    json_t *kept = keep(&judgement);
    report->measured =
        json_pack("{s:I, s:I, s:I}", "status", (json_int_t)answer->status, "milliseconds",
                  (json_int_t)(answer->took / USEC_PER_MSEC), "bytes", (json_int_t)answer->body.size);
    bool passed = judge_all(&judgement, missing, kept);
    report->answer = kept;
    /* What passed needs no evidence, and its body may hold secrets that nobody named. */
    if (!passed && !report->evidence)
        report->evidence =
            secrets_excerpt(&http->secrets, answer->body.text, answer->body.size, EVIDENCE_LIMIT);
    json_decref(judgement.json);
    free(judgement.json_error);
}
