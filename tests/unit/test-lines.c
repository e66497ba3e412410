/* Lines of logs, their shapes, and the patterns of failed migrations. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/lines.h"
#include "probes/migrations.h"
#include "probes/pattern.h"
#include "watchdog/base/memory.h"

static int collect(void *userdata, const char *time, const char *text, size_t size) {
    assert_int_equal(strlen(text), size);
    strings_appendf(userdata, "%s|%s", time, text);
    return 0;
}

#define T1 "2026-11-23T03:15:00.000000001Z"
#define T2 "2026-11-23T03:15:00.000000002Z"

static void lines_come_out_whole_however_they_come_in(void **state) {
    (void)state;
    static const char log[] = T1 " one\n" T2 " two \x1b[1;31mred\x1b[0m\r\n" T2 " again\nwithout time\n";
    for (size_t piece = 1; piece < sizeof(log); piece++) {
        struct line_stream stream = { 0 };
        _cleanup_strings_ char **lines = NULL;
        for (size_t at = 0; at < sizeof(log) - 1; at += piece)
            lines_feed(&stream, log + at, piece < sizeof(log) - 1 - at ? piece : sizeof(log) - 1 - at,
                       collect, &lines);
        lines_end(&stream, collect, &lines);
        lines_done(&stream);
        _cleanup_free_ char *joined = strings_join(lines, "\n");
        /* what has the same time as the line before was given already in an earlier round */
        assert_string_equal(joined, T1 "|one\n" T2 "|two red\n|without time");
    }
}

static void times_are_of_one_zone(void **state) {
    (void)state;
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "2026-11-23T05:15:00.000000001+02:00 one\n", T1 "|one" },
        { "2026-11-22T21:15:00.000000002-06:00 two\n", T2 "|two" },
        { "2026-11-23 no time\n", "|2026-11-23 no time" },
        { "2026-11-23T05:15:00.000000001+99:00x one\n", "2026-11-23T05:15:00.000000001+99:00x|one" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        struct line_stream stream = { 0 };
        _cleanup_strings_ char **lines = NULL;
        lines_feed(&stream, cases[i].line, strlen(cases[i].line), collect, &lines);
        lines_done(&stream);
        assert_string_equal(lines[0], cases[i].expected);
    }
    char text[LOG_TIME_SIZE];
    usec_t realtime;
    assert_int_equal(timestamp_parse("2026-11-23T03:15:00.000123Z", &realtime), 0);
    line_time(realtime, text);
    assert_string_equal(text, "2026-11-23T03:15:00.000123000Z");
}

static void a_line_without_end_is_given_and_comes_again(void **state) {
    (void)state;
    struct line_stream stream = { 0 };
    _cleanup_strings_ char **lines = NULL;
    lines_feed(&stream, T1 " begun", strlen(T1 " begun"), collect, &lines);
    lines_end(&stream, collect, &lines);
    lines_feed(&stream, T1 " begun and ended\n", strlen(T1 " begun and ended\n"), collect, &lines);
    lines_done(&stream);
    _cleanup_free_ char *joined = strings_join(lines, "\n");
    assert_string_equal(joined, T1 "|begun\n" T1 "|begun and ended");
}

static void an_endless_line_stays_within_its_bound(void **state) {
    (void)state;
    struct line_stream stream = { 0 };
    _cleanup_strings_ char **lines = NULL;
    char block[1000];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 10000; i++)
        lines_feed(&stream, block, sizeof(block), collect, &lines);
    assert_true(stream.line.capacity <= 4 * LINE_LIMIT);
    lines_feed(&stream, "\n", 1, collect, &lines);
    assert_int_equal(strings_count(lines), 1);
    assert_int_equal(strlen(lines[0]), LINE_LIMIT + 1);
    lines_done(&stream);
}

static void escape_sequences_are_stripped(void **state) {
    (void)state;
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "\x1b[32minfo\x1b[39m: ok", "info: ok" },
        { "\x1b]0;title\aError", "Error" },
        { "\x1b]8;;http://x\x1b\\link", "link" },
        { "plain\r", "plain" },
        { "cut \x1b[", "cut " },
        { "cut \x1b", "cut " },
        { "\x1b(Bcharset", "Bcharset" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *line = xstrdup(cases[i].line);
        line_strip(line, strlen(line));
        assert_string_equal(line, cases[i].expected);
    }
}

static void messages_of_json_lines_are_found(void **state) {
    (void)state;
    static const struct {
        const char *line, *expected;
    } cases[] = {
        { "{\"level\": 50, \"msg\": \"boom\"}", "|boom" },
        { "{\"message\": \"a\\nb\", \"error\": {\"message\": \"inner\"}}", "|a\nb,|inner" },
        { "{\"message\": 3}", "" },
        { "not {\"message\": \"json\"}", "" },
        { "{\"message\": ", "" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_strings_ char **messages = NULL;
        line_messages(cases[i].line, strlen(cases[i].line), collect, &messages);
        _cleanup_free_ char *joined = strings_join(messages, ",");
        assert_string_equal(joined, cases[i].expected);
    }
}

static void lines_that_differ_in_what_is_volatile_have_one_shape(void **state) {
    (void)state;
    static const struct {
        const char *one, *other;
        int same;
    } cases[] = {
        { "took 12ms for 3 rows", "took 1042ms for 17 rows", 1 },
        { "2026-11-23T03:15:00.123Z error in job 7", "2027-01-02T13:05:10Z error in job 99", 1 },
        { "id 7f9c24e5-2b31-4d6e-9a43-0a1b2c3d4e5f gone", "id 00000000-ffff-4aaa-bbbb-cccccccccccc gone", 1 },
        { "commit deadbeef", "commit 0badcafe", 1 },
        { "from 10.0.0.1:5432", "from 192.168.13.7:60123", 1 },
        { "Error: P3009", "Error: P3018", 0 },
        { "code 42P07", "code 42P01", 0 },
        { "table users is gone", "table projects is gone", 0 },
        { "migration failed", "migration passed", 0 },
        { "", " ", 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        char one[SHAPE_SIZE], other[SHAPE_SIZE];
        line_shape(cases[i].one, strlen(cases[i].one), one);
        line_shape(cases[i].other, strlen(cases[i].other), other);
        if ((strcmp(one, other) == 0) != cases[i].same)
            fail_msg("\"%s\" and \"%s\"", cases[i].one, cases[i].other);
    }
}

static int matches(const char *name, const char *line) {
    const struct pattern_set *set = migration_patterns_find(name);
    assert_non_null(set);
    for (size_t i = 0; set->patterns[i]; i++) {
        _cleanup_pattern_ struct pattern *pattern = NULL;
        assert_int_equal(pattern_new(set->patterns[i], &pattern, NULL), 0);
        int r = pattern_match(pattern, line, strlen(line), NULL);
        assert_true(r >= 0);
        if (r)
            return 1;
    }
    return 0;
}

static void failed_migrations_are_recognised_and_harmless_lines_are_not(void **state) {
    (void)state;
    static const struct {
        const char *tool, *line;
        int failed;
    } cases[] = {
        { "prisma", "Error: P3018", 1 },
        { "prisma", "A migration failed to apply. New migrations cannot be applied before the error is", 1 },
        { "prisma", "migrate found failed migrations in the target database, new migrations will not be", 1 },
        { "prisma", "No pending migrations to apply.", 0 },
        { "prisma", "Error: P1001: Can't reach database server at `db:5432`", 0 },
        { "knex", "migration file \"20230101_x.js\" failed", 1 },
        { "knex", "migration failed with error: alter table \"x\" add column - already exists", 1 },
        { "knex", "Batch 3 run: 2 migrations", 0 },
        { "typeorm", "Migration \"AddUser1700000000000\" failed, error: column \"x\" does not exist", 1 },
        { "typeorm", "Migration AddUser1700000000000 has been executed successfully.", 0 },
        { "sequelize", "MigrationError: Migration 02.js (up) failed: Original error: relation exists", 1 },
        { "sequelize", "ERROR: relation \"users\" already exists", 1 },
        { "sequelize", "== 20200101-users: migrated (0.021s)", 0 },
        { "django",
          "  File \"/usr/lib/python3/dist-packages/django/db/migrations/executor.py\", line 135, in x", 1 },
        { "django", "django.db.migrations.exceptions.InconsistentMigrationHistory: Migration a is applied",
          1 },
        { "django", "  Applying auth.0012_alter_user_first_name_max_length... OK", 0 },
        { "rails", "StandardError: An error has occurred, this and all later migrations canceled:", 1 },
        { "rails", "ActiveRecord::PendingMigrationError (", 1 },
        { "rails", "== 2022 AddX: migrated (0.0021s) ======", 0 },
        { "flyway",
          "Migration of schema \"public\" to version \"3 - x\" failed! Please restore backups and roll", 1 },
        { "flyway",
          "Migration of schema \"public\" to version \"3 - x\" failed! Changes successfully rolled back.",
          1 },
        { "flyway", "org.flywaydb.core.api.exception.FlywayValidateException: Validate failed: x", 1 },
        { "flyway", "Successfully applied 2 migrations to schema \"public\", now at version v3", 0 },
        { "liquibase",
          "liquibase.exception.MigrationFailedException: Migration failed for changeset a::1::b:", 1 },
        { "liquibase", "Unexpected error running Liquibase: Migration failed for change set x", 1 },
        { "liquibase", "Liquibase command 'update' was executed successfully.", 0 },
        { "alembic", "FAILED: Can't locate revision identified by 'abc'", 1 },
        { "alembic", "  File \"/app/alembic/versions/123_add.py\", line 20, in upgrade", 1 },
        { "alembic", "INFO  [alembic.runtime.migration] Running upgrade a -> b, add x", 0 },
        { "golang-migrate", "error: Dirty database version 7. Fix and force version.", 1 },
        { "golang-migrate",
          "error: migration failed: column \"x\" does not exist in line 0: ALTER TABLE (details: x)", 1 },
        { "golang-migrate", "no change", 0 },
        { "ecto", "** (Postgrex.Error) ERROR 42P07 (duplicate_table) relation \"users\" already exists", 1 },
        { "ecto", "[info] == Migrated 20200101 in 0.0s", 0 },
        { "laravel", "  2014_10_12_000000_create_users_table ........ 12.34ms FAIL", 1 },
        { "laravel", "  SQLSTATE[42P07]: Duplicate table: 7 ERROR:  relation \"users\" already exists", 1 },
        { "laravel", "  2014_10_12_000000_create_users_table ........ 12.34ms DONE", 0 },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        if (matches(cases[i].tool, cases[i].line) != cases[i].failed)
            fail_msg("@%s: %s", cases[i].tool, cases[i].line);
    assert_null(migration_patterns_find("unknown"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_they_come_in),
        cmocka_unit_test(times_are_of_one_zone),
        cmocka_unit_test(a_line_without_end_is_given_and_comes_again),
        cmocka_unit_test(an_endless_line_stays_within_its_bound),
        cmocka_unit_test(escape_sequences_are_stripped),
        cmocka_unit_test(messages_of_json_lines_are_found),
        cmocka_unit_test(lines_that_differ_in_what_is_volatile_have_one_shape),
        cmocka_unit_test(failed_migrations_are_recognised_and_harmless_lines_are_not),
    };
    return RUN(tests);
}
