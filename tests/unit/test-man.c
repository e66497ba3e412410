/* The manual says what the tables say: every key, command, option, phase and exit status, and none besides.
 */

#include "tests/unit/unit.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "probes/answer.h"
#include "probes/migrations.h"
#include "probes/set.h"
#include "watchdog/audit/journal.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"
#include "watchdog/commands/options.h"
#include "watchdog/config/setting.h"
#include "watchdog/transaction/machine.h"

#define CONF "watchdog/man/upgrade-watchdog.conf.5"
#define UNIT "units/upgrade-watchdog@.service.in"
#define PROGRAM "watchdog/man/upgrade-watchdog.8"

/* The page without the escapes of roff that its words hold. */
static char *read_page(const char *path) {
    _cleanup_free_ char *text = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (file_read(AT_FDCWD, path, 1024 * 1024, &text, NULL, &err) < 0)
        fail_msg("%s", error_text(&err));
    struct buffer plain = { 0 };
    for (const char *at = text; *at; at++) {
        if (at[0] == '\\' && at[1] == 'f' && at[2])
            at += 2; /* a font */
        else if (at[0] != '\\' || at[1] != '-')
            buffer_append(&plain, at, 1);
    }
    return buffer_take(&plain);
}

/* What stands between a line and the next one that begins as @end; NULL when the line is not there. */
static char *part(const char *page, const char *line, const char *end) {
    _cleanup_free_ char *begin = xasprintf("\n%s\n", line);
    const char *at = strstr(page, begin);
    if (!at)
        return NULL;
    at += strlen(begin);
    _cleanup_free_ char *stop = xasprintf("\n%s", end);
    const char *over = strstr(at, stop);
    return over ? xstrndup(at, (size_t)(over + 1 - at)) : xstrdup(at);
}

static void check_key(const char *section, const struct setting *setting) {
    _cleanup_free_ char *line = xasprintf(".TP\n.B %s=", setting->key);
    _cleanup_free_ char *begun = xasprintf("\n%s", section);
    _cleanup_free_ char *text = part(begun, line, ".TP");
    if (!text)
        fail_msg("%s: [%s] %s= is missing", CONF, setting->section, setting->key);
    _cleanup_free_ char *fallback = xasprintf("\nDefault: %s.\n", setting->fallback ? setting->fallback : "");
    if ((setting->fallback != NULL) != (strstr(text, "\nDefault: ") != NULL) ||
        (setting->fallback && !strstr(text, fallback)))
        fail_msg("%s: [%s] %s= has another default than in the table", CONF, setting->section, setting->key);
    if ((setting->required != 0) != (strstr(text, "\nRequired.\n") != NULL))
        fail_msg("%s: [%s] %s=: whether it is required", CONF, setting->section, setting->key);
    if ((setting->storage == SETTING_LIST) != (strstr(text, "\nMay be given several times.\n") != NULL))
        fail_msg("%s: [%s] %s=: whether it repeats", CONF, setting->section, setting->key);
}

static void every_key_stands_in_its_section_with_its_default(void **state) {
    (void)state;
    _cleanup_free_ char *page = read_page(CONF);
    for (const struct setting *setting = settings_table; setting->section; setting++) {
        _cleanup_free_ char *line = xasprintf(".SH SECTION [%s]", setting->section);
        _cleanup_free_ char *section = part(page, line, ".SH");
        if (!section)
            fail_msg("%s: [%s] is missing", CONF, setting->section);
        check_key(section, setting);
    }
}

static void no_key_stands_there_that_does_not_exist(void **state) {
    (void)state;
    _cleanup_free_ char *page = read_page(CONF);
    static const char *const sections[] = { "App", "Database", "Snapshot", "Watch", "Metrics", "Notify" };
    for (size_t i = 0; i < ELEMENTS(sections); i++) {
        _cleanup_free_ char *line = xasprintf(".SH SECTION [%s]", sections[i]);
        _cleanup_free_ char *section = part(page, line, ".SH");
        for (const char *at = section; at && (at = strstr(at, "\n.TP\n.B ")); at++) {
            const char *name = at + strlen("\n.TP\n.B ");
            _cleanup_free_ char *key = xstrndup(name, strcspn(name, "=\n"));
            if (!setting_find(sections[i], key))
                fail_msg("%s: [%s] %s= is not in the table", CONF, sections[i], key);
        }
    }
}

static void check_probe_key(const char *section, const char *where, const struct probe_key *key) {
    _cleanup_free_ char *line = xasprintf(".TP\n.B %s=", key->name);
    _cleanup_free_ char *begun = xasprintf("\n%s", section);
    _cleanup_free_ char *text = part(begun, line, ".TP");
    if (!text)
        fail_msg("%s: %s= of %s is missing", CONF, key->name, where);
    if (key->required != (strstr(text, "\nRequired.\n") != NULL))
        fail_msg("%s: %s= of %s: whether it is required", CONF, key->name, where);
    if (key->repeatable != (strstr(text, "\nMay be given several times.\n") != NULL))
        fail_msg("%s: %s= of %s: whether it repeats", CONF, key->name, where);
}

static bool is_judged(const struct probe_key *keys, const char *name) {
    for (const struct probe_key *key = answer_keys; keys != answer_keys && key->name; key++)
        if (string_equal(key->name, name))
            return true;
    return false;
}

/* Keys and nothing but them: as many entries as keys. Those that several kinds share stand in one place. */
static void check_probe_keys(const char *page, const char *title, const struct probe_key *keys) {
    _cleanup_free_ char *line = xasprintf(".SS %s", title);
    _cleanup_free_ char *section = part(page, line, ".S");
    size_t entries = 0, count = 0;
    if (!section)
        fail_msg("%s: \"%s\" is missing", CONF, title);
    for (const struct probe_key *key = keys; key && key->name; key++)
        if (!is_judged(keys, key->name)) {
            check_probe_key(section, title, key);
            count++;
        }
    for (const char *at = section; (at = strstr(at, ".TP\n")); at++)
        entries++;
    if (entries != count)
        fail_msg("%s: \"%s\" has %zu entries for %zu keys", CONF, title, entries, count);
}

static void every_key_of_every_kind_of_probe_is_explained(void **state) {
    (void)state;
    _cleanup_free_ char *page = read_page(CONF);
    check_probe_keys(page, "Every kind of probe", probe_common_keys);
    check_probe_keys(page, "Answers of http, sql and command", answer_keys);
    for (size_t i = 0; probe_kinds[i]; i++) {
        _cleanup_free_ char *title = xasprintf("Kind=%s", probe_kinds[i]->name);
        check_probe_keys(page, title, probe_kinds[i]->keys);
        char timeout[DURATION_SIZE];
        _cleanup_free_ char *said =
            xasprintf("%s for\n.B", duration_format(timeout, probe_kinds[i]->timeout));
        if (!strstr(page, said))
            fail_msg("%s: Timeout= of %s", CONF, probe_kinds[i]->name);
    }
    for (const struct pattern_set *set = migration_patterns; set->name; set++) {
        _cleanup_free_ char *inner = xasprintf(" %s ", set->name), *outer = xasprintf("%s\n", set->name),
                            *last = xasprintf(".BR %s .", set->name);
        if (!strstr(page, inner) && !strstr(page, outer) && !strstr(page, last))
            fail_msg("%s: the tool %s is missing", CONF, set->name);
    }
}

/* Whether a `.TP` of the page is about @name: the next line begins with it after its macro. */
static int has_entry(const char *page, const char *name) {
    for (const char *at = page; (at = strstr(at, "\n.TP\n.")); at++) {
        const char *word = at + strlen("\n.TP\n.");
        word += strcspn(word, " ");
        for (; *word && *word != '\n'; word++) {
            if ((word[-1] == ' ' || word[-1] == '"') && string_starts_with(word, name) &&
                !isalnum((unsigned char)word[strlen(name)]) && word[strlen(name)] != '-')
                return 1;
        }
    }
    return 0;
}

static void every_command_and_option_is_explained(void **state) {
    (void)state;
    _cleanup_free_ char *page = read_page(PROGRAM);
    for (const struct command *command = commands; command->name; command++) {
        _cleanup_free_ char *later = xasprintf("\n.BR %s ,", command->name),
                            *later_bare = xasprintf("\n.B %s\n", command->name);
        if (command->run ? !has_entry(page, command->name)
                         : !strstr(page, later) && !strstr(page, later_bare))
            fail_msg("%s: the command %s is missing", PROGRAM, command->name);
        for (const struct option_row *row = command->options; row && row->name; row++)
            if (!has_entry(page, row->name))
                fail_msg("%s: the option %s of %s is missing", PROGRAM, row->name, command->name);
    }
    for (const struct option_row *row = global_options; row->name; row++)
        if (!has_entry(page, row->name))
            fail_msg("%s: the option %s is missing", PROGRAM, row->name);
}

static void every_phase_and_exit_status_is_explained(void **state) {
    (void)state;
    _cleanup_free_ char *page = read_page(PROGRAM);
    for (enum phase phase = PHASE_NONE + 1; phase < PHASE_COUNT; phase++) {
        _cleanup_free_ char *bold = xasprintf("\n.B %s\n", phase_name(phase));
        if (!strstr(page, bold))
            fail_msg("%s: the phase %s is missing", PROGRAM, phase_name(phase));
    }
    for (unsigned status = 0; status <= 7; status++) {
        _cleanup_free_ char *entry = xasprintf("\n.TP\n.B %u\n", status);
        if (!strstr(page, entry))
            fail_msg("%s: the exit status %u is missing", PROGRAM, status);
    }
}

static void every_field_of_the_journal_is_named(void **state) {
    (void)state;
    _cleanup_free_ char *page = read_page(PROGRAM);
    const struct journal journal = { .app = "a", .id = "i" };
    const struct journal_fields fields = { "phase", "outcome", "reason", "from", "to", "probe", "result", 1 };
    _cleanup_strings_ char **record = journal_record(&journal, EVENT_WARNING, &fields, "message");
    for (size_t i = 0; record[i]; i++) {
        _cleanup_free_ char *name = xstrndup(record[i], strcspn(record[i], "=") + 1);
        if (string_starts_with(name, "UPGRADE_") && !strstr(page, name))
            fail_msg("%s: the field %s is missing", PROGRAM, name);
    }
}

/* From the first line of the sandbox to the end of the unit. */
static void every_directive_of_the_sandbox_is_explained(void **state) {
    (void)state;
    _cleanup_free_ char *page = read_page(PROGRAM), *unit = read_page(UNIT),
                        *text = part(page, ".SH SANDBOX", ".SH"), *rest;
    const char *at = strstr(unit, "\nCapabilityBoundingSet=");
    size_t count = 0;
    assert_non_null(text);
    assert_non_null(at);
    rest = xstrdup(at + 1);
    char *next = rest;
    for (char *line; (line = strsep(&next, "\n"));) {
        if (!*line || *line == '#')
            continue;
        char *name = xstrndup(line, strcspn(line, "=") + 1);
        if (!strstr(text, name))
            fail_msg("%s: SANDBOX does not explain %s", PROGRAM, name);
        free(name);
        count++;
    }
    assert_true(count > 15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_stands_in_its_section_with_its_default),
        cmocka_unit_test(no_key_stands_there_that_does_not_exist),
        cmocka_unit_test(every_key_of_every_kind_of_probe_is_explained),
        cmocka_unit_test(every_command_and_option_is_explained),
        cmocka_unit_test(every_phase_and_exit_status_is_explained),
        cmocka_unit_test(every_field_of_the_journal_is_named),
        cmocka_unit_test(every_directive_of_the_sandbox_is_explained),
    };
    return RUN(tests);
}
