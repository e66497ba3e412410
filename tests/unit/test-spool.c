/* Messages on their way: what was put in comes out, once, in order, whatever lies beside it. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/notify/spool.h"

static char directory[] = "/tmp/test-spool-XXXXXX";

static int enter(void **state) {
    (void)state;
    strcpy(directory, "/tmp/test-spool-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int leave(void **state) {
    (void)state;
    return durable_remove_tree(AT_FDCWD, directory, NULL);
}

static void put(enum message_kind kind, const char *id, usec_t created, usec_t retry) {
    _cleanup_message_ struct message *message = message_new("qaid", kind, id);
    _cleanup_error_ struct error err = ERROR_NONE;
    message->created = created;
    message->retry = retry;
    message->transaction = json_pack("{s:s}", "id", id);
    strings_append(&message->sent, "Mail=root");
    if (spool_put(directory, message, &err) < 0)
        fail_msg("%s", error_text(&err));
}

/* "KEY KEY", oldest first. */
static char *keys(char ***warnings) {
    _cleanup_strings_ char **list = NULL;
    struct message **messages;
    size_t count;
    assert_int_equal(spool_read(directory, &messages, &count, warnings, NULL), 0);
    for (size_t i = 0; i < count; i++)
        strings_append(&list, messages[i]->key);
    messages_free(messages, count);
    return list ? strings_join(list, " ") : xstrdup("");
}

static void a_message_comes_back_as_it_was(void **state) {
    (void)state;
    struct message **messages;
    size_t count;
    struct stat status;
    put(MESSAGE_ROLLED_BACK, "20261123T031500Z-1f3a", 5, 7);
    assert_int_equal(spool_read(directory, &messages, &count, NULL, NULL), 0);
    assert_int_equal(count, 1);
    assert_string_equal(messages[0]->key, "20261123T031500Z-1f3a-rolled-back");
    assert_string_equal(messages[0]->app, "qaid");
    assert_int_equal(messages[0]->kind, MESSAGE_ROLLED_BACK);
    assert_int_equal(messages[0]->created, 5);
    assert_int_equal(messages[0]->retry, 7);
    assert_string_equal(messages[0]->sent[0], "Mail=root");
    assert_string_equal(json_get_string(messages[0]->transaction, "id", ""), "20261123T031500Z-1f3a");
    messages_free(messages, count);
    _cleanup_free_ char *path = xasprintf("%s/spool/20261123T031500Z-1f3a-rolled-back.json", directory);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void the_oldest_comes_first_and_nothing_is_an_empty_spool(void **state) {
    (void)state;
    _cleanup_free_ char *none = keys(NULL);
    assert_string_equal(none, "");
    put(MESSAGE_UPGRADED, "20261123T031500Z-0000", 3, 0);
    put(MESSAGE_STARTED, "20261123T031500Z-0000", 2, 0);
    put(MESSAGE_FAILED, "ff", 1, 0);
    _cleanup_free_ char *all = keys(NULL);
    assert_string_equal(all, "ff-failed 20261123T031500Z-0000-started 20261123T031500Z-0000-upgraded");
}

static void what_was_told_is_not_put_in_again(void **state) {
    (void)state;
    _cleanup_message_ struct message *message =
        message_new("qaid", MESSAGE_REJECTED, "20261123T031500Z-0000");
    put(MESSAGE_REJECTED, "20261123T031500Z-0000", 1, 0);
    assert_int_equal(spool_remove(directory, message, true, NULL), 1);
    assert_true(spool_told(directory, message->key));
    put(MESSAGE_REJECTED, "20261123T031500Z-0000", 1, 0);
    _cleanup_free_ char *none = keys(NULL);
    assert_string_equal(none, "");
    put(MESSAGE_REJECTED, "20261124T031500Z-0000", 1, 0);
    _cleanup_free_ char *other = keys(NULL);
    assert_string_equal(other, "20261124T031500Z-0000-rejected");
}

static void one_that_was_given_up_may_come_again(void **state) {
    (void)state;
    _cleanup_message_ struct message *message =
        message_new("qaid", MESSAGE_REJECTED, "20261123T031500Z-0000");
    put(MESSAGE_REJECTED, "20261123T031500Z-0000", 1, 0);
    assert_int_equal(spool_remove(directory, message, false, NULL), 1);
    assert_false(spool_told(directory, message->key));
}

static void a_damaged_one_is_named_and_set_aside(void **state) {
    (void)state;
    static const char *const damaged[] = { "{", "[]", "{\"kind\": \"rejected\"}",
                                           "{\"kind\": \"what\", \"app\": \"a\"}" };
    for (size_t i = 0; i < ELEMENTS(damaged); i++) {
        _cleanup_strings_ char **warnings = NULL, **later = NULL;
        _cleanup_free_ char *path = xasprintf("%s/spool/x.json", directory);
        put(MESSAGE_UPGRADED, "20261123T031500Z-0000", 3, 0);
        assert_int_equal(durable_write(AT_FDCWD, path, damaged[i], strlen(damaged[i]), 0600, NULL), 0);
        _cleanup_free_ char *good = keys(&warnings), *again = keys(&later);
        assert_string_equal(good, "20261123T031500Z-0000-upgraded");
        assert_string_equal(again, good);
        assert_int_equal(strings_count(warnings), 1);
        assert_non_null(strstr(warnings[0], "x.json"));
        assert_null(later);
    }
}

static void a_spool_that_nobody_empties_does_not_grow_for_ever(void **state) {
    (void)state;
    for (unsigned i = 0; i < 210; i++) {
        _cleanup_free_ char *id = xasprintf("20261123T031500Z-%04u", i);
        put(MESSAGE_UPGRADED, id, i, 0);
    }
    _cleanup_free_ char *left = keys(NULL);
    assert_null(strstr(left, "Z-0009"));
    assert_true(string_starts_with(left, "20261123T031500Z-0010-upgraded"));
    assert_non_null(strstr(left, "Z-0209"));
}

static void due_is_what_is_not_put_off(void **state) {
    (void)state;
    const usec_t now = 10 * USEC_PER_DAY;
    assert_false(spool_due(directory, now));
    put(MESSAGE_UPGRADED, "20261123T031500Z-0000", 1, now + USEC_PER_MINUTE);
    assert_false(spool_due(directory, now));
    assert_true(spool_due(directory, now + USEC_PER_MINUTE));
    /* a clock that was set back */
    assert_true(spool_due(directory, now - USEC_PER_DAY));
}

static void pauses_grow_to_an_hour(void **state) {
    (void)state;
    static const unsigned minutes[] = { 1, 1, 2, 4, 8, 16, 32, 60, 60 };
    for (size_t i = 0; i < ELEMENTS(minutes); i++)
        assert_int_equal(message_pause((int64_t)i), minutes[i] * USEC_PER_MINUTE);
    assert_int_equal(message_pause(INT64_MAX), USEC_PER_HOUR);
}

static void one_sends_at_a_time(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    int first, second;
    assert_int_equal(spool_lock(directory, &first, &err), 0);
    assert_int_equal(spool_lock(directory, &second, &err), -EBUSY);
    close(first);
    assert_int_equal(spool_lock(directory, &second, &err), 0);
    close(second);
}

/* A file is where the directory should be: nothing can be written there, by root neither. */
static void a_disk_that_takes_nothing_keeps_no_message_back(void **state) {
    (void)state;
    _cleanup_free_ char *memory = xasprintf(SPOOL_MEMORY "/spool-%s", strrchr(directory, '/') + 1);
    _cleanup_free_ char *spool = xasprintf("%s/spool", directory), *aside = xasprintf("%s/aside", directory);
    _cleanup_close_ int lock = -1;
    _cleanup_message_ struct message *again = message_new("qaid", MESSAGE_ROLLED_BACK, "2");
    put(MESSAGE_REFUSED, "1", 5, 7);
    assert_return_code(rename(spool, aside), errno);
    assert_int_equal(durable_write(AT_FDCWD, spool, "", 0, 0600, NULL), 0);
    assert_int_equal(durable_remove_tree(AT_FDCWD, memory, NULL), 0);
    put(MESSAGE_REFUSED, "1", 5, 8); /* now in both places: read once */
    put(MESSAGE_ROLLED_BACK, "2", 6, 7);
    put(MESSAGE_FAILED, "3", 7, 7);
    assert_return_code(unlink(spool), errno);
    assert_return_code(rename(aside, spool), errno);
    _cleanup_free_ char *all = keys(NULL);
    assert_string_equal(all, "1-refused 2-rolled-back 3-failed");
    /* with room again it is written there, and is there once */
    put(MESSAGE_FAILED, "3", 8, 7);
    _cleanup_free_ char *once = keys(NULL), *file = xasprintf("%s/3-failed.json", spool);
    assert_string_equal(once, "1-refused 2-rolled-back 3-failed");
    assert_return_code(access(file, F_OK), errno);
    /* told is told, wherever that is written down */
    assert_return_code(rename(spool, aside), errno);
    assert_int_equal(durable_write(AT_FDCWD, spool, "", 0, 0600, NULL), 0);
    assert_int_equal(spool_lock(directory, &lock, NULL), 0);
    assert_int_equal(spool_remember(directory, again->key, NULL), 0);
    assert_return_code(unlink(spool), errno);
    assert_return_code(rename(aside, spool), errno);
    assert_true(spool_told(directory, again->key));
    assert_int_equal(spool_remove(directory, again, true, NULL), 1);
    _cleanup_free_ char *left = keys(NULL);
    assert_string_equal(left, "1-refused 3-failed");
    put(MESSAGE_ROLLED_BACK, "2", 6, 7);
    _cleanup_free_ char *same = keys(NULL);
    assert_string_equal(same, "1-refused 3-failed");
    assert_int_equal(durable_remove_tree(AT_FDCWD, memory, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_comes_back_as_it_was, enter, leave),
        cmocka_unit_test_setup_teardown(the_oldest_comes_first_and_nothing_is_an_empty_spool, enter, leave),
        cmocka_unit_test_setup_teardown(what_was_told_is_not_put_in_again, enter, leave),
        cmocka_unit_test_setup_teardown(one_that_was_given_up_may_come_again, enter, leave),
        cmocka_unit_test_setup_teardown(a_damaged_one_is_named_and_set_aside, enter, leave),
        cmocka_unit_test_setup_teardown(a_spool_that_nobody_empties_does_not_grow_for_ever, enter, leave),
        cmocka_unit_test_setup_teardown(due_is_what_is_not_put_off, enter, leave),
        cmocka_unit_test(pauses_grow_to_an_hour),
        cmocka_unit_test_setup_teardown(one_sends_at_a_time, enter, leave),
        cmocka_unit_test_setup_teardown(a_disk_that_takes_nothing_keeps_no_message_back, enter, leave),
    };
    return RUN(tests);
}
