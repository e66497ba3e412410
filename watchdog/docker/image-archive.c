/* Images as tar archives. See image.h. */

#include "watchdog/docker/image.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/json-lines.h"
#include "watchdog/docker/transport.h"

int engine_image_save(struct engine *engine, char *const *images,
                      int (*on_data)(void *, const char *, size_t), void *userdata, usec_t deadline,
                      struct error *err) {
    if (strings_count(images) == 0)
        return error_set(err, EINVAL, "no image to save was named");
    _cleanup_buffer_ struct buffer path = { 0 };
    for (size_t i = 0; images[i]; i++) {
        _cleanup_free_ char *escaped = url_escape(images[i]);
        buffer_printf(&path, "%snames=%s", i ? "&" : "/images/get?", escaped);
    }
    struct request request = {
        .method = "GET", .path = path.text, .on_data = on_data, .userdata = userdata, .deadline = deadline
    };
    return transport_request(engine, &request, NULL, err);
}

struct load {
    struct json_lines lines;
    int (*on_input)(void *userdata, char *buffer, size_t size);
    void *userdata;
    char **loaded;
    struct error error; /* what the stream said */
};

static int give(void *userdata, char *buffer, size_t size) {
    struct load *load = userdata;
    return load->on_input(load->userdata, buffer, size);
}

/* "Loaded image: app/web:1\n" and "Loaded image ID: sha256:…\n" */
static void note_loaded(struct load *load, const char *text) {
    static const char *const starts[] = { "Loaded image ID: ", "Loaded image: " };
    for (size_t i = 0; i < ELEMENTS(starts); i++)
        if (string_starts_with(text, starts[i])) {
            const char *name = text + strlen(starts[i]);
            _cleanup_free_ char *trimmed = xstrndup(name, strcspn(name, "\r\n"));
            strings_append(&load->loaded, trimmed);
            return;
        }
}

static int take_lines(struct load *load, bool last) {
    for (;;) {
        _cleanup_json_ json_t *value = NULL;
        int r = json_lines_next(&load->lines, last, &value, &load->error);
        if (r <= 0)
            return r;
        const char *error = json_get_string(value, "error", NULL);
        if (error)
            return error_set(&load->error, EPROTO, "Docker could not load the archive: %s", error);
        note_loaded(load, json_get_string(value, "stream", ""));
    }
}

static int take_data(void *userdata, const char *data, size_t size) {
    struct load *load = userdata;
    json_lines_add(&load->lines, data, size);
    return take_lines(load, false);
}

int engine_image_load(struct engine *engine, int (*on_input)(void *, char *, size_t), void *userdata,
                      usec_t deadline, char ***ret_loaded, struct error *err) {
    struct load load = { .on_input = on_input, .userdata = userdata };
    struct request request = { .method = "POST",
                               .path = "/images/load?quiet=1",
                               .on_input = give,
                               .on_data = take_data,
                               .userdata = &load,
                               .deadline = deadline };
    int r = transport_request(engine, &request, NULL, err);
    if (r == 0)
        r = take_lines(&load, true);
    if (load.error.number)
        r = error_move(err, &load.error);
    else if (r == 0 && !load.loaded)
        r = error_set(err, EBADMSG, "Docker took the archive, but does not say which image it loaded");
    if (r == 0 && ret_loaded)
        *ret_loaded = take_ptr(load.loaded);
    strings_free(load.loaded);
    json_lines_done(&load.lines);
    error_done(&load.error);
    return r;
}
