/* Files that survive, and trees that are removed without leaving their place. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

static int enter(void **state) {
    char *directory = xstrdup("/tmp/test-durable.XXXXXX");
    *state = mkdtemp(directory);
    return *state && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state) {
    _cleanup_free_ char *directory = *state;
    return durable_remove_tree(AT_FDCWD, directory, NULL);
}

static void a_write_replaces_the_whole_file(void **state) {
    (void)state;
    _cleanup_free_ char *text = NULL;
    size_t size;
    assert_int_equal(durable_write(AT_FDCWD, "file", "first and longer", 16, 0600, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, "file", "second", 6, 0640, NULL), 0);
    assert_int_equal(file_read(AT_FDCWD, "file", 100, &text, &size, NULL), 0);
    assert_string_equal(text, "second");
    struct stat status;
    assert_int_equal(stat("file", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(access("file.new", F_OK), -1);
}

static void a_write_that_fails_leaves_the_old_file(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(durable_write(AT_FDCWD, "missing/file", "x", 1, 0600, &err), -ENOENT);
    assert_non_null(strstr(err.text, "missing/file"));
}

static void a_file_over_the_limit_is_an_error(void **state) {
    (void)state;
    _cleanup_free_ char *text = NULL;
    assert_int_equal(durable_write(AT_FDCWD, "file", "0123456789", 10, 0600, NULL), 0);
    assert_int_equal(file_read(AT_FDCWD, "file", 9, &text, NULL, NULL), -EFBIG);
    assert_null(text);
    assert_int_equal(file_read(AT_FDCWD, "none", 9, &text, NULL, NULL), -ENOENT);
}

static void a_tree_is_removed_and_what_its_links_point_to_stays(void **state) {
    (void)state;
    assert_int_equal(durable_mkdir("kept", 0700, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, "kept/file", "x", 1, 0600, NULL), 0);
    _cleanup_free_ char *here = getcwd(NULL, 0);
    _cleanup_free_ char *deep = xasprintf("%s/tree/a/b/c", here);
    assert_int_equal(durable_mkdir(deep, 0700, NULL), 0);
    assert_int_equal(symlink("../kept", "tree/link"), 0);
    assert_int_equal(symlink("../../kept/file", "tree/a/link"), 0);
    assert_int_equal(mkfifo("tree/a/b/fifo", 0600), 0);
    assert_int_equal(durable_remove_tree(AT_FDCWD, "tree", NULL), 0);
    assert_int_equal(access("tree", F_OK), -1);
    assert_int_equal(access("kept/file", F_OK), 0);
    assert_int_equal(durable_remove_tree(AT_FDCWD, "tree", NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_write_replaces_the_whole_file, enter, leave),
        cmocka_unit_test_setup_teardown(a_write_that_fails_leaves_the_old_file, enter, leave),
        cmocka_unit_test_setup_teardown(a_file_over_the_limit_is_an_error, enter, leave),
        cmocka_unit_test_setup_teardown(a_tree_is_removed_and_what_its_links_point_to_stays, enter, leave),
    };
    return RUN(tests);
}
