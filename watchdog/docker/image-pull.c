/* Pulling by digest. See image.h. */

#include "watchdog/docker/image.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/auth.h"
#include "watchdog/docker/json-lines.h"
#include "watchdog/docker/reference.h"
#include "watchdog/docker/transport.h"

#define PROGRESS_PAUSE (USEC_PER_SEC / 4)
#define LAYERS_LIMIT 4096

void pull_layers_done(struct pull_layers *layers) {
    for (size_t i = 0; i < layers->count; i++)
        free(layers->layers[i].id);
    free(layers->layers);
    *layers = (struct pull_layers){ 0 };
}

static struct pull_layer *layer_find(struct pull_layers *layers, const char *id) {
    for (size_t i = 0; i < layers->count; i++)
        if (string_equal(layers->layers[i].id, id))
            return &layers->layers[i];
    if (layers->count == LAYERS_LIMIT) /* more than any image has: only the numbers suffer */
        return &layers->layers[0];
    layers->layers = xrealloc(layers->layers, layers->count + 1, sizeof(*layers->layers));
    layers->layers[layers->count] = (struct pull_layer){ .id = xstrdup(id) };
    return &layers->layers[layers->count++];
}

int pull_layers_add(struct pull_layers *layers, const json_t *value, struct error *err) {
    const char *detail = json_get_string(json_get_object(value, "errorDetail"), "message", NULL);
    const char *error = detail ? detail : json_get_string(value, "error", NULL);
    if (error)
        return error_set(err, EPROTO, "%s", error);
    const char *id = json_get_string(value, "id", ""), *status = json_get_string(value, "status", "");
    if (!*id)
        return 0;
    bool done = string_equal(status, "Download complete") || string_equal(status, "Pull complete");
    if (!done && !string_equal(status, "Downloading"))
        return 0;
    struct pull_layer *layer = layer_find(layers, id);
    const json_t *progress = json_get_object(value, "progressDetail");
    json_int_t current = json_get_integer(progress, "current", 0),
               total = json_get_integer(progress, "total", 0);
    if (total > 0)
        layer->total = (uint64_t)total;
    if (current > 0 && (uint64_t)current > layer->bytes)
        layer->bytes = (uint64_t)current;
    if (layer->bytes > layer->total)
        layer->total = layer->bytes;
    if (done)
        layer->bytes = layer->total;
    return 0;
}

void pull_layers_sum(const struct pull_layers *layers, uint64_t *ret_bytes, uint64_t *ret_total) {
    *ret_bytes = *ret_total = 0;
    for (size_t i = 0; i < layers->count; i++) {
        *ret_bytes += layers->layers[i].bytes;
        *ret_total += layers->layers[i].total;
    }
}

struct pull {
    struct json_lines lines;
    struct pull_layers layers;
    image_progress *progress;
    void *userdata;
    usec_t reported;
    struct error error; /* what the stream said */
};

static void report(struct pull *pull, bool last) {
    usec_t now = clock_boottime();
    if (!pull->progress || (!last && now - pull->reported < PROGRESS_PAUSE))
        return;
    uint64_t bytes, total;
    pull_layers_sum(&pull->layers, &bytes, &total);
    if (total == 0 && !last)
        return;
    pull->reported = now;
    pull->progress(pull->userdata, bytes, total);
}

static int take_lines(struct pull *pull, bool last) {
    for (;;) {
        _cleanup_json_ json_t *value = NULL;
        int r = json_lines_next(&pull->lines, last, &value, &pull->error);
        if (r <= 0)
            return r;
        r = pull_layers_add(&pull->layers, value, &pull->error);
        if (r < 0)
            return r;
    }
}

static int take_data(void *userdata, const char *data, size_t size) {
    struct pull *pull = userdata;
    json_lines_add(&pull->lines, data, size);
    int r = take_lines(pull, false);
    report(pull, false);
    return r;
}

static int transfer(struct engine *engine, const struct reference *name, struct pull *pull, usec_t deadline,
                    struct error *err) {
    struct curl_slist *headers = NULL;
    int r = auth_request_headers(name->host, deadline, &headers, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *full = reference_name(name);
    _cleanup_free_ char *image = url_escape(full), *digest = url_escape(name->digest);
    _cleanup_free_ char *path = xasprintf("/images/create?fromImage=%s&tag=%s", image, digest);
    struct request request = { .method = "POST",
                               .path = path,
                               .headers = headers,
                               .on_data = take_data,
                               .userdata = pull,
                               .deadline = deadline };
    r = transport_request(engine, &request, NULL, err);
    if (r == 0)
        r = take_lines(pull, true);
    if (pull->error.number)
        r = error_move(err, &pull->error);
    if (r < 0)
        r = auth_explain(name->host, headers != NULL, err);
    curl_slist_free_all(headers);
    return r;
}

/* Not what the stream said, but what is there. */
static int look(struct engine *engine, const struct reference *name, usec_t deadline, struct error *err) {
    _cleanup_free_ char *full = reference_name(name);
    _cleanup_free_ char *wanted = xasprintf("%s@%s", full, name->digest);
    struct image image = { 0 };
    int r = engine_image(engine, wanted, deadline, &image, err);
    image_done(&image);
    return r;
}

int engine_pull(struct engine *engine, const char *reference, image_progress *progress, void *userdata,
                usec_t deadline, struct error *err) {
    _cleanup_reference_ struct reference name = { 0 };
    int r = reference_parse(reference, &name, err);
    if (r < 0)
        return r;
    if (!*name.digest)
        return error_set(err, EINVAL, "\"%s\" has no digest, expected NAME@sha256:…", reference);
    struct pull pull = { .progress = progress, .userdata = userdata };
    r = transfer(engine, &name, &pull, deadline, err);
    if (r == 0)
        r = look(engine, &name, deadline, err);
    if (r == 0)
        report(&pull, true);
    else
        error_prefix(err, "\"%s\" could not be pulled", reference);
    json_lines_done(&pull.lines);
    pull_layers_done(&pull.layers);
    error_done(&pull.error);
    return r;
}
