/* The command line: what it means, and the exact words about what it does not. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "watchdog/commands/options.h"

#define ARGUMENTS(...) ((const char *const[]){ "upgrade-watchdog", __VA_ARGS__, NULL })

static int parse(const char *const *argv, struct options *ret, struct error *err) {
    return options_parse((int)strings_count((char *const *)argv), (char *const *)argv, ret, err);
}

static void options_may_stand_anywhere(void **state) {
    (void)state;
    const char *const *const cases[] = {
        ARGUMENTS("--config-dir", "/c", "--state-dir=/s", "--json", "report", "qaid", "ID"),
        ARGUMENTS("report", "qaid", "ID", "--json", "--state-dir", "/s", "--config-dir=/c"),
        ARGUMENTS("report", "--json", "qaid", "--config-dir=/c", "--state-dir=/s", "--", "ID"),
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct options options;
        _cleanup_error_ struct error err = ERROR_NONE;
        if (parse(cases[i], &options, &err) < 0)
            fail_msg("%s", error_text(&err));
        assert_string_equal(options.command->name, "report");
        assert_string_equal(options.config_directory, "/c");
        assert_string_equal(options.state_directory, "/s");
        assert_string_equal(options.app, "qaid");
        assert_string_equal(options.id, "ID");
        assert_true(options.json);
    }
}

static void what_is_left_out_has_its_default(void **state) {
    (void)state;
    struct options options;
    assert_int_equal(parse(ARGUMENTS("history"), &options, NULL), 0);
    assert_string_equal(options.config_directory, "/etc/upgrade-watchdog");
    assert_string_equal(options.state_directory, "/var/lib/upgrade-watchdog");
    assert_null(options.app);
    assert_false(options.json);
}

static void help_and_version_need_nothing_else(void **state) {
    (void)state;
    static const struct {
        const char *const arguments[3];
        const char *command; /* NULL: the whole program */
        bool help, version;
    } cases[] = {
        { { "--help" }, NULL, true, false },
        { { "-h" }, NULL, true, false },
        { { "help" }, NULL, true, false },
        { { "help", "report" }, "report", true, false },
        { { "report", "--help" }, "report", true, false },
        { { "help", "init" }, "init", true, false },
        { { "init", "--help" }, "init", true, false },
        { { "--version" }, NULL, false, true },
        { { "history", "--version" }, "history", false, true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct options options;
        _cleanup_error_ struct error err = ERROR_NONE;
        const char *const argv[] = { "upgrade-watchdog", cases[i].arguments[0], cases[i].arguments[1], NULL };
        if (parse(argv, &options, &err) < 0)
            fail_msg("%s", error_text(&err));
        assert_true(options.help == cases[i].help && options.version == cases[i].version);
        assert_true(string_equal(options.command ? options.command->name : NULL, cases[i].command));
    }
}

static void wrong_use_is_said_in_a_sentence(void **state) {
    (void)state;
    const struct {
        const char *const *argv;
        const char *expected;
    } cases[] = {
        { ARGUMENTS("--json"), "a command is missing; see upgrade-watchdog --help" },
        { ARGUMENTS("reprot"), "unknown command \"reprot\"; did you mean report?" },
        { ARGUMENTS("frobnicate"), "unknown command \"frobnicate\"; see upgrade-watchdog --help" },
        { ARGUMENTS("help", "reprot"), "unknown command \"reprot\"; did you mean report?" },
        { ARGUMENTS("help", "report", "x"), "too many arguments, \"x\" and what follows" },
        { ARGUMENTS("report", "--jsno", "x"), "unknown option \"--jsno\"; did you mean --json?" },
        { ARGUMENTS("report", "-x"), "unknown option \"-x\"; see upgrade-watchdog --help" },
        { ARGUMENTS("report", "x", "--json=yes"), "\"--json\" takes no value" },
        { ARGUMENTS("report", "x", "--state-dir"), "\"--state-dir\" wants DIR behind it" },
        { ARGUMENTS("report", "x", "--state-dir="), "\"--state-dir\" wants DIR behind it" },
        { ARGUMENTS("report"), "report wants APP [ID]" },
        { ARGUMENTS("report", ""), "an argument is empty" },
        { ARGUMENTS("report", "a", "b", "c"), "report does not want \"c\", expected APP [ID]" },
        { ARGUMENTS("report", "a", "b", "c", "d"), "too many arguments, \"d\" and what follows" },
        { ARGUMENTS("history", "a", "b"), "history does not want \"b\", expected [APP]" },
        { ARGUMENTS("report", "a", "--out=x"), "\"--out\" comes with a later version" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct options options;
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(parse(cases[i].argv, &options, &err), -EINVAL);
        assert_string_equal(error_text(&err), cases[i].expected);
    }
    struct options options;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_int_equal(options_parse(0, (char *const[]){ NULL }, &options, &err), -EINVAL);
}

static void what_comes_later_is_said_to_come_later(void **state) {
    (void)state;
    const struct {
        const char *const *argv;
        const char *expected;
    } cases[] = {
        { ARGUMENTS("init", "/opt/qaid"), "init comes with a later version" },
        { ARGUMENTS("hold", "qaid", "3d"), "hold comes with a later version" },
        { ARGUMENTS("approve", "qaid", "1.3.0"), "approve comes with a later version" },
        { ARGUMENTS("rehearse", "qaid"), "rehearse comes with a later version" },
        { ARGUMENTS("salvage", "qaid", "ID"), "salvage comes with a later version" },
        { ARGUMENTS("salvage", "qaid", "ID", "--out", "x"), "\"--out\" comes with a later version" },
        { ARGUMENTS("report", "qaid", "--html", "x"), "\"--html\" comes with a later version" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct options options;
        _cleanup_error_ struct error err = ERROR_NONE;
        assert_int_equal(parse(cases[i].argv, &options, &err), -EINVAL);
        assert_string_equal(error_text(&err), cases[i].expected);
    }
}

static void help_names_every_command_and_option(void **state) {
    (void)state;
    _cleanup_free_ char *whole = options_help(NULL);
    for (const struct command *command = commands; command->name; command++) {
        _cleanup_free_ char *line = xasprintf("\n  %s ", command->name);
        assert_non_null(strstr(whole, line));
        assert_non_null(strstr(whole, command->summary));
        assert_true(string_equal(command_find(command->name)->name, command->name));
        _cleanup_free_ char *own = options_help(command);
        for (const struct option_row *row = command->options; row && row->name; row++) {
            assert_non_null(strstr(own, row->name));
            assert_non_null(strstr(own, row->help));
        }
        for (size_t i = 0; i < command->required; i++)
            assert_true(command->offsets[i] != 0);
    }
    for (const struct option_row *row = global_options; row->name; row++)
        assert_non_null(strstr(whole, row->name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_may_stand_anywhere),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(help_and_version_need_nothing_else),
        cmocka_unit_test(wrong_use_is_said_in_a_sentence),
        cmocka_unit_test(what_comes_later_is_said_to_come_later),
        cmocka_unit_test(help_names_every_command_and_option),
    };
    return RUN(tests);
}
