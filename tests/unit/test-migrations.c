/* What failed migrations look like in a log. */

#include "tests/unit/unit.h"

#include <string.h>

#include "probes/migrations.h"
#include "probes/pattern.h"
#include "watchdog/base/memory.h"

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
        cmocka_unit_test(failed_migrations_are_recognised_and_harmless_lines_are_not),
    };
    return RUN(tests);
}
