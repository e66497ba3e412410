/* What belongs together in a log. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/records.h"
#include "watchdog/base/memory.h"

#define T "2026-11-23T03:15:00.000000000Z"

/* The number of lines of each record. */
static void split(const char *log, char *ret, size_t size) {
    struct record record = { 0 };
    struct buffer sizes = { 0 };
    for (const char *at = log; *at;) {
        size_t part = strcspn(at, "\n");
        _cleanup_free_ char *line = xstrndup(at, part);
        if (record.lines > 0 && !record_continues(&record, T, line, part)) {
            buffer_printf(&sizes, "%zu ", record.lines);
            record_clear(&record);
        }
        if (part > 0 || record.lines > 0)
            record_add(&record, T, line, part);
        at += part + (at[part] == '\n');
    }
    snprintf(ret, size, "%s%zu", sizes.text ? sizes.text : "", record.lines);
    buffer_done(&sizes);
    record_done(&record);
}

static void what_belongs_together_is_one_record(void **state) {
    (void)state;
    static const struct {
        const char *log, *sizes; /* lines that are not blank */
    } cases[] = {
        { "one\ntwo\nthree\n", "1 1 1" },
        { "one\n\ntwo\n", "1 1" },
        { "at first\n", "1" },
        /* Java */
        { "started\nException in thread \"main\" x.Y: no\n\tat a.b(C.java:1)\nCaused by: x.Z: why\n"
          "\tat a.c(C.java:2)\n\t... 3 more\nnext\n",
          "1 5 1" },
        /* Node.js */
        { "/app/x.js:3\n  throw new Error('no');\n  ^\n\nError: no\n    at f (/app/x.js:3:9) {\n  code: "
          "'X'\n}\n\n"
          "Node.js v18.13.0\nnext\n",
          "8 1" },
        /* Python */
        { "ERROR:root:no\nTraceback (most recent call last):\n  File \"x.py\", line 1, in f\n    "
          "g()\nKeyError: 'x'\n\n"
          "During handling of the above exception, another exception occurred:\n\n"
          "Traceback (most recent call last):\n  File \"x.py\", line 3, in f\nValueError: y\nnext\n",
          "9 1" },
        { "Traceback (most recent call last):\n  File \"x.py\", line 1, in f\npsycopg2.E: relation \"x\" is "
          "not\n"
          "LINE 1: select x\n               ^\n\n[SQL: select x]\n(Background on this error at: "
          "https://x)\nnext\n",
          "7 1" },
        /* Go */
        { "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1d\n\ngoroutine 2 [select]:\n"
          "main.f(0x1)\n\t/x/main.go:9 +0x1d\nexit status 2\nnext\n",
          "8 1" },
        /* Ruby */
        { "rails aborted!\nStandardError: An error has occurred, all later migrations canceled:\n\n"
          "PG::UndefinedColumn: ERROR:  no column\n/app/db/migrate/1_x.rb:3:in `change'\n\nCaused by:\n"
          "PG::UndefinedColumn: ERROR:  no column\n/app/db/migrate/1_x.rb:3:in 'M#change'\n"
          "Tasks: TOP => db:migrate\n(See full trace by running task with --trace)\nnext\n",
          "1 8 1" },
        /* with the class behind it, since Ruby 3.2 */
        { "StandardError: An error has occurred, this and all later migrations canceled: (StandardError)\n\n"
          "PG::UniqueViolation: ERROR:  could not create unique index\n/app/db/migrate/1_x.rb:3:in `up'\n"
          "next\n",
          "3 1" },
        { "failed: (in 3 seconds)\nnext\n", "1 1" },
        { "all is well (Fine)\nnext\n", "1 1" },
        /* PHP */
        { "PHP Fatal error:  Uncaught X: no in /a.php:3\nStack trace:\n#0 /a.php(9): f()\n#1 {main}\n"
          "  thrown in /a.php on line 3\nnext\n",
          "5 1" },
        /* PostgreSQL */
        { "ERROR:  duplicate key\nDETAIL:  Key (id)=(1) exists.\nHINT:  Do not.\nSTATEMENT:  insert\nLINE OF "
          "CODE\n",
          "4 1" },
        /* Elixir */
        { "** (Postgrex.Error) ERROR 42P07 no\n\n    table: users\n\n    (ecto_sql 3.10.1) lib/x.ex:1: "
          "f/1\nnext\n",
          "3 1" },
        /* Prisma */
        { "1 migration found\nError: P3018\n\nA migration failed to apply.\n\nMigration name: 2026_x\n\n"
          "Database error code: 42703\n\nDatabase error:\nERROR: no column\n\nnpm ERR! code 1\n",
          "1 6 1" },
        /* Rust */
        { "thread 'main' panicked at src/main.rs:4:5:\nno\nnote: run with `RUST_BACKTRACE=1` to see\nnext\n",
          "3 1" },
        { "{\n  \"a\": 1\n}\n{\n  \"b\": 1\n}\n", "3 3" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char sizes[200];
        split(cases[i].log, sizes, sizeof(sizes));
        if (strcmp(sizes, cases[i].sizes) != 0)
            fail_msg("%s: %s, not %s", cases[i].log, sizes, cases[i].sizes);
    }
}

static void a_block_of_prisma_ends_with_its_moment(void **state) {
    (void)state;
    struct record record = { 0 };
    record_add(&record, T, "Error: P3018", 12);
    assert_true(record_continues(&record, "2026-11-23T03:15:00.900000000Z", "Migration name: x", 17));
    assert_false(record_continues(&record, "2026-11-23T03:15:02.000000000Z", "Migration name: x", 17));
    assert_false(record_continues(&record, T, "2026-11-23 INFO x", 17));
    record_done(&record);
}

static uint64_t causes_of(const char *log) {
    struct record record = { 0 };
    for (const char *at = log; *at;) {
        size_t part = strcspn(at, "\n");
        _cleanup_free_ char *line = xstrndup(at, part);
        record_add(&record, T, line, part);
        at += part + (at[part] == '\n');
    }
    uint64_t causes = record.causes;
    record_done(&record);
    return causes;
}

#define TRACE(head, frame, exception)                                                                        \
    head "\nTraceback (most recent call last):\n  File \"x.py\", line " frame ", in f\n    g()\n" exception  \
         "\n"

static void the_cause_counts_and_the_way_to_it_does_not(void **state) {
    (void)state;
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {
        { TRACE("a", "1", "KeyError: 'x'"), TRACE("b", "2", "KeyError: 'x'"), true },
        { TRACE("a", "1", "KeyError: 'x'"), TRACE("a", "1", "KeyError: 'y'"), false },
        { "X: no\n\tat a(B.java:1)\nCaused by: Y: n\n", "X: no\n\tat c(D.java:7)\nCaused by: Y: n\n", true },
        { "X: no\n\tat a(B.java:1)\nCaused by: Y: n\n", "X: no\n\tat a(B.java:1)\nCaused by: Z: n\n", false },
        { "X: no\n\tat a(B.java:1)\n", "Y: no\n\tat a(B.java:1)\n", false },
        { "ERROR: dup\nDETAIL:  Key (a)=(x)\n", "ERROR: dup\nDETAIL:  Key (a)=(y)\n", true },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        if ((causes_of(cases[i].one) == causes_of(cases[i].other)) != cases[i].same)
            fail_msg("%s and %s", cases[i].one, cases[i].other);
}

static void a_record_stays_within_its_bounds(void **state) {
    (void)state;
    struct record record = { 0 };
    for (int i = 0; i < 100000; i++)
        record_add(&record, T, " x", 2);
    assert_true(record_is_full(&record) && record.lines == 100000);
    assert_int_equal(record.text.size, RECORD_LINES * 3);
    record_clear(&record);
    _cleanup_free_ char *line = xcalloc(1, LINE_LIMIT + 1);
    memset(line, 'x', LINE_LIMIT);
    for (int i = 0; i < 10; i++)
        record_add(&record, T, line, LINE_LIMIT);
    assert_int_equal(record.text.size, RECORD_BYTES + 1);
    record_done(&record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_belongs_together_is_one_record),
        cmocka_unit_test(a_block_of_prisma_ends_with_its_moment),
        cmocka_unit_test(the_cause_counts_and_the_way_to_it_does_not),
        cmocka_unit_test(a_record_stays_within_its_bounds),
    };
    return RUN(tests);
}
