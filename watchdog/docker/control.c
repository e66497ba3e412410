/* Containers: starting, stopping, their names and policies. See container.h. */

#include "watchdog/docker/container.h"

#include <errno.h>
#include <string.h>

#include "watchdog/docker/transport.h"

/* POST /containers/@container/@verb with @query ("?…" or ""). */
static int post(struct engine *engine, const char *container, const char *verb, const char *query,
                const json_t *body, usec_t deadline, struct error *err) {
    _cleanup_free_ char *escaped = url_escape(container);
    _cleanup_free_ char *path = xasprintf("/containers/%s/%s%s", escaped, verb, query);
    return engine_request(engine, "POST", path, body, deadline, NULL, err);
}

int engine_start(struct engine *engine, const char *container, usec_t deadline, struct error *err) {
    return post(engine, container, "start", "", NULL, deadline, err);
}

static char *stop_query(int seconds) {
    return seconds < 0 ? xstrdup("") : xasprintf("?t=%d", seconds);
}

int engine_stop(struct engine *engine, const char *container, int seconds, usec_t deadline,
                struct error *err) {
    _cleanup_free_ char *query = stop_query(seconds);
    return post(engine, container, "stop", query, NULL, deadline, err);
}

struct stop {
    char *path;
    struct request request;
    struct exchange exchange;
};

/* Drives all transfers to their ends; each has its own deadline, so this has one too. */
static int stop_drive(CURLM *multi, struct error *err) {
    int running = 1;
    while (running > 0) {
        CURLMcode code = curl_multi_perform(multi, &running);
        if (code == CURLM_OK && running > 0)
            code = curl_multi_poll(multi, NULL, 0, 1000, NULL);
        if (code != CURLM_OK)
            return error_set(err, EIO, "libcurl failed while containers were stopped: %s",
                             curl_multi_strerror(code));
    }
    return 0;
}

static int stop_judge(CURLM *multi, struct error *err) {
    int r = 0, left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        _cleanup_error_ struct error one = ERROR_NONE;
        int judged = exchange_judge(&((struct stop *)(void *)private)->exchange, message->data.result, &one);
        if (judged < 0 && judged != -ENOENT && r == 0)
            r = error_move(err, &one);
    }
    return r;
}

int engine_stop_all(struct engine *engine, char *const *containers, int seconds, usec_t deadline,
                    struct error *err) {
    size_t count = strings_count(containers);
    if (count == 0)
        return 0;
    _cleanup_free_ char *query = stop_query(seconds);
    _cleanup_free_ struct stop *stops = xcalloc(count, sizeof(*stops));
    CURLM *multi = curl_multi_init();
    if (!multi)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct stop *stop = &stops[i];
        _cleanup_free_ char *escaped = url_escape(containers[i]);
        stop->path = xasprintf("/containers/%s/stop%s", escaped, query);
        stop->request = (struct request){ .method = "POST", .path = stop->path, .deadline = deadline };
        exchange_init(&stop->exchange, engine, &stop->request);
        curl_easy_setopt(stop->exchange.curl, CURLOPT_PRIVATE, stop);
        curl_multi_add_handle(multi, stop->exchange.curl);
    }
    int r = stop_drive(multi, err);
    if (r == 0)
        r = stop_judge(multi, err);
    for (size_t i = 0; i < count; i++) {
        curl_multi_remove_handle(multi, stops[i].exchange.curl);
        exchange_done(&stops[i].exchange);
        free(stops[i].path);
    }
    curl_multi_cleanup(multi);
    return r;
}

int engine_wait_stopped(struct engine *engine, char *const *containers, usec_t deadline, struct error *err) {
    for (size_t i = 0; containers && containers[i];) {
        struct container container = { 0 };
        int r = engine_container(engine, containers[i], deadline, &container, err);
        if (r < 0 && r != -ENOENT)
            return r;
        bool runs = r == 0 && container_runs(&container);
        if (runs && !deadline_sleep(deadline, 50 * USEC_PER_MSEC)) {
            r = error_set(err, ETIME, "the container \"%s\" is still %s", container.name, container.status);
            container_done(&container);
            return r;
        }
        container_done(&container);
        if (!runs)
            i++;
    }
    error_done(err);
    return 0;
}

int engine_kill(struct engine *engine, const char *container, const char *signal, usec_t deadline,
                struct error *err) {
    _cleanup_free_ char *escaped = url_escape(signal);
    _cleanup_free_ char *query = xasprintf("?signal=%s", escaped);
    return post(engine, container, "kill", query, NULL, deadline, err);
}

int engine_rename(struct engine *engine, const char *container, const char *name, usec_t deadline,
                  struct error *err) {
    _cleanup_free_ char *escaped = url_escape(name);
    _cleanup_free_ char *query = xasprintf("?name=%s", escaped);
    return post(engine, container, "rename", query, NULL, deadline, err);
}

static int remove_with(struct engine *engine, const char *container, const char *query, usec_t deadline,
                       struct error *err) {
    _cleanup_free_ char *escaped = url_escape(container);
    _cleanup_free_ char *path = xasprintf("/containers/%s%s", escaped, query);
    return engine_request(engine, "DELETE", path, NULL, deadline, NULL, err);
}

int engine_remove(struct engine *engine, const char *container, usec_t deadline, struct error *err) {
    return remove_with(engine, container, "?force=1", deadline, err);
}

int engine_remove_ours(struct engine *engine, const char *container, usec_t deadline, struct error *err) {
    return remove_with(engine, container, "?force=1&v=1", deadline, err);
}

int engine_set_policy(struct engine *engine, const char *container, const char *policy, int retries,
                      usec_t deadline, struct error *err) {
    _cleanup_json_ json_t *body =
        json_pack("{s:{s:s, s:i}}", "RestartPolicy", "Name", policy, "MaximumRetryCount", retries);
    if (!body)
        return error_set(err, EINVAL, "\"%s\" is no restart policy", policy);
    return post(engine, container, "update", "", body, deadline, err);
}

int engine_create(struct engine *engine, const char *name, const json_t *config, usec_t deadline,
                  char **ret_id, struct error *err) {
    _cleanup_free_ char *escaped = url_escape(name ? name : "");
    _cleanup_free_ char *path =
        name ? xasprintf("/containers/create?name=%s", escaped) : xstrdup("/containers/create");
    _cleanup_json_ json_t *answer = NULL;
    int r = engine_request(engine, "POST", path, config, deadline, &answer, err);
    if (r < 0)
        return r;
    const char *id = json_get_string(answer, "Id", "");
    if (!*id)
        return error_set(err, EBADMSG, "Docker's answer to POST /containers/create has no Id");
    *ret_id = xstrdup(id);
    return 0;
}
