/* PostgreSQL's programs of an image. See programs-image.h. */

#include "watchdog/database/programs-image.h"

#include <errno.h>

#include "watchdog/base/json.h"
#include "watchdog/docker/container.h"
#include "watchdog/docker/exec.h"

#define LIFE_AFTER (10 * USEC_PER_MINUTE) /* it goes by itself, should we not come to it */
#define REMOVE_TIME (30 * USEC_PER_SEC)

void programs_image_new(struct engine *engine, const char *image, const char *id, char **files,
                        struct programs_image **ret) {
    struct programs_image *made = xcalloc(1, sizeof(*made));
    made->engine = engine;
    made->image = xstrdup(image);
    made->id = xstrdup(id);
    made->files = files;
    *ret = made;
}

static void drop(struct programs_image *image) {
    if (image->container)
        engine_remove_ours(image->engine, image->container, deadline_in(REMOVE_TIME), NULL);
    free(image->container);
    image->container = NULL;
}

void programs_image_free(struct programs_image *image) {
    if (!image)
        return;
    drop(image);
    free(image->image);
    free(image->id);
    strings_free(image->files);
    free(image);
}

/* The host's network, since the address is one as the host knows it; a process that does nothing, which the
 * programs are run beside. */
static json_t *configuration(const struct programs_image *image, usec_t deadline) {
    usec_t life = deadline == USEC_INFINITY ? USEC_PER_DAY : deadline_left(deadline) + LIFE_AFTER;
    _cleanup_free_ char *seconds = xasprintf("%llu", (unsigned long long)(life / USEC_PER_SEC));
    json_t *binds = json_array();
    for (char **file = image->files; file && *file; file++) {
        _cleanup_free_ char *bind = xasprintf("%s:%s:ro", *file, *file);
        json_array_append_new(binds, json_string(bind));
    }
    json_t *config =
        json_pack("{s:s, s:[s], s:[s], s:s, s:{s:s}, s:{s:s, s:b, s:b, s:o}}", "Image", image->image,
                  "Entrypoint", "sleep", "Cmd", seconds, "User", "0", "Labels", DOCKER_LABEL, image->id,
                  "HostConfig", "NetworkMode", "host", "AutoRemove", 1, "Init", 1, "Binds", binds);
    if (!config)
        abort();
    return config;
}

static int bring_up(struct programs_image *image, usec_t deadline, struct error *err) {
    if (image->container)
        return 0;
    _cleanup_json_ json_t *config = configuration(image, deadline);
    int r = engine_create(image->engine, NULL, config, deadline, &image->container, err);
    if (r == -ENOENT)
        return error_set(err, ENOMEDIUM, "the image \"%s\" of Programs= is not there; type `docker pull %s`",
                         image->image, image->image);
    if (r >= 0)
        r = engine_start(image->engine, image->container, deadline, err);
    if (r < 0) {
        drop(image);
        return error_prefix(err, "the image \"%s\" of Programs=", image->image);
    }
    return 0;
}

int programs_run_in_image(void *context, const struct program_call *call, int *ret_exit, char **ret_errors,
                          struct error *err) {
    struct programs_image *image = context;
    int r = bring_up(image, call->deadline, err);
    if (r < 0)
        return r;
    const struct exec exec = { .container = image->container,
                               .argv = call->argv,
                               .environment = call->environment,
                               .user = call->user,
                               .on_input = call->on_input,
                               .on_output = call->on_output,
                               .userdata = call->userdata,
                               .deadline = call->deadline };
    r = engine_exec(image->engine, &exec, ret_exit, ret_errors, err);
    /* it has come to its end, or somebody has pruned it: the next call makes another one */
    if (r == -ENOENT || r == -EEXIST)
        drop(image);
    return r;
}
