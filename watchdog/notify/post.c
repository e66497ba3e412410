/* One request. See post.h. */

#include "watchdog/notify/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"

struct request {
    CURL *curl;
    struct curl_slist *headers;
};

static void request_done(struct request *request) {
    curl_slist_free_all(request->headers);
    curl_easy_cleanup(request->curl);
}

static void add_header(struct request *request, const char *header) {
    struct curl_slist *longer = curl_slist_append(request->headers, header);
    if (!longer)
        abort();
    request->headers = longer;
}

static size_t throw_away(char *data, size_t one, size_t size, void *userdata) {
    (void)data, (void)one, (void)userdata;
    return size;
}

static char *host_of(const char *url) {
    CURLU *parts = curl_url();
    char *host = NULL;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK)
        curl_url_get(parts, CURLUPART_HOST, &host, 0);
    char *copy = xstrdup(host ? host : "the address");
    curl_free(host);
    curl_url_cleanup(parts);
    return copy;
}

static void set_up(struct request *request, const char *url, char *const *headers, const char *body,
                   usec_t deadline) {
    CURL *curl = request->curl;
    usec_t left = deadline_left(deadline) / USEC_PER_MSEC;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left > 0 ? left : 1));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "upgrade-watchdog/" VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, throw_away);
    for (char *const *header = headers; header && *header; header++)
        add_header(request, *header);
    if (body) {
        add_header(request, "Content-Type: application/json");
        add_header(request, "Expect:");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
}

int post(const char *url, char *const *headers, const char *body, usec_t deadline, struct error *err) {
    __attribute__((cleanup(request_done))) struct request request = { .curl = curl_easy_init() };
    _cleanup_free_ char *host = host_of(url);
    long status = 0;
    if (!request.curl)
        return error_set(err, ENOMEM, "libcurl could not be started");
    set_up(&request, url, headers, body, deadline);
    CURLcode code = curl_easy_perform(request.curl);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(err, ETIME, "%s did not answer in time", host);
    if (code != CURLE_OK)
        return error_set(err, EIO, "%s could not be asked: %s", host, curl_easy_strerror(code));
    curl_easy_getinfo(request.curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300
               ? 0
               : error_set(err, EACCES, "%s answered %ld, expected 200 to 299", host, status);
}
