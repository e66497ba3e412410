/* Places of Data= and Ignore=. See data.h. */

#include "watchdog/transaction/data.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/json.h"
#include "watchdog/base/path.h"
#include "watchdog/docker/volume.h"

#define CALL_TIME (30 * USEC_PER_SEC)

void data_place_done(struct data_place *place) {
    free(place->path);
    free(place->volume);
    free(place->problem);
    *place = (struct data_place){ 0 };
}

static bool is_volume(const struct mount *mount) {
    return string_equal(mount->type, "volume");
}

static struct data_place of_mount(const struct mount *mount) {
    return (struct data_place){ .path = xstrdup(mount->host_path),
                                .volume = is_volume(mount) ? xstrdup(mount->source) : NULL,
                                .problem = mount->problem ? xstrdup(mount->problem) : NULL };
}

/* @key is what Compose calls it, or its name for Docker where no service has it. */
static int find_volume(struct context *context, const struct project *project, const char *key,
                       struct data_place *ret, struct error *err) {
    const json_t *known = json_object_get(json_object_get(project->config, "volumes"), key);
    const char *name = json_get_string(known, "name", key);
    _cleanup_volume_ struct volume volume = { 0 };
    for (size_t i = 0; i < project->mounts_count; i++) {
        const struct mount *mount = &project->mounts[i];
        if (is_volume(mount) && string_equal(mount->source, name)) {
            *ret = of_mount(mount);
            return 0;
        }
    }
    int r = engine_volume(context->engine, name, context_deadline(context, CALL_TIME), &volume, err);
    if (r < 0)
        return r;
    ret->path = volume_place(&volume, &ret->problem);
    if (!ret->path)
        ret->path = xstrdup("");
    ret->volume = xstrdup(name);
    return 0;
}

static int find_mount(const struct project *project, const char *value, struct data_place *ret,
                      struct error *err) {
    for (size_t i = 0; i < project->mounts_count; i++) {
        const struct mount *mount = &project->mounts[i];
        _cleanup_free_ char *name = xasprintf("%s:%s", mount->service, mount->target);
        if (string_equal(name, value)) {
            *ret = of_mount(mount);
            return 0;
        }
    }
    return error_set(err, ENOENT, "no container has that mount, expected SERVICE:/path/of/a/volume");
}

static bool covers(const char *directory, const char *path) {
    _cleanup_free_ char *outer = NULL, *inner = NULL;
    return *directory && *path && path_real(directory, &outer) >= 0 && path_real(path, &inner) >= 0 &&
           path_covers(outer, inner);
}

static void find_path(const struct context *context, const struct project *project, const char *value,
                      struct data_place *ret) {
    ret->path =
        *value == '/' ? xstrdup(value) : xasprintf("%s/%s", context->settings->application.directory, value);
    for (size_t i = 0; i < project->mounts_count && !ret->problem; i++) {
        const struct mount *mount = &project->mounts[i];
        if (mount->mountpoint &&
            (covers(mount->mountpoint, ret->path) || covers(ret->path, mount->mountpoint)))
            ret->problem =
                xasprintf("holds or is in the volume \"%s\", whose files are there only while a container "
                          "uses it: name it as volume:%s",
                          mount->source, mount->source);
    }
}

int data_place_find(struct context *context, const struct project *project, const char *value,
                    struct data_place *ret, struct error *err) {
    *ret = (struct data_place){ 0 };
    if (string_starts_with(value, "volume:"))
        return find_volume(context, project, value + strlen("volume:"), ret, err);
    if (strstr(value, ":/"))
        return find_mount(project, value, ret, err);
    find_path(context, project, value, ret);
    return 0;
}

bool data_place_covers(const struct data_place *place, const struct mount *mount) {
    if (place->volume && is_volume(mount) && string_equal(place->volume, mount->source))
        return true;
    return covers(place->path, mount->host_path) ||
           (mount->mountpoint && covers(place->path, mount->mountpoint));
}

int data_path(struct context *context, const struct project *project, const char *data, char **ret,
              struct error *err) {
    _cleanup_data_place_ struct data_place place = { 0 };
    struct stat status;
    int r = data_place_find(context, project, data, &place, err);
    if (r < 0)
        return error_prefix(err, "Data=%s", data);
    if (place.problem)
        return error_set(err, ENOTSUP, "Data=%s %s", data, place.problem);
    if (!*place.path)
        return error_set(err, ENOENT, "Data=%s: the volume is not made yet", data);
    if (stat(place.path, &status) < 0)
        return error_errno(err, errno, "Data=%s: \"%s\"", data, place.path);
    *ret = take_ptr(place.path);
    return 0;
}
