/* One HTTP exchange with the daemon. See transport.h. */

#include "watchdog/docker/transport.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define REFUSAL_LIMIT ((size_t)64 * 1024)

static size_t take_data(char *data, size_t size, size_t count, void *userdata) {
    struct exchange *exchange = userdata;
    const struct request *request = exchange->request;
    size *= count;
    long status = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) {
        size_t room = REFUSAL_LIMIT - exchange->refusal.size;
        buffer_append(&exchange->refusal, data, size < room ? size : room);
        return size;
    }
    if (request->on_data) {
        exchange->failure = request->on_data(request->userdata, data, size);
        return exchange->failure < 0 ? CURL_WRITEFUNC_ERROR : size;
    }
    if (size > ANSWER_LIMIT - exchange->answer.size) {
        exchange->failure = -EFBIG;
        return CURL_WRITEFUNC_ERROR;
    }
    buffer_append(&exchange->answer, data, size);
    return size;
}

static size_t give_data(char *buffer, size_t size, size_t count, void *userdata) {
    struct exchange *exchange = userdata;
    size_t room = size * count > INT_MAX ? INT_MAX : size * count;
    int given = exchange->request->on_input(exchange->request->userdata, buffer, room);
    if (given < 0) {
        exchange->failure = given;
        return CURL_READFUNC_ABORT;
    }
    return (size_t)given;
}

static void add_header(struct exchange *exchange, const char *line) {
    struct curl_slist *longer = curl_slist_append(exchange->headers, line);
    if (!longer)
        abort();
    exchange->headers = longer;
}

static void set_body(struct exchange *exchange) {
    const struct request *request = exchange->request;
    if (request->on_input) {
        curl_easy_setopt(exchange->curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(exchange->curl, CURLOPT_READFUNCTION, give_data);
        curl_easy_setopt(exchange->curl, CURLOPT_READDATA, exchange);
        curl_easy_setopt(exchange->curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
        add_header(exchange, "Content-Type: application/x-tar");
    } else if (request->body || string_equal(request->method, "POST")) {
        exchange->body = request->body ? json_text(request->body) : xstrdup("");
        curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, exchange->body);
        curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(exchange->body));
        add_header(exchange, request->body ? "Content-Type: application/json" : "Content-Type:");
    }
    curl_easy_setopt(exchange->curl, CURLOPT_CUSTOMREQUEST, request->method);
}

void exchange_init(struct exchange *exchange, const struct engine *engine, const struct request *request) {
    *exchange = (struct exchange){ .engine = engine, .request = request, .curl = curl_easy_init() };
    CURL *curl = exchange->curl;
    if (!curl)
        abort();
    exchange->url = request->unversioned
                        ? xasprintf("http://docker%s", request->path)
                        : xasprintf("http://docker/v%s%s", engine->api_version, request->path);
    curl_easy_setopt(curl, CURLOPT_URL, exchange->url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, engine->socket_path);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->errors);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    if (request->deadline != USEC_INFINITY) {
        usec_t left = deadline_left(request->deadline) / USEC_PER_MSEC;
        long milliseconds = left > LONG_MAX / 2 ? LONG_MAX / 2 : left > 0 ? (long)left : 1;
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds);
    }
    for (const struct curl_slist *line = request->headers; line; line = line->next)
        add_header(exchange, line->data);
    add_header(exchange, "Expect:"); /* the daemon would only delay the body by it */
    set_body(exchange);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
}

void exchange_done(struct exchange *exchange) {
    if (exchange->curl)
        curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    free(exchange->url);
    free(exchange->body);
    buffer_done(&exchange->answer);
    buffer_done(&exchange->refusal);
}

/* The path as it is shown: without its query. */
static int shown(const char *path) {
    return (int)strcspn(path, "?");
}

int transport_unreachable(const struct engine *engine, int number, struct error *err) {
    if (number == EACCES || number == EPERM)
        return error_set(err, EACCES, "not allowed to use Docker's socket \"%s\"; run as root",
                         engine->socket_path);
    return error_set(err, ECONNREFUSED,
                     "cannot reach the Docker daemon at \"%s\": %s; is it running? (systemctl start docker, "
                     "systemctl status docker)",
                     engine->socket_path, strerror(number ? number : ECONNREFUSED));
}

int transport_refused(const struct request *request, long status, const char *body, size_t size,
                      struct error *err) {
    _cleanup_json_ json_t *value = NULL;
    const char *message = NULL;
    if (size && json_parse(body, size, "the error", &value, NULL) == 0)
        message = json_get_string(value, "message", NULL);
    int number = status == 404 ? ENOENT : status == 409 ? EEXIST : status == 501 ? ENOTSUP : EPROTO;
    if (message)
        return error_set(err, number, "Docker refused %s %.*s: %s", request->method, shown(request->path),
                         request->path, message);
    return error_set(err, number, "Docker refused %s %.*s with the status %ld%s%.*s", request->method,
                     shown(request->path), request->path, status, size ? ": " : "",
                     (int)(size > 500 ? 500 : size), size ? body : "");
}

int exchange_judge(struct exchange *exchange, CURLcode code, struct error *err) {
    const struct request *request = exchange->request;
    long status = 0, number = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(exchange->curl, CURLINFO_OS_ERRNO, &number);
    int size = shown(request->path);
    if (exchange->failure == -EFBIG && !request->on_data)
        return error_set(err, EFBIG, "Docker's answer to %s %.*s is larger than 64 MiB", request->method,
                         size, request->path);
    if (exchange->failure < 0)
        return error_errno(err, -exchange->failure, "gave up %s %.*s", request->method, size, request->path);
    if (status >= 400 && (code == CURLE_OK || exchange->refusal.size))
        return transport_refused(request, status, exchange->refusal.text, exchange->refusal.size, err);
    if (code == CURLE_OK)
        return 0;
    if (code == CURLE_COULDNT_CONNECT)
        return transport_unreachable(exchange->engine, (int)number, err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(err, ETIME, "Docker did not answer %s %.*s in time", request->method, size,
                         request->path);
    return error_set(err, ECONNRESET, "the connection to Docker broke during %s %.*s: %s", request->method,
                     size, request->path, exchange->errors[0] ? exchange->errors : curl_easy_strerror(code));
}

int transport_request(const struct engine *engine, const struct request *request, struct buffer *ret_answer,
                      struct error *err) {
    if (deadline_left(request->deadline) == 0)
        return error_set(err, ETIME, "no time was left to ask Docker for %s %.*s", request->method,
                         shown(request->path), request->path);
    _cleanup_exchange_ struct exchange exchange;
    exchange_init(&exchange, engine, request);
    int r = exchange_judge(&exchange, curl_easy_perform(exchange.curl), err);
    if (r == 0 && ret_answer) {
        *ret_answer = exchange.answer;
        exchange.answer = (struct buffer){ 0 };
    }
    return r;
}
