/* Kind=http: a request, and what its answer must be. See http.h for the parts. */

#include "probes/http.h"

#include <errno.h>
#include <string.h>

#include "probes/docker.h"
#include "probes/jq.h"
#include "probes/keys.h"
#include "probes/set.h"
#include "watchdog/base/json.h"
#include "watchdog/config/settings.h"

#define BODY_LIMIT ((size_t)8 * 1024 * 1024)
#define PAUSE_LONGEST USEC_PER_MINUTE
#define BODY_LIMIT_LARGEST ((size_t)64 * 1024 * 1024)

static void load_session(struct http_look *http) {
    const char *name;
    const json_t *value;
    size_t i;
    json_object_foreach((json_t *)http->look->captures, name, value)
        secrets_add(&http->secrets, json_string_value(value));
    json_array_foreach(http->look->cookies, i, value) {
        const char *line = json_string_value(value), *tab = line ? strrchr(line, '\t') : NULL;
        curl_easy_setopt(http->curl, CURLOPT_COOKIELIST, line);
        if (tab)
            secrets_add(&http->secrets, tab + 1);
    }
}

/* All cookies, as lines in Netscape's format: domain, subdomains, path, secure, expires, name, value. */
static json_t *save_cookies(struct http_look *http) {
    json_t *cookies = json_array();
    struct curl_slist *list = NULL;
    curl_easy_getinfo(http->curl, CURLINFO_COOKIELIST, &list);
    for (const struct curl_slist *at = list; at; at = at->next) {
        const char *tab = strrchr(at->data, '\t');
        if (tab)
            secrets_add(&http->secrets, tab + 1);
        json_array_append_new(cookies, json_text_string(at->data));
    }
    curl_slist_free_all(list);
    return cookies;
}

static void give_up(const struct http_look *http, enum http_fault fault, const struct error *err,
                    struct probe_report *report) {
    _cleanup_free_ char *words = secrets_mask(&http->secrets, error_text(err), strlen(error_text(err)));
    report->slow = fault == HTTP_FAULT_APPLICATION && err->number == ETIMEDOUT &&
                   answer_is_only_slow(http->look, http->look->probe->timeout);
    if (fault == HTTP_FAULT_APPLICATION)
        probe_fail(report, "%s %s: %s", http->settings->method, http->settings->target, words);
    else
        probe_unknown(report, "%s %s: %s", http->settings->method, http->settings->target, words);
}

/* An attempt that the application may count, as against an account: not one that found nobody yet, or a proxy
 * that did. */
static bool may_be_counted(long status) {
    return status < 500 && status != 404 && status != 405 && status != 408;
}

/* Every= says that the request is dear, as a login is that trips a rate limit or locks an account: while it
 * is refused, it is asked again ever more rarely. One that is not answered costs nobody anything. */
static void slow_down(const struct probe_look *look, long status, struct probe_report *report) {
    const usec_t interval = look->view->settings->watch.interval;
    json_int_t fails = json_get_integer(look->state, "fails", 0);
    usec_t pause = interval << (fails < 5 ? fails : 5);
    bool failed = report->result == PROBE_FAIL && may_be_counted(status);
    if (!report->state)
        report->state = json_object();
    json_object_set_new(report->state, "fails", json_integer(failed ? fails + 1 : 0));
    if (!failed || look->probe->every == 0)
        return;
    if (pause > PAUSE_LONGEST)
        pause = PAUSE_LONGEST;
    report->retry_after = pause < look->probe->every ? pause : look->probe->every;
}

static void run(const struct probe_look *look, struct probe_report *report) {
    _cleanup_error_ struct error err = ERROR_NONE;
    struct http_look http = { .look = look,
                              .settings = look->probe->settings,
                              .secrets = { .credentials = look->credentials, .captures = look->captures },
                              .curl = curl_easy_init() };
    if (!http.curl)
        abort();
    curl_easy_setopt(http.curl, CURLOPT_COOKIEFILE, "");
    load_session(&http);
    struct http_answer answer = { 0 };
    enum http_fault fault = http_url(&http, &err) < 0 ? HTTP_FAULT_UNKNOWN : http_route(&http, &err);
    if (!fault)
        fault = http_transfer(&http, NULL, &answer, &err);
    if (look->explain)
        http_explain_request(&http, report);
    if (fault) {
        give_up(&http, fault, &err, report);
    } else {
        json_t *captures = json_object(), *cookies = save_cookies(&http);
        http_judge(&http, &answer, cookies, captures, report);
        slow_down(look, answer.status, report);
        if (look->explain)
            http_explain_answer(&http, &answer, report);
        report->session = json_pack("{s:o, s:o}", "captures", captures, "cookies", cookies);
    }
    http_answer_done(&answer);
    curl_easy_cleanup(http.curl);
    secrets_done(&http.secrets);
    strings_free(http.connect_to);
    strings_free(http.own_hosts);
    free(http.url);
}

static void init(void *settings) {
    struct http_settings *own = settings;
    own->max_body = BODY_LIMIT;
    key_status("200-299", own, NULL);
}

static int check(const struct probe *probe, const struct probe_set *set, const struct settings *settings,
                 struct error *err) {
    (void)set;
    const struct http_settings *own = probe->settings;
    if (*own->target == '/' && !settings->application.base_url)
        return error_set(err, EINVAL, "Request=: expected a full URL, or BaseUrl= in [App]");
    if (own->json && own->forms)
        return error_set(err, EINVAL, "expected Json= or Form=, not both");
    if ((own->json || own->forms) && (string_equal(own->method, "GET") || string_equal(own->method, "HEAD")))
        return error_set(err, EINVAL,
                         "Request=: expected a method that can have a body, such as POST, not %s",
                         own->method);
    if (answer_check(&own->judge, true, settings, err) < 0)
        return -EINVAL;
    if (own->ca && own->insecure)
        return error_set(err, EINVAL, "expected Ca= or Insecure=yes, not both");
    if (own->ca && *own->ca != '/')
        return error_set(err, EINVAL, "Ca=: expected an absolute path");
    if (own->max_body > BODY_LIMIT_LARGEST)
        return error_set(err, EINVAL, "MaxBody=: expected at most 64M");
    return 0;
}

static void placeholders(const struct probe *probe, char ***names) {
    const struct http_settings *own = probe->settings;
    placeholders_names(own->target, names);
    for (char **header = own->headers; header && *header; header++)
        placeholders_names(*header, names);
    for (char **form = own->forms; form && *form; form++)
        placeholders_names(*form, names);
    if (own->json)
        placeholders_names(own->json, names);
}

static void captures(const struct probe *probe, char ***names) {
    const struct http_settings *own = probe->settings;
    answer_captures(&own->judge, names);
}

static void files(const struct probe *probe, char ***paths) {
    const struct http_settings *own = probe->settings;
    if (own->ca)
        strings_append(paths, own->ca);
}

static void prepare(struct probe *probe) {
    struct http_settings *own = probe->settings;
    answer_prepare(&own->judge);
    if (own->assets && !string_equal(own->assets, HTTP_ASSETS_OF_PAGE))
        jq_programs_add(&own->judge.prepared, own->assets);
}

static void done(void *settings) {
    struct http_settings *own = settings;
    answer_settings_done(&own->judge);
    free(own->status.list);
    free(own->status.text);
    free(own->method);
    free(own->target);
    free(own->json);
    free(own->assets);
    free(own->ca);
    strings_free(own->headers);
    strings_free(own->forms);
}

static const struct probe_key keys[] = {
    { "Request", key_request, 0, .required = true,
      .help = "method and path (joined to BaseUrl) or full URL" },
    { "Header", key_header, offsetof(struct http_settings, headers), .repeatable = true,
      .help = "\"Name: value\"" },
    { "Json", key_json, offsetof(struct http_settings, json), .help = "the body, JSON" },
    { "Form", key_form, offsetof(struct http_settings, forms), .repeatable = true,
      .help = "name=value: the body, a form" },
    { "Status", key_status, 0, .help = "statuses and ranges that are right; by default 200-299" },
    ANSWER_KEYS,
    { "Assets", key_assets, offsetof(struct http_settings, assets),
      .help =
          "a jq program that gives URLs of images, or \"html\" for what a page links to; each must load" },
    { "FollowRedirects", key_yes, offsetof(struct http_settings, follow),
      .help = "follow redirects, at most 10; by default no" },
    { "Ca", key_text, offsetof(struct http_settings, ca),
      .help = "a file of CA certificates, instead of the system's" },
    { "Insecure", key_yes, offsetof(struct http_settings, insecure),
      .help = "take any certificate; by default no" },
    { "MaxBody", key_bytes, offsetof(struct http_settings, max_body),
      .help = "the largest body that is read; by default 8M" },
    { 0 },
};

extern const struct probe_kind probe_http;
const struct probe_kind probe_http = {
    .name = "http",
    .help = "a request has the status, the content and the equality with its baseline that it should",
    .keys = keys,
    .settings_size = sizeof(struct http_settings),
    .timeout = 10 * USEC_PER_SEC,
    .makes_requests = true,
    .sandbox = SANDBOX_LOOK,
    .init = init,
    .check = check,
    .placeholders = placeholders,
    .captures = captures,
    .files = files,
    .prepare = prepare,
    .run = run,
    .done = done,
};
