/* Where paths lead: over links, to what is not there, and whether one is in another. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/path.h"

static char *scratch;

static int enter(void **state) {
    (void)state;
    scratch = realpath(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", NULL);
    replace_string(scratch, xasprintf("%s/path-XXXXXX", scratch));
    return mkdtemp(scratch) ? chdir(scratch) : -1;
}

static int leave(void **state) {
    (void)state;
    int r = chdir("/") < 0 ? -1 : durable_remove_tree(AT_FDCWD, scratch, NULL);
    free(scratch);
    return r;
}

static void what_is_not_there_stays_as_it_is_written(void **state) {
    (void)state;
    static const struct {
        const char *path, *real; /* below the scratch directory */
    } cases[] = {
        { "/directory", "/directory" },
        { "/link", "/directory" },
        { "/link/inner", "/directory/inner" },
        { "/link/none", "/directory/none" },
        { "/link/none/such", "/directory/none/such" },
        { "/dangling", "/nowhere" }, /* where something may come */
        { "/dangling/file", "/nowhere/file" },
        { "/twice", "/nowhere/below" },
        { "/file/below", "/file/below" },
    };
    assert_int_equal(mkdir("directory", 0755) | mkdir("directory/inner", 0755), 0);
    assert_int_equal(symlink("directory", "link") | symlink("nowhere", "dangling") |
                         symlink("dangling/below", "twice"),
                     0);
    close(open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *path = xasprintf("%s%s", scratch, cases[i].path),
                            *wanted = xasprintf("%s%s", scratch, cases[i].real), *real = NULL;
        assert_int_equal(path_real(path, &real), 0);
        assert_string_equal(real, wanted);
    }
    _cleanup_free_ char *real = NULL, *top = NULL;
    assert_int_equal(path_real("/none-such/directory", &real) | path_real("/", &top), 0);
    assert_string_equal(real, "/none-such/directory");
    assert_string_equal(top, "/");
    assert_int_equal(symlink("loop", "loop"), 0);
    _cleanup_free_ char *loop = xasprintf("%s/loop", scratch), *nothing = NULL;
    assert_int_equal(path_real(loop, &nothing), -ELOOP);
    assert_null(nothing);
}

static void the_file_system_of_what_is_there_and_of_what_is_not(void **state) {
    (void)state;
    static const char *const below[] = { "mount", "mount/directory", "mount/directory/file",
                                         "mount/none/such" };
    _cleanup_free_ char *above = NULL, *point = xasprintf("%s/mount", scratch);
    assert_int_equal(path_file_system(scratch, &above), 0);
    assert_true(path_covers(above, scratch));
    assert_int_equal(mkdir("mount", 0755), 0);
    for (int mounted = 0; mounted < 2; mounted++) {
        if (mounted)
            assert_int_equal(mount("none", point, "tmpfs", 0, NULL), 0);
        int wrong = mkdir("mount/directory", 0755);
        close(open("mount/directory/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        for (size_t i = 0; i < ELEMENTS(below); i++) {
            _cleanup_free_ char *path = xasprintf("%s/%s", scratch, below[i]), *found = NULL;
            wrong |= path_file_system(path, &found);
            wrong |= !string_equal(found, mounted ? point : above);
        }
        if (mounted)
            umount(point);
        assert_int_equal(wrong, 0);
    }
    _cleanup_free_ char *top = NULL;
    assert_int_equal(path_file_system("/", &top), 0);
    assert_string_equal(top, "/");
}

static void one_path_is_in_another(void **state) {
    (void)state;
    static const struct {
        const char *directory, *path;
        bool covers;
    } cases[] = {
        { "/a", "/a", true },    { "/a", "/a/b", true },       { "/a", "/ab", false },
        { "/a/b", "/a", false }, { "/", "/a/b", true },        { "/", "/", true },
        { "/a", "/", false },    { "/a/b", "/a/b/c/d", true }, { "/a/b", "/a/c", false },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        if (path_covers(cases[i].directory, cases[i].path) != cases[i].covers)
            fail_msg("%s and %s", cases[i].directory, cases[i].path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_there_stays_as_it_is_written, enter, leave),
        cmocka_unit_test_setup_teardown(the_file_system_of_what_is_there_and_of_what_is_not, enter, leave),
        cmocka_unit_test(one_path_is_in_another),
    };
    return RUN(tests);
}
