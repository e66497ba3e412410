/* Judging a log. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "probes/judge.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define T "2026-11-23T03:15:00.000000000Z"

static int feed(struct judge *judge, struct judge_record *record, const char *log) {
    int r = 0;
    for (const char *at = log; *at && r >= 0;) {
        size_t part = strcspn(at, "\n");
        _cleanup_free_ char *line = xstrndup(at, part);
        r = judge_line(judge, record, T, line, part);
        at += part + (at[part] == '\n');
    }
    return r < 0 ? r : 0;
}

/* Judges @log after @baseline; returns the line that failed, owned, NULL: none. */
static char *judge_after(const struct patterns *fail, const char *baseline, const char *log,
                         char **ret_evidence) {
    const struct patterns pass = { 0 };
    _cleanup_json_ json_t *shapes = json_object();
    struct judge old = { .fail = fail, .pass = &pass, .shapes = shapes };
    struct judge judge = { .fail = fail, .pass = &pass, .harmless = shapes };
    struct judge_record record = { 0 };
    assert_int_equal(feed(&old, &record, baseline), 0);
    assert_int_equal(judge_end(&old, &record), 0);
    assert_null(old.line);
    assert_int_equal(feed(&judge, &record, log), 0);
    assert_int_equal(judge_end(&judge, &record), 0);
    judge_record_done(&record);
    char *line = take_ptr(judge.line);
    if (ret_evidence)
        *ret_evidence = take_ptr(judge.evidence);
    judge_done(&judge);
    judge_done(&old);
    return line;
}

#define DJANGO "  File \"/usr/lib/django/db/migrations/executor.py\", line 135, in migrate\n    f()\n"
#define TRACE "Traceback (most recent call last):\n" DJANGO

static void a_sign_is_what_the_old_release_does_not_log(void **state) {
    (void)state;
    static const struct {
        const char *baseline, *log, *line; /* NULL: no sign */
    } cases[] = {
        { "", "fine\n", NULL },
        { "", "x migration failed 7\n", "x migration failed 7" },
        { "x migration failed 6\n", "x migration failed 7\n", NULL },
        { "x migration failed 6\n", "x migration failed 7\n    at f (x.js:3)\n", NULL },
        { "x migration failed 6\n", "x migration failed 7\nCaused by: another thing\n",
          "x migration failed 7" },
        { "", TRACE "KeyError: 'x'\n",
          "File \"/usr/lib/django/db/migrations/executor.py\", line 135, in migrate … KeyError: 'x'" },
        { TRACE "KeyError: 'x'\n", TRACE "KeyError: 'x'\n", NULL },
        { TRACE "KeyError: 'x'\n", "another head\n" TRACE "    more()\nKeyError: 'x'\n", NULL },
        /* the same place, but what went wrong there is new */
        { TRACE "KeyError: 'x'\n", TRACE "ProgrammingError: y\n",
          "Traceback (most recent call last): … ProgrammingError: y" },
        /* what is only announced is said too */
        { "", "x migration failed:\n\nno such column\n  at f\nnext\n",
          "x migration failed: … no such column" },
        /* over lines */
        { "", "begin\n  middle\n  end\n", "begin" },
        { "begin\n  middle\n  end\n", "begin\n  other\n  end\n", NULL },
        { "", "begin\nend\n", NULL },
        /* structured */
        { "", "{\"msg\": \"migration \\u0066ailed\"}\n", "migration failed" },
        { "",
          "{\"level\": 50, \"err\": {\"stack\": \"no\\n  "
          "begin\\n  end\"}}\n",
          "no" },
        { "{\"err\": {\"stack\": \"no\\n  begin\\n  end\"}}\n",
          "{\"err\": {\"stack\": \"no\\n  begin\\n  end\"}}\n", NULL },
        { "", "{\"msg\": \"request\", \"body\": \"Error: P3018\"}\n", NULL },
        { "", "{\"msg\": \"request\", \"body\": \"migration failed\"}\n",
          "{\"msg\": \"request\", \"body\": \"migration failed\"}" },
        { "", "{\"msg\": \"Error: P3018\"}\n", "Error: P3018" },
        { "", "level=error msg=\"migration failed to apply\"\n", "migration failed to apply" },
    };
    struct patterns fail = { 0 };
    assert_int_equal(patterns_add(&fail, "migration failed", NULL), 0);
    assert_int_equal(patterns_add(&fail, "(?s)begin.+end", NULL), 0);
    assert_int_equal(patterns_add(&fail, "@django", NULL), 0);
    assert_int_equal(patterns_add(&fail, "@prisma", NULL), 0);
    patterns_ready(&fail);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *line = judge_after(&fail, cases[i].baseline, cases[i].log, NULL);
        if (!string_equal(line, cases[i].line))
            fail_msg("after %s: %s: \"%s\", not \"%s\"", cases[i].baseline, cases[i].log,
                     line ? line : "(none)", cases[i].line ? cases[i].line : "(none)");
    }
    patterns_done(&fail);
}

static void a_line_that_fails_is_told_before_its_record_ends(void **state) {
    (void)state;
    struct patterns fail = { 0 };
    const struct patterns pass = { 0 };
    assert_int_equal(patterns_add(&fail, "migration failed", NULL), 0);
    struct judge judge = { .fail = &fail, .pass = &pass };
    struct judge_record record = { 0 };
    assert_int_equal(feed(&judge, &record, "migration failed:\n    at x\n"), 0);
    assert_string_equal(judge.line, "migration failed:");
    judge_hold(&judge, &record);
    assert_string_equal(judge.evidence, "migration failed:\n    at x");
    judge_record_done(&record);
    judge_done(&judge);
    patterns_done(&fail);
}

static void evidence_shows_the_beginning_and_the_part_that_failed(void **state) {
    (void)state;
    struct patterns fail = { 0 };
    struct buffer log = { 0 };
    _cleanup_free_ char *evidence = NULL, *line = NULL;
    assert_int_equal(patterns_add(&fail, "migration failed", NULL), 0);
    buffer_printf(&log, "X: no\n");
    for (int i = 0; i < 200; i++)
        buffer_printf(&log, "    at a long place in the program, number %d\n", i);
    buffer_printf(&log, "Caused by: migration failed\n");
    line = judge_after(&fail, "", log.text, &evidence);
    assert_string_equal(evidence, "X: no\n…\nCaused by: migration failed");
    buffer_done(&log);
    patterns_done(&fail);
}

static void a_pattern_that_runs_away_is_said(void **state) {
    (void)state;
    struct patterns fail = { 0 };
    const struct patterns pass = { 0 };
    assert_int_equal(patterns_add(&fail, "(?:a+)+$", NULL), 0);
    struct judge judge = { .fail = &fail, .pass = &pass };
    struct judge_record record = { 0 };
    assert_int_equal(
        feed(&judge, &record, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n"), -ELOOP);
    assert_non_null(judge.err.text);
    judge_record_done(&record);
    judge_done(&judge);
    patterns_done(&fail);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sign_is_what_the_old_release_does_not_log),
        cmocka_unit_test(a_line_that_fails_is_told_before_its_record_ends),
        cmocka_unit_test(evidence_shows_the_beginning_and_the_part_that_failed),
        cmocka_unit_test(a_pattern_that_runs_away_is_said),
    };
    return RUN(tests);
}
