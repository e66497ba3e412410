/* What failed migrations look like in a log: tests/unit/migrations/. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/judge.h"
#include "probes/migrations.h"
#include "watchdog/base/memory.h"

/* "\n", "\e" and "\\" of a line, in place. */
static void unescape(char *text) {
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            *to++ = (char)(*at == 'n' ? '\n' : *at == 'e' ? '\x1b' : *at);
        } else if (*at != '\n') {
            *to++ = *at;
        }
    }
    *to = '\0';
}

/* JSON has escapes of its own. */
static bool is_json(const char *text) {
    return *text == '{';
}

static int judge_line_of(void *userdata, const char *time, const char *text, size_t size) {
    struct judge *judge = ((void **)userdata)[0];
    struct judge_record *record = ((void **)userdata)[1];
    int r = judge_line(judge, record, time, text, size);
    return r < 0 ? r : 0;
}

static bool fails(const struct patterns *patterns, const char *log) {
    const struct patterns pass = { 0 };
    struct judge judge = { .fail = patterns, .pass = &pass };
    struct judge_record record = { 0 };
    struct line_stream stream = { 0 };
    void *both[] = { &judge, &record };
    assert_true(lines_feed(&stream, log, strlen(log), judge_line_of, both) >= 0);
    assert_true(lines_end(&stream, judge_line_of, both) >= 0);
    assert_int_equal(judge_end(&judge, &record), 0);
    bool failed = judge.line != NULL;
    lines_done(&stream);
    judge_record_done(&record);
    judge_done(&judge);
    return failed;
}

static int judge_file(const char *name, const struct patterns *all) {
    _cleanup_free_ char *path = xasprintf("tests/unit/migrations/%s.txt", name), *line = NULL,
                        *own = xasprintf("@%s", name);
    _cleanup_file_ FILE *file = fopen(path, "re");
    struct patterns patterns = { 0 };
    size_t size = 0;
    int wrong = 0, failures = 0, harmless = 0, sources = 0;
    if (!file)
        fail_msg("\"%s\" is missing", path);
    if (migration_patterns_find(name))
        assert_int_equal(patterns_add(&patterns, own, NULL), 0);
    patterns_ready(&patterns);
    while (getline(&line, &size, file) > 0) {
        char *text = line + 2;
        if (is_json(text))
            text[strcspn(text, "\n")] = '\0';
        else
            unescape(text);
        failures += *line == '-';
        harmless += *line == '+';
        sources += *line == '#';
        if ((*line == '-' && !fails(&patterns, text)) || (*line == '+' && fails(all, text))) {
            print_error("%s: %s: %s\n", name, *line == '-' ? "not found" : "not harmless", text);
            wrong++;
        }
    }
    patterns_done(&patterns);
    assert_true(sources > 0 && harmless > 0);
    assert_true(failures > 2 || !migration_patterns_find(name));
    return wrong;
}

static void failed_migrations_are_recognised_and_harmless_lines_are_not(void **state) {
    (void)state;
    struct patterns all = { 0 };
    int wrong = 0;
    for (const struct pattern_set *set = migration_patterns; set->name; set++) {
        _cleanup_free_ char *name = xasprintf("@%s", set->name);
        assert_int_equal(patterns_add(&all, name, NULL), 0);
    }
    patterns_ready(&all);
    for (const struct pattern_set *set = migration_patterns; set->name; set++)
        wrong += judge_file(set->name, &all);
    wrong += judge_file("waiting", &all);
    patterns_done(&all);
    assert_int_equal(wrong, 0);
    assert_null(migration_patterns_find("unknown"));
}

/* Nothing that matches a pattern is without its needle: as far as the pattern's own text shows it. */
static void needles_are_found_wherever_they_stand(void **state) {
    (void)state;
    static const char *const list[] = { "he", "she", "his", "hers", "x" };
    static const struct {
        const char *text;
        unsigned found; /* bits */
    } cases[] = {
        { "", 0 },    { "ushers", 1 | 2 | 8 },   { "hi", 0 },     { "this", 4 },
        { "hhe", 1 }, { "shis she", 4 | 2 | 1 }, { "\xffx", 16 }, { "hex", 1 | 16 },
    };
    struct needles *needles = needles_new(list, ELEMENTS(list));
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct needles_found found = { 0 };
        bool any = needles_find(needles, cases[i].text, strlen(cases[i].text), &found);
        assert_int_equal(any, cases[i].found != 0);
        assert_int_equal(found.bits[0], cases[i].found);
    }
    needles_free(needles);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_migrations_are_recognised_and_harmless_lines_are_not),
        cmocka_unit_test(needles_are_found_wherever_they_stand),
    };
    return RUN(tests);
}
