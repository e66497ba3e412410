/* Journal files read back: rotated ones, forged records, damage, and an end to it all. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/journals.h"
#include "watchdog/audit/read-back.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"

#define AT 1795403832 /* 2026-11-23T03:17:12Z */

static int make_directory(void **state) {
    char *path = xstrdup("/tmp/test-read-back-XXXXXX");
    assert_non_null(mkdtemp(path));
    *state = path;
    return 0;
}

static int remove_directory(void **state) {
    int r = durable_remove_tree(AT_FDCWD, *state, NULL);
    free(*state);
    return r;
}

static void put(const char *directory, const char *name, const struct buffer *text, usec_t changed) {
    _cleanup_free_ char *path = xasprintf("%s/%s", directory, name),
                        *written = xasprintf("%s/written.journal", directory);
    journal_write(written, text);
    assert_int_equal(rename(written, path), 0);
    const struct timespec times[2] = { { (time_t)changed, 0 }, { (time_t)changed, 0 } };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* One file with one record. */
static void put_outcome(const char *directory, const char *name, const char *id, const char *outcome,
                        usec_t second) {
    _cleanup_buffer_ struct buffer text = { 0 };
    struct outcome_fields fields = journal_outcome("qaid", id, outcome, second);
    journal_export(&text, &fields);
    put(directory, name, &text, second);
}

/* "ID OUTCOME" of each, in their order. */
static char *read_all(const char *directory, const char *app, size_t limit, char ***warnings) {
    const struct read_back source = { directory, JOURNAL_MACHINE, 60 * USEC_PER_SEC, limit };
    _cleanup_json_ json_t *list = read_back_outcomes(&source, app, warnings);
    struct buffer text = { 0 };
    size_t i;
    const json_t *record;
    json_array_foreach(list, i, record)
        buffer_printf(&text, "%s%s %s", i ? ", " : "", json_get_string(record, "id", "?"),
                      json_get_string(record, "outcome", "?"));
    return buffer_take(&text);
}

static void rotated_files_of_other_boots_are_read_newest_first(void **state) {
    _cleanup_strings_ char **warnings = NULL;
    put_outcome(*state, "system@aa-1-2.journal", "20261121T031500Z-0001", "upgraded", AT - 2 * 86400);
    put_outcome(*state, "system.journal", "20261123T031500Z-0003", "rolled-back", AT);
    put_outcome(*state, "system@bb-1-2.journal~", "20261122T031500Z-0002", "up-to-date", AT - 86400);
    put_outcome(*state, "user-1000.journal", "20261120T031500Z-0000", "upgraded", AT - 3 * 86400);
    _cleanup_free_ char *all = read_all(*state, "qaid", 100, &warnings);
    assert_string_equal(all, "20261123T031500Z-0003 rolled-back, 20261122T031500Z-0002 up-to-date, "
                             "20261121T031500Z-0001 upgraded");
    assert_null(warnings);
    _cleanup_free_ char *newest = read_all(*state, "qaid", 1, &warnings);
    assert_string_equal(newest, "20261123T031500Z-0003 rolled-back");
    _cleanup_free_ char *foreign = read_all(*state, "crm", 100, &warnings);
    assert_string_equal(foreign, "");
    assert_null(warnings);
}

static void forged_records_do_not_count_and_hide_no_genuine_one(void **state) {
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_buffer_ struct buffer text = { 0 };
    struct outcome_fields fields = journal_outcome("qaid", "20261123T031500Z-0001", "rolled-back", AT);
    journal_export(&text, &fields);
    fields = journal_outcome("qaid", "20261123T041500Z-0002", "upgraded", AT + 3600);
    fields.uid = "65534";
    journal_export(&text, &fields);
    fields = journal_outcome("qaid", "20261123T031500Z-0001", "upgraded", AT + 3600);
    fields.uid = "1000";
    journal_export(&text, &fields);
    fields = journal_outcome("qaid", "20261123T051500Z-0003", "upgraded", AT + 7200);
    fields.unit = "docker.service";
    fields.exe = "/usr/bin/dockerd";
    journal_export(&text, &fields);
    fields = journal_outcome("qaid", "20261123T061500Z-0004", "upgraded", AT + 9000);
    fields.machine_id = "ffffffffffffffffffffffffffffffff";
    journal_export(&text, &fields);
    put(*state, "system.journal", &text, AT + 9000);
    _cleanup_free_ char *newest = read_all(*state, "qaid", 1, &warnings);
    assert_string_equal(newest, "20261123T031500Z-0001 rolled-back");
    _cleanup_free_ char *all = read_all(*state, NULL, 100, &warnings);
    assert_string_equal(all, newest);
}

static void the_last_record_of_a_transaction_counts(void **state) {
    _cleanup_strings_ char **warnings = NULL;
    put_outcome(*state, "system@aa-1-2.journal", "20261121T031500Z-0001", "rollback-failed", AT);
    put_outcome(*state, "system.journal", "20261121T031500Z-0001", "rolled-back", AT + 86400);
    _cleanup_free_ char *all = read_all(*state, "qaid", 100, &warnings);
    assert_string_equal(all, "20261121T031500Z-0001 rolled-back");
}

static void overwrite(const char *directory, const char *name, off_t at, const char *bytes, size_t size) {
    _cleanup_free_ char *path = xasprintf("%s/%s", directory, name);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
}

/* Every way in which a file can be of no use: each is named, and the others are read. */
static void damaged_files_are_passed_over_and_named(void **state) {
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_free_ char *garbage = xasprintf("%s/system@garbage.journal", (char *)*state),
                        *cut = xasprintf("%s/system@cut.journal", (char *)*state),
                        *empty = xasprintf("%s/system@empty.journal", (char *)*state);
    char zeros[65536] = "";
    put_outcome(*state, "system.journal", "20261123T031500Z-0001", "upgraded", AT);
    put_outcome(*state, "system@cut.journal", "20261122T031500Z-0002", "upgraded", AT);
    put_outcome(*state, "system@inside.journal", "20261121T031500Z-0003", "upgraded", AT);
    put_outcome(*state, "system@old.journal", "20261120T031500Z-0004", "upgraded", AT - 86400);
    assert_int_equal(durable_write(AT_FDCWD, garbage, zeros, sizeof(zeros), 0600, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, empty, "", 0, 0600, NULL), 0); /* one that is being made */
    assert_int_equal(truncate(cut, 4096), 0);
    memset(zeros, 0xff, sizeof(zeros));
    for (off_t at = 272; at < 8 * 1024 * 1024 - (off_t)sizeof(zeros); at += (off_t)sizeof(zeros))
        overwrite(*state, "system@inside.journal", at, zeros, sizeof(zeros));
    _cleanup_free_ char *all = read_all(*state, "qaid", 100, &warnings);
    assert_string_equal(all, "20261123T031500Z-0001 upgraded, 20261120T031500Z-0004 upgraded");
    assert_int_equal(strings_count(warnings), 1);
    assert_true(string_starts_with(warnings[0], "journal files that cannot be read were passed over: \""));
    assert_non_null(strstr(warnings[0], "system@garbage.journal\" ("));
    assert_non_null(strstr(warnings[0], "system@cut.journal\" ("));
    assert_non_null(strstr(warnings[0], "system@inside.journal\" ("));
    assert_null(strstr(warnings[0], "empty"));
}

static void when_its_time_is_over_that_is_said(void **state) {
    _cleanup_strings_ char **warnings = NULL;
    put_outcome(*state, "system.journal", "20261123T031500Z-0001", "upgraded", AT);
    const struct read_back source = { *state, JOURNAL_MACHINE, 0, 100 };
    usec_t begun = clock_monotonic();
    _cleanup_json_ json_t *list = read_back_outcomes(&source, "qaid", &warnings);
    assert_int_equal(json_array_size(list), 0);
    assert_true(clock_monotonic() - begun < 5 * USEC_PER_SEC);
    assert_int_equal(strings_count(warnings), 1);
    assert_non_null(strstr(warnings[0], "the journal was not read to its end (it did not end in its time)"));
}

static void where_there_is_no_journal_there_is_nothing_to_say(void **state) {
    _cleanup_strings_ char **warnings = NULL;
    _cleanup_free_ char *nowhere = xasprintf("%s/nowhere", (char *)*state);
    _cleanup_free_ char *all = read_all(nowhere, "qaid", 100, &warnings);
    assert_string_equal(all, "");
    assert_null(warnings);
}

int main(void) {
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(rotated_files_of_other_boots_are_read_newest_first),
        IN_DIRECTORY(forged_records_do_not_count_and_hide_no_genuine_one),
        IN_DIRECTORY(the_last_record_of_a_transaction_counts),
        IN_DIRECTORY(damaged_files_are_passed_over_and_named),
        IN_DIRECTORY(when_its_time_is_over_that_is_said),
        IN_DIRECTORY(where_there_is_no_journal_there_is_nothing_to_say),
    };
    return RUN(tests);
}
