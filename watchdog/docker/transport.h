#pragma once

/* Inside this directory only: one HTTP exchange with the daemon by libcurl. See engine.h for the errors. */

#include <curl/curl.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/engine.h"

#define ANSWER_LIMIT ((size_t)64 * 1024 * 1024)

struct engine {
    char *socket_path;
    char api_version[16];
    char *server_version;
    char *root_directory; /* of GET /info, as the next; NULL: not asked yet */
    json_t *registries;   /* RegistryConfig, may be NULL */
};

struct request {
    const char *method; /* GET POST DELETE */
    const char *path;   /* with its query */
    bool unversioned;
    const json_t *body;         /* NULL: none */
    struct curl_slist *headers; /* more of them, borrowed; NULL: none */
    /* A body that is streamed, instead of @body: bytes, 0 at the end, -errno. */
    int (*on_input)(void *userdata, char *buffer, size_t size);
    /* The answer's body as it comes, when the status is a success; NULL: collected, up to ANSWER_LIMIT. */
    int (*on_data)(void *userdata, const char *data, size_t size);
    void *userdata;
    usec_t deadline;
};

struct exchange {
    const struct engine *engine;
    const struct request *request;
    CURL *curl;
    struct curl_slist *headers;
    char *url, *body;
    struct buffer answer;  /* of a success */
    struct buffer refusal; /* of an error status, its beginning */
    int failure;           /* -errno of a callback */
    char errors[CURL_ERROR_SIZE];
};

/* Readies @exchange, which stays where it is and borrows @engine and @request until exchange_done(). */
void exchange_init(struct exchange *exchange, const struct engine *engine, const struct request *request);
/* What has become of it, after curl_easy_perform() or the multi interface said @code. */
int exchange_judge(struct exchange *exchange, CURLcode code, struct error *err);
void exchange_done(struct exchange *exchange);
#define _cleanup_exchange_ __attribute__((cleanup(exchange_done)))

/* All of it in one. @ret_answer (may be NULL) is the collected answer, to be emptied by the caller. */
int transport_request(const struct engine *engine, const struct request *request, struct buffer *ret_answer,
                      struct error *err);

/* The error of an answer's status and body, as Docker words it ("message" of a JSON object, else the text).
 */
int transport_refused(const struct request *request, long status, const char *body, size_t size,
                      struct error *err);
/* As url_escape(), for something that is a path itself, such as an image's name. Owned by the caller. */
char *url_escape_path(const char *text);

/* The error of a connection that could not be made. */
int transport_unreachable(const struct engine *engine, int number, struct error *err);
