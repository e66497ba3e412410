/* A snapshot that shares a damaged file with the one before it. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/trees.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/steps.h"

#define FIRST "20260101T000000Z-0001"
#define SECOND "20260102T000000Z-0002"
#define THIRD "20260103T000000Z-0003"
#define CONTENT(id, name) "state/snapshots/" id "/files/" name "/content"

static char *scratch;

static int enter(void **state) {
    (void)state;
    scratch = trees_scratch("backup");
    umask(022);
    return chdir(scratch) < 0 ? -1 : mkdir("state", 0700);
}

static int leave(void **state) {
    (void)state;
    int r = chdir("/") < 0 ? -1 : durable_remove_tree(AT_FDCWD, scratch, NULL);
    free(scratch);
    return r;
}

/* The files' part of a backup, of the trees "data", "more" and "single", a file. @ret_notes is owned by the
 * caller. */
static int backup(const char *id, char ***ret_notes, struct error *err) {
    _cleanup_free_ char *directory = xasprintf("%s/state", scratch), *data = xasprintf("%s/data", scratch),
                        *more = xasprintf("%s/more", scratch), *single = xasprintf("%s/single", scratch);
    struct state state = { .directory = directory };
    struct settings settings = { 0 };
    struct record_tree trees[] = { { .name = (char *)"data", .path = data },
                                   { .name = (char *)"more", .path = more },
                                   { .name = (char *)"single", .path = single } };
    _cleanup_record_ struct record *record = record_new("qaid", KIND_SNAPSHOT);
    replace_string(record->id, xstrdup(id));
    record->trees = trees;
    record->trees_count = ELEMENTS(trees);
    struct context context = { .state = &state,
                               .settings = &settings,
                               .record = record,
                               .deadline = deadline_in(USEC_PER_MINUTE),
                               .channel = -1,
                               .dry = true };
    int r = snapshot_create(directory, "qaid", id, &context.snapshot, err);
    if (r >= 0)
        r = step_copy_files(&context, err);
    if (r >= 0)
        r = step_seal_snapshot(&context, err);
    *ret_notes = take_ptr(record->notes);
    record->trees = NULL;
    record->trees_count = 0;
    context.state = NULL;
    context.settings = NULL;
    context.record = NULL;
    context_done(&context);
    return r;
}

static ino_t inode_of(const char *path) {
    struct stat status = { 0 };
    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

static void a_damaged_file_of_an_earlier_snapshot_is_copied_anew(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strings_ char **none = NULL, **notes = NULL, **later = NULL;
    mkdir("data", 0755);
    mkdir("more", 0755);
    trees_write("data/file", "contents");
    trees_write("data/other", "other");
    trees_write("more/file", "more");
    trees_write("single", "single");
    sleep(3); /* or they count as just written, and are not shared */
    assert_int_equal(backup(FIRST, &none, &err), 0);
    assert_null(none);
    static const char *const damaged[] = { CONTENT(FIRST, "data") "/file", CONTENT(FIRST, "single") };
    for (size_t i = 0; i < ELEMENTS(damaged); i++) {
        int fd = open(damaged[i], O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "X", 1, 0), 1);
        close(fd);
    }
    if (backup(SECOND, &notes, &err) < 0)
        fail_msg("%s", error_text(&err));
    assert_int_equal(strings_count(notes), 2);
    assert_non_null(strstr(notes[0], "Data=data: a file of an earlier snapshot was damaged: copied anew"));
    assert_non_null(strstr(notes[1], "Data=single: "));
    _cleanup_free_ char *text = NULL;
    assert_int_equal(file_read(AT_FDCWD, CONTENT(SECOND, "data") "/file", 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "contents");
    /* Of a tree that is whole the files stay shared, and so they are from the next one on. */
    assert_true(inode_of(CONTENT(FIRST, "more") "/file") == inode_of(CONTENT(SECOND, "more") "/file"));
    assert_int_equal(backup(THIRD, &later, &err), 0);
    assert_null(later);
    assert_true(inode_of(CONTENT(SECOND, "data") "/file") == inode_of(CONTENT(THIRD, "data") "/file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_damaged_file_of_an_earlier_snapshot_is_copied_anew, enter, leave),
    };
    return RUN(tests);
}
