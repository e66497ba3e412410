/* Volumes. See volume.h. */

#include "watchdog/docker/volume.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/transport.h"

void volume_done(struct volume *volume) {
    free(volume->name);
    free(volume->driver);
    free(volume->mountpoint);
    json_decref(volume->options);
    *volume = (struct volume){ 0 };
}

int engine_volume(struct engine *engine, const char *name, usec_t deadline, struct volume *ret,
                  struct error *err) {
    _cleanup_free_ char *escaped = url_escape(name);
    _cleanup_free_ char *path = xasprintf("/volumes/%s", escaped);
    _cleanup_json_ json_t *answer = NULL;
    int r = engine_request(engine, "GET", path, NULL, deadline, &answer, err);
    if (r < 0)
        return r;
    *ret = (struct volume){
        .name = xstrdup(json_get_string(answer, "Name", name)),
        .driver = xstrdup(json_get_string(answer, "Driver", "")),
        .mountpoint = xstrdup(json_get_string(answer, "Mountpoint", "")),
        .options = json_incref(json_get_object(answer, "Options")),
        .anonymous =
            json_object_get(json_get_object(answer, "Labels"), "com.docker.volume.anonymous") != NULL,
    };
    return 0;
}

/* As the driver itself decides; a size alone is a quota on a directory that stays. */
bool volume_comes_and_goes(const struct volume *volume) {
    return !string_equal(volume->driver, "local") || *json_get_string(volume->options, "type", "") ||
           *json_get_string(volume->options, "device", "");
}

/* Whether the options of mount(8) in @list have @option. */
static bool has_option(const char *list, const char *option) {
    size_t size = strlen(option);
    for (const char *at = list; *at; at += strspn(at, ",")) {
        size_t length = strcspn(at, ",");
        if (length == size && strncmp(at, option, size) == 0)
            return true;
        at += length;
    }
    return false;
}

char *volume_place(const struct volume *volume, char **ret_problem) {
    const char *type = json_get_string(volume->options, "type", ""),
               *device = json_get_string(volume->options, "device", ""),
               *list = json_get_string(volume->options, "o", "");
    *ret_problem = NULL;
    if (!volume_comes_and_goes(volume))
        return xstrdup(volume->mountpoint);
    if (!string_equal(volume->driver, "local"))
        *ret_problem =
            xasprintf("is of the driver \"%s\", and is not on this host while no container uses it: "
                      "use one of the driver \"local\", or list it in Ignore=",
                      volume->driver);
    else if ((has_option(list, "bind") || has_option(list, "rbind")) && *device == '/')
        return xstrdup(device);
    else if (string_equal(type, "tmpfs"))
        *ret_problem = xstrdup("lives in memory: list it in Ignore=");
    else
        *ret_problem =
            xasprintf("is mounted (%s) only while a container uses it: mount that on the host, bind "
                      "the directory in the Compose file, or list it in Ignore=",
                      *type ? type : device);
    return NULL;
}
