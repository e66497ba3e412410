/*
 * Assets=: what an answer links to loads, and is what it should be. Two things are compared with the
 * baseline: how many there are, and whether they are all different; a release that serves one and the same
 * picture for every screenshot has lost the others.
 */

#include "probes/http.h"

#include <string.h>
#include <strings.h>

#include "probes/asset.h"
#include "probes/html.h"
#include "watchdog/base/digest.h"
#include "watchdog/base/json.h"

#define ASSETS_LIMIT 50

struct assets {
    struct http_look *http;
    struct judgement *judgement;
    struct probe_report *report;
    const char *base; /* the page's <base>, "" none */
    char **digests;   /* each once */
    size_t looked_at, scripts, odd;
    char *oddity; /* the first */
};

/* Relative to the request's URL, as a browser would take it. Owned by the caller, NULL: no URL. */
static char *absolute(const struct assets *assets, const char *link) {
    CURLU *url = curl_url();
    char *text = NULL, *copy = NULL;
    if (url && curl_url_set(url, CURLUPART_URL, assets->http->url, 0) == CURLUE_OK &&
        (!*assets->base || curl_url_set(url, CURLUPART_URL, assets->base, CURLU_URLENCODE) == CURLUE_OK) &&
        curl_url_set(url, CURLUPART_URL, link, CURLU_URLENCODE) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &text, 0) == CURLUE_OK)
        copy = xstrdup(text);
    curl_free(text);
    curl_url_cleanup(url);
    return copy;
}

/* RFC 6454: scheme, host and port. Owned by the caller; "" none. */
static char *origin_of(const char *text) {
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL;
    if (url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        origin = xasprintf("%s://%s:%s", scheme, host, port);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return origin ? origin : xstrdup("");
}

static bool is_same_origin(const struct assets *assets, const char *url) {
    _cleanup_free_ char *own = origin_of(assets->http->url), *other = origin_of(url);
    return strcasecmp(own, other) == 0;
}

static void remember(struct assets *assets, const struct http_answer *answer, char *odd) {
    char digest[DIGEST_TEXT_SIZE];
    digest_memory(answer->body.text, answer->body.size, digest);
    if (!strings_contain(assets->digests, digest))
        strings_append(&assets->digests, digest);
    assets->odd += odd != NULL;
    if (odd && !assets->oddity)
        assets->oddity = odd;
    else
        free(odd);
}

static void look_at(struct assets *assets, const char *url, const char *link, enum asset_kind kind) {
    struct http_look *http = assets->http;
    struct probe_report *report = assets->report;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *shown = secrets_excerpt(&http->secrets, link, strlen(link), 200);
    struct http_answer answer = { 0 };
    enum http_fault fault = http_transfer(http, url, &answer, &err);
    char *odd = NULL;
    _cleanup_free_ char *complaint = fault                  ? xstrdup(error_text(&err))
                                     : answer.status != 200 ? xasprintf("%ld, wanted 200", answer.status)
                                                            : NULL;
    bool is_status = complaint && !fault;
    if (!complaint &&
        (complaint = asset_complaint(kind, answer.type, answer.body.text, answer.body.size, &odd)))
        replace_string(complaint, xasprintf("200 %s", complaint));
    _cleanup_free_ char *words =
        complaint ? xasprintf("asset \"%s\" %s%s", shown, fault ? "" : "answered ", complaint) : NULL;
    if (fault == HTTP_FAULT_UNKNOWN || (is_status && answer.status == 429))
        probe_unknown(report, "%s", words);
    else if (complaint)
        probe_fail(report, "%s", words);
    if (complaint && !fault)
        report->evidence = secrets_excerpt(&http->secrets, answer.body.text, answer.body.size, 400);
    if (!complaint)
        remember(assets, &answer, odd ? xasprintf("asset \"%s\" %s", shown, odd) : NULL);
    if (assets->judgement->look->explain)
        probe_explain_append(report, "assets",
                             json_pack("{s:o, s:I, s:o, s:I, s:s}", "url", json_text_string(shown), "status",
                                       (json_int_t)answer.status, "type",
                                       json_text_string(answer.type ? answer.type : ""), "bytes",
                                       (json_int_t)answer.body.size, "outcome",
                                       complaint ? complaint
                                       : odd     ? odd
                                                 : "is well"));
    free(odd);
    http_answer_done(&answer);
}

/* One link of the list: [{"url", "kind"}]; a data: URL is there already. */
static void look_at_link(struct assets *assets, const json_t *link, bool is_page) {
    const char *text = json_get_string(link, "url", "");
    if (strncasecmp(text, "data:", strlen("data:")) == 0)
        return;
    _cleanup_free_ char *url = absolute(assets, text);
    _cleanup_free_ char *shown = secrets_excerpt(&assets->http->secrets, text, strlen(text), 200);
    if (!url && is_page)
        return; /* what browsers overlook */
    if (!url) {
        probe_fail(assets->report, "asset \"%s\" is no URL", shown);
        return;
    }
    /* fonts of another site are that site's matter */
    if (is_page && !is_same_origin(assets, url))
        return;
    const char *name = json_get_string(link, "kind", NULL);
    enum asset_kind kind = asset_kind_of(url);
    for (int other = ASSET_IMAGE; name && other <= ASSET_OTHER; other++)
        if (string_equal(asset_kind_name((enum asset_kind)other), name))
            kind = (enum asset_kind)other;
    assets->looked_at++;
    assets->scripts += kind == ASSET_SCRIPT;
    look_at(assets, url, text, kind);
}

/* What a jq program gave: one address after the other, or lists of them. New reference. */
static json_t *addresses_of(const json_t *values) {
    json_t *urls = json_array();
    size_t i;
    json_t *value;
    json_array_foreach(values, i, value) {
        if (json_is_array(value))
            json_array_extend(urls, value);
        else
            json_array_append(urls, value);
    }
    return urls;
}

/* What jq gave, as a list of links. Returns false when one is no text. */
static bool links_of_values(const struct assets *assets, const json_t *values, json_t *links) {
    _cleanup_json_ json_t *urls = addresses_of(values);
    size_t i;
    json_t *value;
    json_array_foreach(urls, i, value) {
        const char *text = json_string_value(value);
        if (json_is_null(value))
            continue; /* a member that this item does not have is no link */
        if (!text || !*text) {
            probe_fail(assets->report, "asset %zu of %zu is no text", i + 1, json_array_size(urls));
            return false;
        }
        json_array_append_new(links, json_pack("{s:O}", "url", value));
    }
    return true;
}

/* How many there were at the baseline of what @name counts. */
static size_t before(const struct assets *assets, const char *name) {
    return (size_t)json_get_integer(assets->judgement->look->baseline, name, 0);
}

static bool has_baseline(const struct assets *assets) {
    const struct probe_look *look = assets->judgement->look;
    return look->view->baseline && look->baseline && !look->view->is_baseline;
}

/* A page may be made of fewer files than before; a list of screenshots must not lose any. */
static bool judge_number(struct assets *assets, size_t count, bool is_page) {
    size_t had = has_baseline(assets) ? before(assets, "assets") : 0;
    json_object_set_new(assets->judgement->kept, "assets", json_integer((json_int_t)count));
    if (count == 0 && had > 0)
        return answer_failed(assets->judgement, "%s with no assets, the baseline had %zu",
                             assets->judgement->said, had);
    return is_page || count >= had ||
           answer_failed(assets->judgement, "%s with %zu assets, the baseline had %zu",
                         assets->judgement->said, count, had);
}

static bool judge_contents(struct assets *assets, bool is_page) {
    struct judgement *judgement = assets->judgement;
    size_t different = strings_count(assets->digests), looked_at = assets->looked_at;
    json_object_set_new(judgement->kept, "assets_looked_at", json_integer((json_int_t)looked_at));
    json_object_set_new(judgement->kept, "assets_different", json_integer((json_int_t)different));
    json_object_set_new(judgement->kept, "assets_odd", json_integer((json_int_t)assets->odd));
    json_object_set_new(judgement->kept, "scripts", json_integer((json_int_t)assets->scripts));
    if (!has_baseline(assets))
        return true;
    size_t had = before(assets, "assets_looked_at"), had_different = before(assets, "assets_different");
    if (assets->odd > before(assets, "assets_odd"))
        return answer_failed(judgement, "%s, but its %s", judgement->said, assets->oddity);
    if (looked_at > 1 && different == 1 && had_different > 1)
        return answer_failed(judgement,
                             "%s, but its %zu assets are all the same, at the baseline they were not",
                             judgement->said, looked_at);
    if (!is_page && looked_at > 1 && had > 1 && had_different == had && different < looked_at)
        return answer_failed(judgement,
                             "%s, but only %zu of its %zu assets are different, at the baseline all were",
                             judgement->said, different, looked_at);
    if (is_page && assets->scripts == 0 && before(assets, "scripts") > 0)
        return answer_failed(judgement, "%s without any script, the baseline had %zu", judgement->said,
                             before(assets, "scripts"));
    return true;
}

static void conclude(struct assets *assets, size_t count) {
    struct probe_report *report = assets->report;
    _cleanup_free_ char *so_far = xstrdup(report->sentence);
    json_object_set_new(report->measured, "assets", json_integer((json_int_t)count));
    json_object_set_new(report->measured, "assets_looked_at", json_integer((json_int_t)assets->looked_at));
    if (assets->looked_at < count)
        probe_pass(report, "%s, %zu of its %zu assets looked at load", so_far, assets->looked_at, count);
    else
        probe_pass(report, "%s, its %zu assets load", so_far, count);
}

static bool find_links(struct assets *assets, bool is_page, json_t *links, char **ret_base) {
    struct judgement *judgement = assets->judgement;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *values = NULL, *found = NULL;
    if (!is_page)
        return answer_jq(judgement, "Assets", assets->http->settings->assets, &values) &&
               links_of_values(assets, values, links);
    if (!judgement->is_html)
        return answer_failed(judgement, "%s with something that is no HTML page", judgement->said);
    if (html_links(judgement->text, judgement->size, &found, ret_base, &err) < 0)
        return answer_unknown(judgement, "Assets=", error_text(&err));
    json_array_extend(links, found);
    return true;
}

void http_assets(struct http_look *http, struct judgement *judgement) {
    const char *program = http->settings->assets;
    bool is_page = string_equal(program, HTTP_ASSETS_OF_PAGE);
    struct assets assets = { .http = http, .judgement = judgement, .report = judgement->report, .base = "" };
    _cleanup_json_ json_t *links = json_array();
    _cleanup_free_ char *base = NULL;
    if (!program || !find_links(&assets, is_page, links, &base))
        return;
    if (base)
        assets.base = base;
    size_t count = json_array_size(links);
    bool good = judge_number(&assets, count, is_page);
    for (size_t i = 0; good && i < count && assets.looked_at < ASSETS_LIMIT; i++) {
        look_at_link(&assets, json_array_get(links, i), is_page);
        good = judgement->report->result == PROBE_PASS;
    }
    if (good && judge_contents(&assets, is_page))
        conclude(&assets, count);
    strings_free(assets.digests);
    free(assets.oddity);
}
