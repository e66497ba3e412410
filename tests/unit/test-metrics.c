/* Metrics as text: what promtool(1) says of them, what is left out, and how the file is put in its place. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/audit/metrics.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"

static const char *const phases[] = { "preflight", "backup", "watch", NULL };

static struct metrics full(json_t *transactions, json_t *seconds) {
    return (struct metrics){ .app = "qaid",
                             .version = "1.2.3",
                             .phases = phases,
                             .phase = "watch",
                             .phase_started = 1795403700 * USEC_PER_SEC,
                             .outcome = "rolled-back",
                             .started = 1795403640 * USEC_PER_SEC + 500 * USEC_PER_MSEC,
                             .ended = 1795400000 * USEC_PER_SEC,
                             .upgraded = 1795300000 * USEC_PER_SEC,
                             .transactions = transactions,
                             .seconds = seconds,
                             .snapshots_known = true,
                             .snapshots = 7,
                             .snapshots_bytes = 123456789012,
                             .verified = 1795403650 * USEC_PER_SEC,
                             .verified_bytes = 12345678901,
                             .quarantine_known = true,
                             .quarantines = 1,
                             .quarantine_bytes = 4096 };
}

/* It reads them as a collector does, and complains of names and help texts that break the conventions. */
static void check_by_promtool(const char *text) {
    char *argv[] = { "promtool", "check", "metrics", NULL };
    const struct process process = { .argv = argv,
                                     .input = text,
                                     .deadline = deadline_in(60 * USEC_PER_SEC) };
    _cleanup_process_result_ struct process_result result = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    if (process_run(&process, &result, &err) != 0)
        fail_msg("%s: %s%s", error_text(&err), result.errors.text ? result.errors.text : "", text);
    assert_int_equal(result.output.size + result.errors.size, 0);
}

static void assert_line(const char *text, const char *line) {
    _cleanup_free_ char *wanted = xasprintf("\n%s\n", line);
    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in:\n%s", line, text);
}

static void promtool_has_nothing_to_say(void **state) {
    (void)state;
    _cleanup_json_ json_t *transactions = json_pack("{s:i, s:i}", "upgraded", 3, "rolled-back", 1);
    _cleanup_json_ json_t *seconds =
        json_pack("{s:f, s:f, s:f, s:f, s:f}", "backup", 3.25, "watch", 61.0, "downtime", 11.5, "rollback",
                  6.25, "freeze-of-a-later-version", 1.0);
    struct metrics metrics = full(transactions, seconds);
    _cleanup_free_ char *text = metrics_render(&metrics);
    check_by_promtool(text);
    static const char *const lines[] = {
        "upgrade_watchdog_info{app=\"qaid\",version=\"1.2.3\"} 1",
        "upgrade_watchdog_last_outcome{app=\"qaid\",outcome=\"upgraded\"} 0",
        "upgrade_watchdog_last_outcome{app=\"qaid\",outcome=\"rolled-back\"} 1",
        "# TYPE upgrade_watchdog_transactions_total counter",
        "upgrade_watchdog_transactions_total{app=\"qaid\",outcome=\"upgraded\"} 3",
        "upgrade_watchdog_transactions_total{app=\"qaid\",outcome=\"refused\"} 0",
        "upgrade_watchdog_in_progress{app=\"qaid\",phase=\"watch\"} 1",
        "upgrade_watchdog_in_progress{app=\"qaid\",phase=\"backup\"} 0",
        "upgrade_watchdog_phase_start_timestamp_seconds{app=\"qaid\"} 1795403700",
        "upgrade_watchdog_last_start_timestamp_seconds{app=\"qaid\"} 1795403640.5",
        "upgrade_watchdog_last_end_timestamp_seconds{app=\"qaid\"} 1795400000",
        "upgrade_watchdog_last_upgraded_timestamp_seconds{app=\"qaid\"} 1795300000",
        "upgrade_watchdog_phase_duration_seconds{app=\"qaid\",phase=\"backup\"} 3.25",
        "upgrade_watchdog_downtime_seconds{app=\"qaid\"} 11.5",
        "upgrade_watchdog_rollback_seconds{app=\"qaid\"} 6.25",
        "upgrade_watchdog_snapshots{app=\"qaid\"} 7",
        "upgrade_watchdog_snapshots_size_bytes{app=\"qaid\"} 123456789012",
        "upgrade_watchdog_snapshot_verified_timestamp_seconds{app=\"qaid\"} 1795403650",
        "upgrade_watchdog_snapshot_verified_size_bytes{app=\"qaid\"} 12345678901",
        "upgrade_watchdog_quarantines{app=\"qaid\"} 1",
        "upgrade_watchdog_quarantine_size_bytes{app=\"qaid\"} 4096",
    };
    for (size_t i = 0; i < ELEMENTS(lines); i++)
        assert_line(text, lines[i]);
    assert_null(strstr(text, "later-version"));
}

static void what_is_not_known_is_left_out(void **state) {
    (void)state;
    const struct metrics metrics = { .app = "qaid", .version = "1.2.3", .phases = phases };
    _cleanup_free_ char *text = metrics_render(&metrics);
    check_by_promtool(text);
    assert_line(text, "upgrade_watchdog_in_progress{app=\"qaid\",phase=\"watch\"} 0");
    assert_line(text, "upgrade_watchdog_last_outcome{app=\"qaid\",outcome=\"upgraded\"} 0");
    static const char *const names[] = { "timestamp", "snapshot", "quarantine", "downtime",
                                         "rollback_seconds" };
    for (size_t i = 0; i < ELEMENTS(names); i++)
        if (strstr(text, names[i]))
            fail_msg("%s is there:\n%s", names[i], text);
}

static void a_label_may_hold_anything(void **state) {
    (void)state;
    const struct metrics metrics = { .app = "a\"b\\c\nd{}", .version = "1", .phases = phases };
    _cleanup_free_ char *text = metrics_render(&metrics);
    check_by_promtool(text);
    assert_line(text, "upgrade_watchdog_info{app=\"a\\\"b\\\\c\\nd{}\",version=\"1\"} 1");
}

static int enter(void **state) {
    char *directory = xstrdup("/tmp/test-metrics-XXXXXX");
    *state = mkdtemp(directory);
    return *state && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state) {
    _cleanup_free_ char *directory = *state;
    return chdir("/") == 0 ? durable_remove_tree(AT_FDCWD, directory, NULL) : -1;
}

static void the_file_is_replaced_as_a_whole_and_everybody_may_read_it(void **state) {
    _cleanup_free_ char *path = xasprintf("%s/qaid.prom", (char *)*state), *text = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    struct stat status, second;
    mode_t mask = umask(0077);
    assert_int_equal(metrics_write(path, "first and longer\n", &err), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    assert_int_equal(link(path, "reader"), 0);
    assert_int_equal(metrics_write(path, "second\n", &err), 0);
    umask(mask);
    assert_int_equal(file_read(AT_FDCWD, path, 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "second\n");
    assert_int_equal(stat("reader", &second), 0);
    assert_int_equal(second.st_size, 17); /* who has it open sees the old one whole */
    assert_int_equal(access(".qaid.prom.new", F_OK), -1);
}

/* The collector's directory may belong to another user, who may be anybody's tool. */
static void what_somebody_has_laid_out_is_not_written_to(void **state) {
    _cleanup_free_ char *path = xasprintf("%s/qaid.prom", (char *)*state), *text = NULL;
    assert_int_equal(durable_write(AT_FDCWD, "precious", "precious", 8, 0600, NULL), 0);
    assert_int_equal(symlink("precious", ".qaid.prom.new"), 0);
    assert_int_equal(symlink("precious", "qaid.prom"), 0);
    assert_int_equal(metrics_write(path, "metrics\n", NULL), 0);
    assert_int_equal(unlink("qaid.prom"), 0);
    assert_int_equal(link("precious", ".qaid.prom.new"), 0);
    assert_int_equal(metrics_write(path, "metrics\n", NULL), 0);
    assert_int_equal(file_read(AT_FDCWD, "precious", 100, &text, NULL, NULL), 0);
    assert_string_equal(text, "precious");
}

static void a_directory_that_is_not_there_is_named(void **state) {
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(metrics_write("/nowhere/at/all/qaid.prom", "metrics\n", &err), -ENOENT);
    assert_non_null(strstr(error_text(&err), "\"/nowhere/at/all/qaid.prom\""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promtool_has_nothing_to_say),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(a_label_may_hold_anything),
        cmocka_unit_test_setup_teardown(the_file_is_replaced_as_a_whole_and_everybody_may_read_it, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(what_somebody_has_laid_out_is_not_written_to, enter, leave),
        cmocka_unit_test(a_directory_that_is_not_there_is_named),
    };
    return RUN(tests);
}
