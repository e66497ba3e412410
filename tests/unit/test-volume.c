/* Where the files of a volume are when no container uses it. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/volume.h"

static void the_options_say_where_the_files_are(void **state) {
    (void)state;
    static const char mountpoint[] = "/var/lib/docker/volumes/x/_data";
    static const struct {
        const char *driver, *options;
        const char *place;   /* NULL: none */
        const char *problem; /* words of it */
        bool comes_and_goes;
    } cases[] = {
        { "local", "null", mountpoint, NULL, false },
        { "local", "{}", mountpoint, NULL, false },
        { "local", "{\"size\": \"10G\"}", mountpoint, NULL, false },
        { "local", "{\"type\": \"none\", \"o\": \"bind\", \"device\": \"/srv/files\"}", "/srv/files", NULL,
          true },
        { "local", "{\"o\": \"ro,rbind\", \"device\": \"/srv/files\"}", "/srv/files", NULL, true },
        { "local", "{\"type\": \"none\", \"o\": \"bind\", \"device\": \"files\"}", NULL, "(none)", true },
        { "local", "{\"type\": \"none\", \"o\": \"binder\", \"device\": \"/srv/files\"}", NULL, "(none)",
          true },
        { "local", "{\"type\": \"tmpfs\", \"o\": \"size=1m\", \"device\": \"tmpfs\"}", NULL,
          "lives in memory: list it in Ignore=", true },
        { "local", "{\"type\": \"nfs\", \"o\": \"addr=nas,rw\", \"device\": \":/exports\"}", NULL,
          "is mounted (nfs) only while a container uses it: mount that on the host", true },
        { "local", "{\"type\": \"cifs\", \"o\": \"password=hunter2\", \"device\": \"//nas/x\"}", NULL,
          "(cifs)", true },
        { "rclone", "{}", NULL, "is of the driver \"rclone\"", true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *options = json_loads(cases[i].options, JSON_DECODE_ANY, NULL);
        const struct volume volume = { .driver = (char *)cases[i].driver,
                                       .mountpoint = (char *)mountpoint,
                                       .options = options };
        _cleanup_free_ char *problem = NULL, *place = volume_place(&volume, &problem);
        if (!string_equal(place, cases[i].place) || (cases[i].problem != NULL) != (problem != NULL) ||
            (problem && (!strstr(problem, cases[i].problem) || strstr(problem, "hunter2"))) ||
            volume_comes_and_goes(&volume) != cases[i].comes_and_goes)
            fail_msg("%s: %s, %s", cases[i].options, place ? place : "nowhere",
                     problem ? problem : "no problem");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_options_say_where_the_files_are) };
    return RUN(tests);
}
