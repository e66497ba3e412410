/* Metrics gathered from a state directory, in a child that holds nobody up. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/commands/measure.h"

struct place {
    char *root, *textfile;
    struct state *state;
    struct measure measure;
};

static int place_make(void **state) {
    struct place *place = xcalloc(1, sizeof(*place));
    place->root = xstrdup("/tmp/test-measure-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    place->textfile = xasprintf("%s/qaid.prom", place->root);
    assert_int_equal(state_open(place->root, "qaid", true, &place->state, NULL), 0);
    place->measure = (struct measure){ .state = place->state, .textfile = place->textfile };
    *state = place;
    return 0;
}

static int place_done(void **state) {
    struct place *place = *state;
    state_free(place->state);
    int r = durable_remove_tree(AT_FDCWD, place->root, NULL);
    free(place->root);
    free(place->textfile);
    free(place);
    return r;
}

static void close_one(const struct place *place, const char *id, enum outcome outcome, usec_t second) {
    _cleanup_record_ struct record *record = record_new("qaid", KIND_UPGRADE);
    replace_string(record->id, xstrdup(id));
    record->outcome = (int)outcome;
    record->started = second * USEC_PER_SEC;
    record->finished = (second + 60) * USEC_PER_SEC;
    record_seconds(record, "backup", 3 * USEC_PER_SEC);
    assert_int_equal(state_close(place->state, record, NULL), 0);
}

static char *written(const struct place *place) {
    char *text = NULL;
    assert_int_equal(file_read(AT_FDCWD, place->textfile, 1024 * 1024, &text, NULL, NULL), 0);
    return text;
}

static void assert_has(const char *text, const char *line) {
    _cleanup_free_ char *wanted = xasprintf("\nupgrade_watchdog_%s\n", line);
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in:\n%s", line, text);
}

static void all_that_the_state_directory_knows_is_there(void **state) {
    struct place *place = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    close_one(place, "20261121T031500Z-0001", OUTCOME_UPGRADED, 1795200000);
    close_one(place, "20261122T031500Z-0002", OUTCOME_UPGRADED, 1795300000);
    close_one(place, "20261123T031500Z-0003", OUTCOME_ROLLED_BACK, 1795400000);
    _cleanup_free_ char *quarantine = state_path(place->state, "quarantine/20261123T031500Z-0003-1/data"),
                        *file = xasprintf("%s/file", quarantine);
    char bytes[100000];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(durable_mkdir(quarantine, 0700, NULL), 0);
    assert_int_equal(durable_write(AT_FDCWD, file, bytes, sizeof(bytes), 0600, NULL), 0);
    if (measure_write(&place->measure, &err) < 0)
        fail_msg("%s", error_text(&err));
    _cleanup_free_ char *text = written(place);
    assert_has(text, "last_outcome{app=\"qaid\",outcome=\"rolled-back\"} 1");
    assert_has(text, "transactions_total{app=\"qaid\",outcome=\"upgraded\"} 2");
    assert_has(text, "in_progress{app=\"qaid\",phase=\"backup\"} 0");
    assert_has(text, "in_progress{app=\"qaid\",phase=\"forget\"} 0");
    assert_has(text, "last_start_timestamp_seconds{app=\"qaid\"} 1795400000");
    assert_has(text, "last_end_timestamp_seconds{app=\"qaid\"} 1795400060");
    assert_has(text, "last_upgraded_timestamp_seconds{app=\"qaid\"} 1795300060");
    assert_has(text, "phase_duration_seconds{app=\"qaid\",phase=\"backup\"} 3");
    assert_has(text, "snapshots{app=\"qaid\"} 0");
    assert_has(text, "quarantines{app=\"qaid\"} 1");
    const char *size = strstr(text, "\nupgrade_watchdog_quarantine_size_bytes{app=\"qaid\"} ");
    assert_non_null(size);
    assert_true(strtoul(strchr(size, ' '), NULL, 10) >= sizeof(bytes));
}

static void an_open_transaction_is_in_its_phase(void **state) {
    struct place *place = *state;
    _cleanup_record_ struct record *record = record_new("qaid", KIND_UPGRADE);
    close_one(place, "20261121T031500Z-0001", OUTCOME_UPGRADED, 1795200000);
    record->phase = PHASE_WATCH;
    record->started = 1795400000 * USEC_PER_SEC;
    record->phase_started = 1795400030 * USEC_PER_SEC;
    assert_int_equal(state_save(place->state, record, NULL), 0);
    assert_int_equal(measure_write(&place->measure, NULL), 0);
    _cleanup_free_ char *text = written(place);
    assert_has(text, "in_progress{app=\"qaid\",phase=\"watch\"} 1");
    assert_has(text, "phase_start_timestamp_seconds{app=\"qaid\"} 1795400030");
    assert_has(text, "last_start_timestamp_seconds{app=\"qaid\"} 1795400000");
    assert_has(text, "last_outcome{app=\"qaid\",outcome=\"upgraded\"} 1");
    record->phase = PHASE_UNDO_DATA;
    record->outcome = OUTCOME_ROLLBACK_FAILED;
    assert_int_equal(state_save(place->state, record, NULL), 0);
    assert_int_equal(measure_write(&place->measure, NULL), 0);
    _cleanup_free_ char *failed = written(place);
    assert_has(failed, "last_outcome{app=\"qaid\",outcome=\"rollback-failed\"} 1");
    assert_has(failed, "last_outcome{app=\"qaid\",outcome=\"upgraded\"} 0");
}

static void one_that_cannot_be_written_says_why(void **state) {
    struct place *place = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    place->measure.textfile = "/nowhere/at/all/qaid.prom";
    assert_true(measure_write(&place->measure, &err) < 0);
    assert_non_null(strstr(error_text(&err), "the metrics (Textfile=) were not written: cannot open"));
    assert_non_null(strstr(error_text(&err), "\"/nowhere/at/all/qaid.prom\": No such file or directory"));
    place->measure.textfile = NULL;
    assert_int_equal(measure_write(&place->measure, &err), 0);
}

/* A record that is a pipe holds up whoever reads it. */
static void put_hanging_record(const struct place *place) {
    _cleanup_free_ char *path = state_path(place->state, "transactions/20261121T031500Z-0001.json");
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void a_child_that_hangs_is_not_waited_for(void **state) {
    struct place *place = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    put_hanging_record(place);
    usec_t begun = clock_monotonic();
    assert_int_equal(measure_write(&place->measure, &err), -ETIME);
    assert_true(clock_monotonic() - begun < 10 * USEC_PER_SEC);
    assert_string_equal(error_text(&err),
                        "the metrics (Textfile=) were not written: it did not end in its time");
}

static void the_locks_are_not_the_childs(void **state) {
    struct place *place = *state;
    _cleanup_state_ struct state *other = NULL;
    int r = -EBUSY;
    put_hanging_record(place);
    assert_int_equal(state_lock(place->state, deadline_in(0), NULL), 0);
    measure_begin(&place->measure);
    pid_t pid = place->measure.child.pid;
    assert_true(pid > 0);
    state_free(place->state);
    assert_int_equal(state_open(place->root, "qaid", false, &place->state, NULL), 0);
    assert_int_equal(state_open(place->root, "qaid", false, &other, NULL), 0);
    for (usec_t deadline = deadline_in(10 * USEC_PER_SEC); r == -EBUSY && deadline_sleep(deadline, 10000);)
        r = state_lock(other, deadline_in(0), NULL);
    assert_int_equal(r, 0);
    assert_int_equal(kill(pid, 0), 0);
    measure_done(&place->measure);
    assert_int_equal(place->measure.child.pid, 0);
    assert_int_equal(kill(pid, 0), -1);
}

int main(void) {
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, place_make, place_done)
    const struct CMUnitTest tests[] = {
        IN_PLACE(all_that_the_state_directory_knows_is_there),
        IN_PLACE(an_open_transaction_is_in_its_phase),
        IN_PLACE(one_that_cannot_be_written_says_why),
        IN_PLACE(a_child_that_hangs_is_not_waited_for),
        IN_PLACE(the_locks_are_not_the_childs),
    };
    return RUN(tests);
}
