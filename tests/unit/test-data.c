/* What Data= and Ignore= name, and what they do not. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/data.h"

static char *scratch;

static int enter(void **state) {
    (void)state;
    scratch = realpath(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", NULL);
    replace_string(scratch, xasprintf("%s/data-XXXXXX", scratch));
    static const char *const directories[] = { "project", "project/data", "project/data/sub",
                                               "named",   "bound",        "mountpoint",
                                               "memory" };
    int r = mkdtemp(scratch) ? chdir(scratch) : -1;
    for (size_t i = 0; i < ELEMENTS(directories); i++)
        r |= mkdir(directories[i], 0755);
    return r;
}

static int leave(void **state) {
    (void)state;
    int r = chdir("/") < 0 ? -1 : durable_remove_tree(AT_FDCWD, scratch, NULL);
    free(scratch);
    return r;
}

enum { BIND, NAMED, TWIN, BOUND, MEMORY, UNMADE, EXTERNAL, MOUNTS };

struct world {
    struct mount mounts[MOUNTS];
    char *paths[MOUNTS], *mountpoint, *directory;
    struct project project;
    struct settings settings;
    struct context context;
};

static char *text(const char *constant) {
    return (char *)constant;
}

static void world_init(struct world *world) {
    static const char *const below[MOUNTS] = { "project/data", "named", "named",    "bound",
                                               "memory",       NULL,    "elsewhere" };
    for (size_t i = 0; i < MOUNTS; i++)
        world->paths[i] = below[i] ? xasprintf("%s/%s", scratch, below[i]) : xstrdup("");
    world->mountpoint = xasprintf("%s/mountpoint", scratch);
    world->directory = xasprintf("%s/project", scratch);
    const struct mount mounts[MOUNTS] = {
        [BIND] = { .service = text("web"),
                   .type = text("bind"),
                   .source = world->paths[BIND],
                   .target = text("/a") },
        [NAMED] = { .service = text("web"),
                    .type = text("volume"),
                    .source = text("app_files"),
                    .target = text("/b") },
        [TWIN] = { .service = text("job"),
                   .type = text("volume"),
                   .source = text("app_files"),
                   .target = text("/c") },
        [BOUND] = { .service = text("web"),
                    .type = text("volume"),
                    .source = text("app_bound"),
                    .target = text("/d"),
                    .mountpoint = world->mountpoint },
        [MEMORY] = { .service = text("web"),
                     .type = text("volume"),
                     .source = text("app_memory"),
                     .target = text("/e"),
                     .mountpoint = text("/none/such"),
                     .problem = text("lives in memory: list it in Ignore=") },
        [UNMADE] = { .service = text("web"),
                     .type = text("volume"),
                     .source = text("app_unmade"),
                     .target = text("/f") },
        /* An external volume of the same name as a directory of the project. */
        [EXTERNAL] = { .service = text("web"),
                       .type = text("volume"),
                       .source = text("data"),
                       .target = text("/g") },
    };
    memcpy(world->mounts, mounts, sizeof(mounts));
    for (size_t i = 0; i < MOUNTS; i++)
        world->mounts[i].host_path = world->paths[i];
    world->settings.application.directory = world->directory;
    world->project = (struct project){
        .mounts = world->mounts,
        .mounts_count = MOUNTS,
        .config = json_loads(
            "{\"volumes\": {\"files\": {\"name\": \"app_files\"}, \"bound\": {\"name\": \"app_bound\"},"
            " \"memory\": {\"name\": \"app_memory\"}, \"unmade\": {\"name\": \"app_unmade\"}}}",
            0, NULL),
    };
    world->context = (struct context){ .settings = &world->settings };
}

static void world_done(struct world *world) {
    for (size_t i = 0; i < MOUNTS; i++)
        free(world->paths[i]);
    free(world->mountpoint);
    free(world->directory);
    json_decref(world->project.config);
}

static void a_place_of_data_is_there_when_nothing_runs(void **state) {
    (void)state;
    static const struct {
        const char *data, *path; /* below the scratch directory; NULL: refused */
        int r;
        const char *words;
    } cases[] = {
        { "data", "project/data", 0, NULL },
        { "volume:files", "named", 0, NULL },
        { "web:/b", "named", 0, NULL },
        { "volume:bound", "bound", 0, NULL },
        { "web:/d", "bound", 0, NULL },
        { "@/mountpoint", NULL, -ENOTSUP, "name it as volume:app_bound" },
        { "@/mountpoint/sub", NULL, -ENOTSUP, "\"app_bound\", whose files are there only while" },
        { "volume:memory", NULL, -ENOTSUP, "Data=volume:memory lives in memory: list it in Ignore=" },
        { "web:/e", NULL, -ENOTSUP, "Data=web:/e lives in memory" },
        { "volume:unmade", NULL, -ENOENT, "Data=volume:unmade: the volume is not made yet" },
        { "web:/none", NULL, -ENOENT, "Data=web:/none: no container has that mount" },
        { "none", NULL, -ENOENT, "Data=none: " },
    };
    struct world world = { 0 };
    world_init(&world);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *path = NULL,
                            *wanted = cases[i].path ? xasprintf("%s/%s", scratch, cases[i].path) : NULL,
                            *data = *cases[i].data == '@' ? xasprintf("%s%s", scratch, cases[i].data + 1)
                                                          : xstrdup(cases[i].data);
        int r = data_path(&world.context, &world.project, data, &path, &err);
        if (r != cases[i].r || !string_equal(path, wanted) ||
            (cases[i].words && !strstr(error_text(&err), cases[i].words)))
            fail_msg("Data=%s: %d, %s, %s", data, r, path ? path : "nowhere", error_text(&err));
    }
    world_done(&world);
}

static void a_mount_is_listed_by_what_it_is_not_by_what_it_is_called(void **state) {
    (void)state;
    static const struct {
        const char *value;
        unsigned covers; /* bits of the mounts */
    } cases[] = {
        { "data", 1U << BIND }, /* not the external volume "data" */
        { "data/sub", 0 },
        { "volume:data", 1U << EXTERNAL },
        { "volume:files", 1U << NAMED | 1U << TWIN },
        { "web:/b", 1U << NAMED | 1U << TWIN },
        { "volume:bound", 1U << BOUND },
        { "@/bound", 1U << BOUND },
        { "@/mountpoint", 1U << BOUND },
        { "web:/e", 1U << MEMORY },
        { "volume:memory", 1U << MEMORY },
        { "volume:unmade", 1U << UNMADE },
        { "web:/a", 1U << BIND },
    };
    struct world world = { 0 };
    world_init(&world);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_data_place_ struct data_place place = { 0 };
        _cleanup_free_ char *value =
            *cases[i].value == '@' ? xasprintf("%s%s", scratch, cases[i].value + 1) : xstrdup(cases[i].value);
        unsigned covers = 0;
        assert_int_equal(data_place_find(&world.context, &world.project, value, &place, NULL), 0);
        for (unsigned k = 0; k < MOUNTS; k++)
            covers |= data_place_covers(&place, &world.mounts[k]) ? 1U << k : 0;
        if (covers != cases[i].covers)
            fail_msg("%s covers %x", value, covers);
    }
    world_done(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_place_of_data_is_there_when_nothing_runs, enter, leave),
        cmocka_unit_test_setup_teardown(a_mount_is_listed_by_what_it_is_not_by_what_it_is_called, enter,
                                        leave),
    };
    return RUN(tests);
}
