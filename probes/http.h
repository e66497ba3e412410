#pragma once

/* The parts of the `http` kind: its settings, one transfer, the way to the twin, and the judgement of an
 * answer. */

#include <curl/curl.h>

#include "probes/answer.h"
#include "watchdog/base/memory.h"

struct http_status {
    long first, last;
};

struct http_settings {
    struct answer_settings judge; /* the first, for ANSWER_KEYS */
    char *method, *target;        /* target: a path, or a full URL */
    char **headers;               /* "Name: value" */
    char *json;
    char **forms; /* "name=value" */
    struct {
        char *text; /* as written */
        struct http_status *list;
        size_t count;
    } status;
    char *assets; /* a jq program, or HTTP_ASSETS_OF_PAGE */
    char *ca;
    bool insecure, follow;
    size_t max_body;
};

/* Assets= of an HTML page: the images, scripts and style sheets that it links to. */
#define HTTP_ASSETS_OF_PAGE "html"

/* Parsers of keys.h's kind for Request=, Status=, Header=, Form=, Assets=, Json=. */
int key_request(const char *value, void *target, struct error *err);
int key_status(const char *value, void *target, struct error *err);
int key_header(const char *value, void *target, struct error *err);
int key_form(const char *value, void *target, struct error *err);
int key_assets(const char *value, void *target, struct error *err);
int key_json(const char *value, void *target, struct error *err);

bool http_status_wanted(const struct http_settings *settings, long status);

/* What came back. */
struct http_answer {
    long status;
    struct buffer body;
    char *type;            /* Content-Type, "" none */
    char *location;        /* where a redirect leads, "" none */
    char *peer;            /* the address that it came from */
    struct buffer headers; /* of the last answer, as they came */
    usec_t took;
    usec_t retry_after;
};
void http_answer_done(struct http_answer *answer);

/* What one look's requests have in common. */
struct http_look {
    const struct probe_look *look;
    const struct http_settings *settings;
    struct secrets secrets;
    char *url;         /* of the request, filled in */
    char **connect_to; /* "HOST:PORT:ADDRESS:PORT", for CURLOPT_CONNECT_TO */
    char **own_hosts;  /* hosts whose silence is the application's fault and not the outside's */
    CURL *curl;        /* one handle: its cookies are the session */
};

/* Why a transfer gave no answer. */
enum http_fault { HTTP_NO_FAULT = 0, HTTP_FAULT_APPLICATION, HTTP_FAULT_UNKNOWN };

/* The URL of the request with its values put in: a path is joined to BaseUrl. */
int http_url(struct http_look *http, struct error *err);
/* Where connections really go (route.c): the twin for BaseUrl and the gate's name, a container for a
 * service's name. Returns HTTP_NO_FAULT, or what it means that there is no way. */
enum http_fault http_route(struct http_look *http, struct error *err);
/* Where a connection to BaseUrl= really goes, as curl's --connect-to wants it; "": to its own address. Owned
 * by the caller. */
char *http_way(const struct probe_look *look);
/* One request: the settings' own, or GET of @asset. Returns HTTP_NO_FAULT with @ret, or whose fault it is,
 * with a sentence that fits after "GET /path". */
enum http_fault http_transfer(struct http_look *http, const char *asset, struct http_answer *ret,
                              struct error *err);
/* Whether the headers of a request ("Name: value") say that a proxy before it ended its TLS. */
bool http_is_behind_tls(char *const *headers);
/* The cookie that a header line of an answer sets as Secure, as one of @host that is not, in Netscape's
 * format; owned by the caller. NULL: it sets none. */
char *http_secure_cookie(const char *header, size_t size, const char *host);
/* Judges the answer by the settings: result, sentence, evidence, answer; adds captured values to
 * @captures and to the secrets. @cookies: all of the session, as lines in Netscape's format. */
void http_judge(struct http_look *http, const struct http_answer *answer, const json_t *cookies,
                json_t *captures, struct probe_report *report);
/* With --explain: what was asked and where, and what came back. */
void http_explain_request(const struct http_look *http, struct probe_report *report);
void http_explain_answer(const struct http_look *http, const struct http_answer *answer,
                         struct probe_report *report);
/* The names in a JSON answer, as a text that helps to write jq programs; @parsed NULL: not parsed yet. New
 * reference, NULL: it is no JSON. */
json_t *http_shape(const struct http_answer *answer, const json_t *parsed);
/* Gets what Assets= finds in an answer that passed; the report fails when something is not what it should be.
 */
void http_assets(struct http_look *http, struct judgement *judgement);
