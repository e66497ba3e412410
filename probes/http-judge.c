/* What an answer to a request is worth: its status, what answer.c judges, and what it links to. */

#include "probes/http.h"

#include <string.h>
#include <strings.h>

#include "watchdog/base/json.h"

#define RETRY_AFTER_DEFAULT (30 * USEC_PER_SEC)

/* The running release refuses what we know of it: that says nothing of the release, and a person has to look.
 */
static bool are_credentials_refused(struct judgement *judgement, const struct http_look *http, long status) {
    _cleanup_strings_ char **names = NULL;
    const struct probe *probe = http->look->probe;
    if (!http->look->view->is_baseline || (status != 401 && status != 403))
        return false;
    probe->kind->placeholders(probe, &names);
    if (!names)
        return false;
    _cleanup_free_ char *joined = strings_join(names, "}, %{");
    probe_unknown(judgement->report, "%s answered %ld: the running release refuses %%{%s}; is it right?",
                  judgement->subject, status, joined);
    return true;
}

static bool judge_status(struct judgement *judgement, struct http_look *http,
                         const struct http_answer *answer) {
    const struct http_settings *settings = http->settings;
    if (http_status_wanted(settings, answer->status))
        return true;
    if (answer->status == 429) {
        judgement->report->retry_after = answer->retry_after ? answer->retry_after : RETRY_AFTER_DEFAULT;
        probe_unknown(judgement->report, "%s answered 429: too many requests", judgement->subject);
        return false;
    }
    if (are_credentials_refused(judgement, http, answer->status))
        return false;
    return answer_failed(judgement, "answered %ld%s%s, wanted %s", answer->status,
                         *answer->location ? " to " : "", answer->location, settings->status.text);
}

/* A proxy before an application that is still starting answers so, and an application that is at it itself.
 */
static bool asks_to_wait(const struct http_answer *answer) {
    return answer->retry_after || answer->status == 425 || (answer->status >= 502 && answer->status <= 504);
}

void http_judge(struct http_look *http, const struct http_answer *answer, const json_t *cookies,
                json_t *captures, struct probe_report *report) {
    const struct http_settings *settings = http->settings;
    struct judgement judgement = {
        .look = http->look,
        .settings = &settings->judge,
        .secrets = &http->secrets,
        .report = report,
        .subject = xasprintf("%s %s", settings->method, settings->target),
        .said = xasprintf("answered %ld", answer->status),
        .what = "a body",
        .text = answer->body.text,
        .size = answer->body.size,
        .headers = answer->headers.text ? answer->headers.text : "",
        .cookies = cookies,
        .is_html = strncasecmp(answer->type, "text/html", strlen("text/html")) == 0 ||
                   strncasecmp(answer->type, "application/xhtml", strlen("application/xhtml")) == 0,
        .wants_json = settings->assets && !string_equal(settings->assets, HTTP_ASSETS_OF_PAGE),
        .took = answer->took,
    };
    answer_begin(&judgement, captures);
    json_object_set_new(judgement.kept, "status", json_integer(answer->status));
    report->measured =
        json_pack("{s:I, s:I, s:I}", "status", (json_int_t)answer->status, "milliseconds",
                  (json_int_t)(answer->took / USEC_PER_MSEC), "bytes", (json_int_t)answer->body.size);
    json_object_set_new(report->measured, "type", json_text_string(answer->type));
    json_t *shape = http->look->view->is_baseline ? http_shape(answer, judgement.json) : NULL;
    if (shape)
        json_object_set_new(report->measured, "keys", shape);
    if (judge_status(&judgement, http, answer) && answer_judge(&judgement))
        http_assets(http, &judgement);
    report->answered = !asks_to_wait(answer);
    answer_end(&judgement);
}
