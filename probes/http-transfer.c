/* One HTTP request by libcurl: bounded in time and size, with the look's cookies. */

#include "probes/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "watchdog/base/json.h"
#include "watchdog/docker/engine.h"

#define REDIRECTS_LIMIT 10L
#define HEADERS_LIMIT ((size_t)16 * 1024)
#define RETRY_AFTER_LONGEST USEC_PER_HOUR

void http_answer_done(struct http_answer *answer) {
    buffer_done(&answer->body);
    free(answer->type);
    free(answer->location);
    free(answer->peer);
    buffer_done(&answer->headers);
    *answer = (struct http_answer){ 0 };
}

static void cleanup_slist(struct curl_slist **list) {
    curl_slist_free_all(*list);
}
#define _cleanup_slist_ __attribute__((cleanup(cleanup_slist)))

static void slist_add(struct curl_slist **list, const char *text) {
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (!longer)
        abort();
    *list = longer;
}

struct sink {
    struct buffer *body;
    size_t limit;
    bool overflow;
};

static size_t sink_write(char *data, size_t one, size_t size, void *userdata) {
    struct sink *sink = userdata;
    (void)one;
    if (size > sink->limit - sink->body->size) {
        sink->overflow = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buffer_append(sink->body, data, size);
    return size;
}

struct header_sink {
    struct http_look *http;
    struct buffer *headers;
    char *cookie_host; /* owned; whose Secure cookies are taken all the same, NULL nobody's */
};

static bool is_own(const struct http_look *http, const char *url);

/* At once, not behind the transfer: the next hop of a redirect wants it. */
static void take_cookie(const struct header_sink *sink, const char *data, size_t size) {
    char *effective = NULL;
    _cleanup_free_ char *line = http_secure_cookie(data, size, sink->cookie_host);
    if (!line)
        return;
    curl_easy_getinfo(sink->http->curl, CURLINFO_EFFECTIVE_URL, &effective);
    if (effective && is_own(sink->http, effective))
        curl_easy_setopt(sink->http->curl, CURLOPT_COOKIELIST, line);
}

/* Each answer of a chain of redirects begins anew; only the last one's stay. */
static size_t take_header(char *data, size_t one, size_t size, void *userdata) {
    struct header_sink *sink = userdata;
    (void)one;
    if (size > 5 && strncmp(data, "HTTP/", 5) == 0)
        sink->headers->size = 0;
    if (sink->headers->size + size < HEADERS_LIMIT)
        buffer_append(sink->headers, data, size);
    if (sink->cookie_host)
        take_cookie(sink, data, size);
    return size;
}

static int add_headers(struct http_look *http, struct curl_slist **list, struct error *err) {
    for (char **header = http->settings->headers; header && *header; header++) {
        _cleanup_free_ char *filled = NULL;
        int r = placeholders_fill(&http->secrets, *header, PLACE_HEADER, &filled, err);
        if (r < 0)
            return r;
        /* libcurl leaves a header without a value out, unless it ends with a semicolon */
        char *colon = strchr(filled, ':');
        if (!colon[1 + strspn(colon + 1, " \t")])
            *colon = ';', colon[1] = '\0';
        slist_add(list, filled);
    }
    return 0;
}

static bool has_header(const struct curl_slist *list, const char *name) {
    for (; list; list = list->next)
        if (strncasecmp(list->data, name, strlen(name)) == 0)
            return true;
    return false;
}

/* RFC 1866's form: names and values percent-encoded. */
static int form_body(struct http_look *http, char **ret, struct error *err) {
    _cleanup_buffer_ struct buffer body = { 0 };
    for (char **form = http->settings->forms; *form; form++) {
        const char *equals = strchr(*form, '=');
        _cleanup_free_ char *name = xstrndup(*form, (size_t)(equals - *form)), *value = NULL;
        int r = placeholders_fill(&http->secrets, equals + 1, PLACE_TEXT, &value, err);
        if (r < 0)
            return r;
        _cleanup_free_ char *escaped_name = url_escape(name), *escaped = url_escape(value);
        buffer_printf(&body, "%s%s=%s", body.size ? "&" : "", escaped_name, escaped);
    }
    *ret = buffer_take(&body);
    return 0;
}

static int set_body(struct http_look *http, struct curl_slist **headers, struct error *err) {
    _cleanup_free_ char *body = NULL;
    int r = 0;
    if (http->settings->json)
        r = placeholders_fill(&http->secrets, http->settings->json, PLACE_JSON, &body, err);
    else if (http->settings->forms)
        r = form_body(http, &body, err);
    if (r < 0 || !body)
        return r;
    if (!has_header(*headers, "Content-Type:"))
        slist_add(headers, http->settings->json ? "Content-Type: application/json"
                                                : "Content-Type: application/x-www-form-urlencoded");
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(http->curl, CURLOPT_COPYPOSTFIELDS, body);
    return 0;
}

static void set_method(struct http_look *http) {
    const char *method = http->settings->method;
    bool has_body = http->settings->json || http->settings->forms;
    if (string_equal(method, "HEAD")) {
        curl_easy_setopt(http->curl, CURLOPT_NOBODY, 1L);
    } else if (string_equal(method, "POST")) {
        /* not a custom request: a redirect turns POST into GET as browsers do it */
        if (!has_body) {
            curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE, 0L);
            curl_easy_setopt(http->curl, CURLOPT_COPYPOSTFIELDS, "");
        }
        curl_easy_setopt(http->curl, CURLOPT_POST, 1L);
    } else if (!string_equal(method, "GET") || has_body) {
        curl_easy_setopt(http->curl, CURLOPT_CUSTOMREQUEST, method);
    }
}

static void set_common(struct http_look *http, const char *url, struct sink *sink,
                       char words[CURL_ERROR_SIZE]) {
    const struct http_settings *settings = http->settings;
    CURL *curl = http->curl;
    usec_t left = deadline_left(http->look->deadline);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left / USEC_PER_MSEC > 0 ? left / USEC_PER_MSEC : 1));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the environment's proxy is not the application's way */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, settings->follow ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, REDIRECTS_LIMIT);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(curl, CURLOPT_COOKIEFILE, "");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "upgrade-watchdog/" VERSION);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, sink_write);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    if (settings->ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, settings->ca);
    if (settings->insecure) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* The name that an own request by http goes by, as libcurl files its cookies; NULL: they need no help. Owned
 * by the caller. */
static char *cookie_host(const struct http_look *http, const struct curl_slist *headers, const char *url) {
    if (strncasecmp(url, "http:", strlen("http:")) != 0 || !is_own(http, url) ||
        !http_is_behind_tls(http->settings->headers))
        return NULL;
    for (; headers; headers = headers->next)
        if (strncasecmp(headers->data, "Host:", strlen("Host:")) == 0) {
            const char *host = headers->data + strlen("Host:");
            host += strspn(host, " \t");
            return xstrndup(host, *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ": \t"));
        }
    const char *host = url + strlen("http://");
    return xstrndup(host, *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#"));
}

/* Another origin gets neither our headers nor is its silence the application's. */
static bool is_own(const struct http_look *http, const char *url) {
    CURLU *parts = curl_url();
    char *host = NULL;
    bool own = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
               curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
               strings_contain(http->own_hosts, host);
    curl_free(host);
    curl_url_cleanup(parts);
    return own;
}

static enum http_fault fault_of(struct http_look *http, CURLcode code, const struct sink *sink,
                                const char *words, struct error *err) {
    char *effective = NULL;
    curl_easy_getinfo(http->curl, CURLINFO_EFFECTIVE_URL, &effective);
    bool own = effective && is_own(http, effective);
    _cleanup_free_ char *masked = secrets_mask(&http->secrets, words, strlen(words));
    if (code == CURLE_TOO_MANY_REDIRECTS) {
        error_set(err, EPROTO, "was redirected more than %ld times", REDIRECTS_LIMIT);
        return HTTP_FAULT_APPLICATION;
    }
    if (sink->overflow) {
        error_set(err, EFBIG, "answered with more than MaxBody=%zu bytes", sink->limit);
        return HTTP_FAULT_UNKNOWN;
    }
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        error_set(err, ETIMEDOUT, "was not answered in time");
        break;
    case CURLE_COULDNT_CONNECT:
        error_set(err, ECONNREFUSED, "could not connect: %s", *masked ? masked : curl_easy_strerror(code));
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        error_set(err, EPROTO, "got no answer: %s", *masked ? masked : curl_easy_strerror(code));
        break;
    default:
        error_set(err, EIO, "could not be asked: %s", *masked ? masked : curl_easy_strerror(code));
        return HTTP_FAULT_UNKNOWN;
    }
    return own ? HTTP_FAULT_APPLICATION : HTTP_FAULT_UNKNOWN;
}

static void read_answer(CURL *curl, struct http_answer *answer) {
    curl_off_t took = 0, retry_after = 0;
    char *type = NULL, *location = NULL, *address = NULL;
    long port = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &took);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &location);
    answer->took = took > 0 ? (usec_t)took : 0;
    answer->retry_after = retry_after > 0 && (usec_t)retry_after < RETRY_AFTER_LONGEST / USEC_PER_SEC
                              ? (usec_t)retry_after * USEC_PER_SEC
                          : retry_after > 0 ? RETRY_AFTER_LONGEST
                                            : 0;
    answer->type = xstrdup(type);
    answer->location = xstrdup(location);
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_PORT, &port);
    answer->peer = xasprintf("%s port %ld", address ? address : "", port);
    if (!answer->body.text)
        buffer_append(&answer->body, "", 0);
}

enum http_fault http_transfer(struct http_look *http, const char *asset, struct http_answer *ret,
                              struct error *err) {
    _cleanup_slist_ struct curl_slist *headers = NULL, *connect_to = NULL;
    char words[CURL_ERROR_SIZE] = "";
    const char *url = asset ? asset : http->url;
    struct http_answer answer = { 0 };
    struct sink sink = { .body = &answer.body, .limit = http->settings->max_body };
    struct header_sink header_sink = { http, &answer.headers, NULL };
    curl_easy_reset(http->curl);
    set_common(http, url, &sink, words);
    curl_easy_setopt(http->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(http->curl, CURLOPT_HEADERDATA, &header_sink);
    if (!asset || is_own(http, url))
        if (add_headers(http, &headers, err) < 0)
            return HTTP_FAULT_UNKNOWN;
    if (!asset) {
        if (set_body(http, &headers, err) < 0)
            return HTTP_FAULT_UNKNOWN;
        set_method(http);
    }
    slist_add(&headers, "Expect:");
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
    for (char **entry = http->connect_to; entry && *entry; entry++)
        slist_add(&connect_to, *entry);
    curl_easy_setopt(http->curl, CURLOPT_CONNECT_TO, connect_to);
    header_sink.cookie_host = cookie_host(http, headers, url);
    CURLcode code = curl_easy_perform(http->curl);
    free(header_sink.cookie_host);
    enum http_fault fault = HTTP_NO_FAULT;
    if (code != CURLE_OK) {
        fault = fault_of(http, code, &sink, words, err);
        http_answer_done(&answer);
    } else {
        read_answer(http->curl, &answer);
        *ret = answer;
    }
    /* the lists end with this function */
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(http->curl, CURLOPT_CONNECT_TO, NULL);
    curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(http->curl, CURLOPT_HEADERFUNCTION, NULL);
    curl_easy_setopt(http->curl, CURLOPT_HEADERDATA, NULL);
    return fault;
}
