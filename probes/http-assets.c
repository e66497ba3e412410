/* Assets=: what an answer links to loads, and is an image. */

#include "probes/http.h"

#include <string.h>
#include <strings.h>

#include "watchdog/base/json.h"

#define ASSETS_LIMIT 50

/* Relative to the request's URL, as a browser would take it. Owned by the caller, NULL: no URL. */
static char *absolute(const struct http_look *http, const char *link) {
    CURLU *url = curl_url();
    char *text = NULL, *copy = NULL;
    if (url && curl_url_set(url, CURLUPART_URL, http->url, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_URL, link, CURLU_URLENCODE) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK)
        copy = xstrdup(text);
    curl_free(text);
    curl_url_cleanup(url);
    return copy;
}

/* Why it is not a loaded image; NULL: it is. Owned by the caller. */
static char *complaint_about(const struct http_answer *answer) {
    if (answer->status != 200)
        return xasprintf("answered %ld, wanted 200", answer->status);
    if (answer->body.size == 0)
        return xstrdup("answered 200 with nothing in it");
    if (strncasecmp(answer->type, "image/", strlen("image/")) != 0)
        return xasprintf("answered 200 of the type \"%.60s\", wanted an image", answer->type);
    return NULL;
}

static void look_at(struct http_look *http, const char *link, struct probe_report *report) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *url = absolute(http, link);
    _cleanup_free_ char *shown = secrets_excerpt(&http->secrets, link, strlen(link), 200);
    struct http_answer answer = { 0 };
    if (!url) {
        probe_fail(report, "asset \"%s\" is no URL", shown);
        return;
    }
    enum http_fault fault = http_transfer(http, url, &answer, &err);
    _cleanup_free_ char *complaint = fault ? xstrdup(error_text(&err)) : complaint_about(&answer);
    if (fault == HTTP_FAULT_UNKNOWN || (complaint && answer.status == 429))
        probe_unknown(report, "asset \"%s\" %s", shown, complaint);
    else if (complaint)
        probe_fail(report, "asset \"%s\" %s", shown, complaint);
    if (complaint && !fault)
        report->evidence = secrets_excerpt(&http->secrets, answer.body.text, answer.body.size, 400);
    http_answer_done(&answer);
}

static void look_at_all(struct http_look *http, const json_t *urls, struct probe_report *report) {
    size_t looked_at = 0, count = json_array_size(urls);
    for (size_t i = 0; i < count && looked_at < ASSETS_LIMIT && report->result == PROBE_PASS; i++) {
        const char *link = json_string_value(json_array_get(urls, i));
        if (json_is_null(json_array_get(urls, i)))
            continue; /* a member that this item does not have is no link */
        looked_at++;
        if (!link || !*link)
            probe_fail(report, "asset %zu of %zu is no text", i + 1, count);
        else if (strncasecmp(link, "data:image/", strlen("data:image/")) != 0)
            look_at(http, link, report);
    }
    json_object_set_new(report->measured, "assets", json_integer((json_int_t)count));
    json_object_set_new(report->measured, "assets_looked_at", json_integer((json_int_t)looked_at));
    if (report->result != PROBE_PASS)
        return;
    _cleanup_free_ char *before = xstrdup(report->sentence);
    if (looked_at < count)
        probe_pass(report, "%s, %zu of its %zu assets looked at load", before, looked_at, count);
    else
        probe_pass(report, "%s, its %zu assets load", before, count);
}

void http_assets(struct http_look *http, struct judgement *judgement) {
    const char *program = http->settings->assets;
    _cleanup_json_ json_t *urls = NULL;
    if (!program || !answer_jq(judgement, "Assets", program, &urls))
        return;
    size_t before = (size_t)json_get_integer(judgement->look->baseline, "assets", 0);
    json_object_set_new(judgement->kept, "assets", json_integer((json_int_t)json_array_size(urls)));
    if (json_array_size(urls) == 0 && before > 0)
        answer_failed(judgement, "%s with no assets, the baseline had %zu", judgement->said, before);
    else
        look_at_all(http, urls, judgement->report);
}
