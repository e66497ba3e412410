/* Commands as probes: exit statuses, what they are given, and that nothing of them stays. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/baseline.h"
#include "probes/command.h"
#include "probes/round.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/process.h"
#include "watchdog/config/settings.h"

#define SECRET "s3cret 'pw\" %{x}"

static char *directory;

static int begin(void **state) {
    (void)state;
    directory = xstrdup("/tmp/test-command.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    _cleanup_free_ char *path = xasprintf("%s/secret", directory);
    return durable_write(AT_FDCWD, path, SECRET, strlen(SECRET), 0600, NULL);
}

static int end(void **state) {
    (void)state;
    durable_remove_tree(AT_FDCWD, directory, NULL);
    free(directory);
    return 0;
}

/* One round of one or more probes; the first one's report. */
static json_t *look(const char *probes) {
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    _cleanup_probe_round_ struct probe_round round = { 0 };
    _cleanup_error_ struct error err = ERROR_NONE;
    struct probe_memory *memory = probe_memory_new();
    _cleanup_free_ char *text =
        xasprintf("[App]\nDirectory=/tmp\nBaseUrl=http://127.0.0.1:9\n[Database]\nService=db\nName=app\n"
                  "User=app\n%s",
                  probes);
    if (settings_parse("app", "/tmp/app.conf", text, strlen(text), &settings, &err) < 0 ||
        probe_set_new(settings, &set, &err) < 0)
        fail_msg("%s", error_text(&err));
    const struct probe_view view = { .settings = settings, .project = "app", .explain = "it" };
    if (probe_round_run(set, &view, memory, deadline_in(USEC_PER_MINUTE), &round, &err) < 0)
        fail_msg("%s", error_text(&err));
    json_t *report = probe_report_to_json(&round.reports[0]);
    if (round.reports[0].explained)
        json_object_set(report, "explained", round.reports[0].explained);
    probe_memory_free(memory);
    return report;
}

static void expect(const char *keys, const char *result, const char *words) {
    _cleanup_free_ char *section = xasprintf("[Probe it]\nKind=command\n%s", keys);
    _cleanup_json_ json_t *report = look(section);
    _cleanup_free_ char *text = json_text(report);
    if (!string_equal(json_get_string(report, "result", ""), result) || !strstr(text, words))
        fail_msg("%s: %s", keys, text);
    if (strstr(text, "s3cret"))
        fail_msg("a secret is shown: %s", text);
}

static void words_are_split_without_a_shell(void **state) {
    (void)state;
    static const struct {
        const char *line, *words; /* joined by '|'; NULL: refused */
    } cases[] = {
        { "/bin/a b  c", "/bin/a|b|c" },
        { "/bin/a 'b c' \"d e\"", "/bin/a|b c|d e" },
        { "/bin/a b' 'c", "/bin/a|b c" },
        { "/bin/a ''", "/bin/a|" },
        { "/bin/a \\'b \"c\\\"d\" 'e\\f'", "/bin/a|'b|c\"d|e\\f" },
        { "/bin/a $HOME `x` ; | > *", "/bin/a|$HOME|`x`|;|||>|*" },
        { "/bin/a 'b", NULL },
        { "/bin/a \"b", NULL },
        { "/bin/a \\", NULL },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_strings_ char **words = NULL;
        int r = command_words(cases[i].line, &words, NULL);
        _cleanup_free_ char *joined = r == 0 ? strings_join(words, "|") : NULL;
        if (r != (cases[i].words ? 0 : -EINVAL) || !string_equal(joined, cases[i].words))
            fail_msg("%s: %s", cases[i].line, joined ? joined : "refused");
    }
}

static void exit_statuses_are_those_of_nagios(void **state) {
    (void)state;
    static const struct {
        const char *keys, *result, *words;
    } cases[] = {
        { "Command=/bin/sh -c 'echo OK - fine | cat; exit 0'\n", "pass", "exited with 0: OK - fine" },
        { "Command=/bin/sh -c 'echo \"WARNING - 80 % used|used=80\"; exit 1'\n", "fail",
          "\\\"sh\\\" exited with 1: WARNING - 80 % used\"" },
        { "Command=/bin/sh -c 'echo gone >&2; exit 2'\n", "fail", "exited with 2: gone" },
        { "Command=/bin/sh -c 'exit 3'\n", "unknown", "exited with 3" },
        { "Command=/bin/sh -c 'exit 77'\n", "fail", "exited with 77" },
        { "Command=/bin/sh -c /no/such/program\n", "unknown", "exited with 127" },
        { "Command=/bin/sh -c 'kill -SEGV $$'\n", "unknown", "ended by the signal 11" },
        { "Command=/bin/sleep 30\nTimeout=1s\n", "unknown", "did not end in time" },
        { "Command=/no/such/program\n", "unknown", "No such file" },
        { "Command=/etc/passwd\n", "unknown", "expected a file that can be executed" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect(cases[i].keys, cases[i].result, cases[i].words);
}

static void the_output_is_judged_like_any_answer(void **state) {
    (void)state;
    static const struct {
        const char *keys, *result, *words;
    } cases[] = {
        { "Command=/bin/echo '{\"rows\": 7}'\nAssert=.rows > 5\n", "pass", "" },
        { "Command=/bin/echo '{\"rows\": 7}'\nAssert=.rows > 7\n", "fail",
          "Assert=.rows > 7 does not hold: 7 > 7" },
        { "Command=/bin/echo rows 7\nAssert=.rows > 5\n", "fail", "not valid JSON" },
        { "Command=/bin/echo all is well\nMatch=well$\n", "pass", "" },
        { "Command=/bin/echo all is well\nNoMatch=well\n", "fail", "an output that matches" },
        { "Command=/bin/sleep 0.2\nMaxTime=100ms\n", "fail", "MaxTime=100ms allows 100ms" },
        { "Command=/bin/echo\nVersion=~(\\d+)\n", "fail", "Version=~(\\\\d+) gives nothing" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect(cases[i].keys, cases[i].result, cases[i].words);
}

static void its_surroundings_are_clean(void **state) {
    (void)state;
    setenv("LEAK", "leaked", 1);
    static const char *const cases[] = {
        ("Command=/usr/bin/env\nNoMatch=LEAK\nMatch=(?m)^UPGRADE_APP=app$\n"
         "Match=(?m)^UPGRADE_BASE_URL=http://127.0.0.1:9$\n"),
        "Command=/bin/pwd\nMatch=^/\\n$\n",
        ("Command=/bin/sh -c 'echo \"$PW\"'\nEnvironment=PW=<%{secret}>\n"
         "Match=^<s[3]cret 'pw\" %\\{x\\}>$\n"),
        "Command=/bin/cat\nInput=pw=%{secret};\nMatch=^pw=s[3]cret 'pw\" %\\{x\\};$\n",
        "Command=/bin/cat\nMatch=^$\n",
        /* its own directory is the fourth */
        "Command=/bin/ls /proc/self/fd\nMatch=^0\\n1\\n2\\n3\\n$\n",
        "Command=/bin/sh -c 'ulimit -v'\nMatch=unlimited\n",
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        expect(cases[i], "pass", "");
}

static bool runs(const char *argument) {
    char *const argv[] = { "pgrep", "-f", (char *)argument, NULL };
    const struct process process = { .argv = argv, .deadline = deadline_in(USEC_PER_MINUTE) };
    return process_run(&process, NULL, NULL) == 0;
}

static void nothing_of_it_stays(void **state) {
    (void)state;
    expect("Command=/bin/sh -c 'setsid sleep 98765.1 & sleep 98765.2 & sleep 98765.3'\nTimeout=1s\n",
           "unknown", "did not end in time");
    assert_false(runs("sleep 98765"));
    expect("Command=/bin/sh -c 'setsid sh -c \"sleep 98765.4 & sleep 98765.5\" >/dev/null 2>&1 & exit 0'\n",
           "pass", "exited with 0");
    assert_false(runs("sleep 98765"));
}

static void no_secret_of_it_is_shown(void **state) {
    (void)state;
    expect("Command=/bin/sh -c 'echo $PW; echo $PW >&2; cat; exit "
           "2'\nEnvironment=PW=%{secret}\nInput=%{secret}\n",
           "fail", "exited with 2: ***");
}

static void a_file_that_others_can_change_is_refused(void **state) {
    (void)state;
    _cleanup_free_ char *path = xasprintf("%s/check", directory);
    static const struct {
        mode_t mode, directory_mode;
        bool good;
    } cases[] = {
        { 0755, 0700, true },  { 0700, 0755, true },  { 0644, 0700, false },
        { 0775, 0700, false }, { 0757, 0700, false }, { 0755, 0777, false },
    };
    assert_int_equal(durable_write(AT_FDCWD, path, "#!/bin/sh\n", 10, 0755, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        chmod(path, cases[i].mode);
        chmod(directory, cases[i].directory_mode);
        int r = command_check_file(path, &err);
        if ((r == 0) != cases[i].good)
            fail_msg("%zu: %s", i, error_text(&err));
    }
    chmod(directory, 0700);
    if (geteuid() == 0) {
        chmod(path, 0755);
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_int_equal(command_check_file(path, NULL), -EPERM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_without_a_shell),
        cmocka_unit_test(exit_statuses_are_those_of_nagios),
        cmocka_unit_test(the_output_is_judged_like_any_answer),
        cmocka_unit_test(its_surroundings_are_clean),
        cmocka_unit_test(nothing_of_it_stays),
        cmocka_unit_test(no_secret_of_it_is_shown),
        cmocka_unit_test(a_file_that_others_can_change_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
