/* Data= that would take along what is not the application's. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/apart.h"

static const struct claim claims[] = {
    { CLAIM_DATABASE, (char *)"/opt/qaid/data/db" },
    { CLAIM_FILE, (char *)"/opt/qaid/compose.yaml" },
    { CLAIM_FILE, (char *)"/opt/qaid/env/.env" },
    { CLAIM_STATE, (char *)"/var/lib/upgrade-watchdog/qaid" },
    { CLAIM_OFF_HOST, (char *)"/mnt/backup" },
};

static void a_place_that_holds_lies_in_or_is_another_one_is_named(void **state) {
    (void)state;
    static const struct {
        const char *data, *path, *says; /* NULL: nothing is wrong */
    } cases[] = {
        { "data/files", "/opt/qaid/data/files", NULL },
        { "data/dbx", "/opt/qaid/data/dbx", NULL },
        { "data", "/opt/qaid/data",
          "Data=data holds the database's own files (/opt/qaid/data/db): name the directories beside it" },
        { "data/db", "/opt/qaid/data/db",
          "Data=data/db is the database's own files (/opt/qaid/data/db): leave it out: the database is "
          "restored from its clone or dump" },
        { "data/db/base", "/opt/qaid/data/db/base",
          "Data=data/db/base lies in the database's own files (/opt/qaid/data/db): leave it out: the "
          "database "
          "is restored from its clone or dump" },
        { "/", "/",
          "Data=/ holds the database's own files (/opt/qaid/data/db): name the directories beside it" },
        { "env", "/opt/qaid/env",
          "Data=env holds a file of the project that is put back by itself (/opt/qaid/env/.env): name the "
          "directories beside it" },
        { "compose.yaml", "/opt/qaid/compose.yaml",
          "Data=compose.yaml is a file of the project that is put back by itself (/opt/qaid/compose.yaml): "
          "leave it out" },
        { "/var/lib", "/var/lib",
          "Data=/var/lib holds the snapshots of this program (/var/lib/upgrade-watchdog/qaid): name the "
          "directories beside it" },
        { "/mnt/backup/x", "/mnt/backup/x",
          "Data=/mnt/backup/x lies in the copies of OffHost= (/mnt/backup): leave it out" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const char *cure = "";
        _cleanup_free_ char *problem =
            apart_problem(cases[i].data, cases[i].path, claims, ELEMENTS(claims), &cure);
        _cleanup_free_ char *says = problem ? xasprintf("%s: %s", problem, cure) : NULL;
        if (!string_equal(says, cases[i].says))
            fail_msg("Data=%s: %s", cases[i].data, says ? says : "nothing");
    }
}

static char *scratch;

static int enter(void **state) {
    (void)state;
    scratch = realpath(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", NULL);
    replace_string(scratch, xasprintf("%s/apart-XXXXXX", scratch));
    return mkdtemp(scratch) ? chdir(scratch) : -1;
}

static int leave(void **state) {
    (void)state;
    int r = chdir("/") < 0 ? -1 : durable_remove_tree(AT_FDCWD, scratch, NULL);
    free(scratch);
    return r;
}

/* A project with ./data/db and ./data/settings (read-only) in its database service, and one Data= path. */
static int look(const char *data, struct error *err) {
    _cleanup_free_ char *tree = xasprintf("%s/%s", scratch, data), *db = xasprintf("%s/data/db", scratch),
                        *settings = xasprintf("%s/data/settings", scratch),
                        *compose = xasprintf("%s/compose.yaml", scratch);
    struct mount mounts[] = {
        { .service = (char *)"postgres", .host_path = settings, .read_only = true },
        { .service = (char *)"postgres", .host_path = (char *)"" }, /* a volume that is not made yet */
        { .service = (char *)"postgres", .host_path = db },
        { .service = (char *)"server", .host_path = scratch },
    };
    struct project project = { .mounts = mounts, .mounts_count = ELEMENTS(mounts) };
    struct record_tree trees[] = { { .name = (char *)data, .path = tree } };
    struct record_file files[] = { { .path = compose } };
    struct record record = { .trees = trees, .trees_count = 1, .files = files, .files_count = 1 };
    struct settings of_database = { .database.service = (char *)"postgres" };
    struct context context = { .record = &record, .settings = &of_database };
    return apart_check(&context, &project, err);
}

static void links_hide_nothing(void **state) {
    (void)state;
    static const struct {
        const char *data, *says;
    } cases[] = {
        { "data/files", NULL },
        { "data/settings", NULL },
        { "data", "holds the database's own files" },
        { "to-data", "holds the database's own files" },
        { "to-db", "is the database's own files" },
        { "to-db/base", "lies in the database's own files" },
        { "real", "/real/compose.yaml)" },
        { "to-all", "data/db" },
    };
    const char *const directories[] = { "data",       "data/db",       "data/db/base",
                                        "data/files", "data/settings", "real" };
    for (size_t i = 0; i < ELEMENTS(directories); i++)
        assert_int_equal(mkdir(directories[i], 0755), 0);
    assert_int_equal(symlink("data", "to-data") | symlink("data/db", "to-db") | symlink(".", "to-all"), 0);
    assert_int_equal(symlink("real/compose.yaml", "compose.yaml"), 0);
    close(open("real/compose.yaml", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        int r = look(cases[i].data, &err);
        if (r != (cases[i].says ? -EPERM : 0) || (cases[i].says && !strstr(error_text(&err), cases[i].says)))
            fail_msg("Data=%s: %d, %s", cases[i].data, r, error_text(&err));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_that_holds_lies_in_or_is_another_one_is_named),
        cmocka_unit_test_setup_teardown(links_hide_nothing, enter, leave),
    };
    return RUN(tests);
}
