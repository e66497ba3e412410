/*
 * What a request and its answer looked like, for whoever writes probes. Values stand as %{name} where they
 * were put in: so even one that is too short to be masked is not shown.
 */

#include "probes/http.h"

#include <string.h>
#include <strings.h>

#include "probes/jq.h"
#include "watchdog/base/json.h"
#include "watchdog/config/settings.h"

#define BODY_SHOWN 2000

/* Names of members and lengths of lists, three levels deep: "[{id, name, steps: [{screenshot}] × 4}] × 12".
 */
static const char shape_program[] =
    "def s($d): if type == \"object\" then if $d == 0 then \"{…}\" else \"{\" + ([to_entries[:20][] | .key + "
    "(.value | if type == \"object\" or type == \"array\" then \": \" + s($d - 1) else \"\" end)] | join(\", "
    "\")) + "
    "(if length > 20 then \", …\" else \"\" end) + \"}\" end "
    "elif type == \"array\" then if length == 0 then \"[]\" elif $d == 0 then \"[…]\" "
    "else \"[\" + (.[0] | s($d - 1)) + \"] × \\(length)\" end else type end; s(3)";

json_t *http_shape(const struct http_answer *answer, const json_t *parsed) {
    _cleanup_json_ json_t *own = NULL, *values = NULL;
    if (!parsed && strcasestr(answer->type, "json"))
        json_parse(answer->body.text, answer->body.size, "the answer", &own, NULL);
    if (!parsed && !own)
        return NULL;
    if (jq_run(NULL, shape_program, parsed ? parsed : own, NULL, &values, NULL) < 0)
        return NULL;
    return json_incref(json_array_get(values, 0));
}

static json_t *lines_of(const struct http_look *http, const struct buffer *headers) {
    json_t *lines = json_array();
    for (const char *at = headers->text; at && *at;
         at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n')) {
        size_t size = strcspn(at, "\r\n");
        if (size == 0)
            continue;
        char *masked = secrets_excerpt(&http->secrets, at, size, 500);
        json_array_append_new(lines, json_text_string(masked));
        free(masked);
    }
    return lines;
}

static json_t *texts(char *const *list) {
    json_t *array = json_array();
    for (; list && *list; list++)
        json_array_append_new(array, json_text_string(*list));
    return array;
}

void http_explain_request(const struct http_look *http, struct probe_report *report) {
    const struct http_settings *settings = http->settings;
    const char *base = http->look->view->settings->application.base_url;
    _cleanup_free_ char *url =
        xasprintf("%s%s", *settings->target == '/' && base ? base : "", settings->target);
    json_t *request = json_pack("{s:s, s:o, s:o}", "method", settings->method, "url", json_text_string(url),
                                "headers", texts(settings->headers));
    if (settings->json)
        json_object_set_new(request, "json", json_text_string(settings->json));
    if (settings->forms)
        json_object_set_new(request, "form", texts(settings->forms));
    json_object_set_new(request, "cookies", json_integer((json_int_t)json_array_size(http->look->cookies)));
    probe_explain(report, "request", request);
    if (http->connect_to)
        probe_explain(report, "way", texts(http->connect_to));
}

void http_explain_answer(const struct http_look *http, const struct http_answer *answer,
                         struct probe_report *report) {
    _cleanup_free_ char *body =
        secrets_excerpt(&http->secrets, answer->body.text, answer->body.size, BODY_SHOWN);
    probe_explain(report, "connection", json_text_string(answer->peer));
    probe_explain(report, "answer",
                  json_pack("{s:I, s:I, s:I, s:o, s:o}", "status", (json_int_t)answer->status, "milliseconds",
                            (json_int_t)(answer->took / USEC_PER_MSEC), "bytes",
                            (json_int_t)answer->body.size, "headers", lines_of(http, &answer->headers),
                            "body", json_text_string(body)));
}
