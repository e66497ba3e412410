/*
 * Failed migrations by tool. A pattern names the failure of a migration and nothing that an application says
 * while it waits for its database or answers a request: a line that matches ends the wait at once.
 */

#include "probes/migrations.h"

#include "watchdog/base/memory.h"

#define PATTERNS(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct pattern_set migration_patterns[] = {
    /* P3xxx are the codes of the schema engine's migrations; P1xxx (cannot connect) are not: clients retry.
     */
    { "prisma", "prisma.io/docs, Error message reference, Prisma Migrate (P3000 to P3024)",
      PATTERNS("\\bP30[0-2][0-9]\\b(?!.*\\bno pending\\b)", "^A migration failed to apply\\.",
               "migrate found failed migrations in the target database") },
    { "knex", "knex, lib/migrations/migrate/Migrator.js",
      PATTERNS("^(?:\\S+ )*migration file \".+\" failed$", "^(?:\\S+ )*migration failed with error:",
               "The migration directory is corrupt, the following files are missing",
               "Can't take lock to run migrations") },
    { "typeorm", "typeorm, src/migration/MigrationExecutor.ts and src/commands/MigrationRunCommand.ts",
      PATTERNS("\\bMigration \".+\" failed, error:", "^Error during migration (?:run|revert|generation):") },
    { "sequelize", "umzug, src/types.ts (MigrationError); sequelize-cli, src/helpers/view-helper.js",
      PATTERNS("\\bMigration \\S+ \\((?:up|down)\\) failed: ",
               "^ERROR: (?:.*\\b(?:does not exist|already exists|violates|syntax error|Validation error|"
               "must be owner|permission denied)\\b)") },
    /* The executor is on the stack only while migrations run. */
    { "django", "django, db/migrations/executor.py, exceptions.py and core/management/commands/migrate.py",
      PATTERNS("File \".*/django/db/migrations/(?:executor|migration|operations/\\w+)\\.py\", line \\d+",
               "\\bdjango\\.db\\.migrations\\.exceptions\\.\\w+",
               "^CommandError: Conflicting migrations detected") },
    { "rails", "rails, activerecord/lib/active_record/migration.rb",
      PATTERNS("An error has occurred, (?:this and )?all later migrations canceled",
               "\\bActiveRecord::(?:PendingMigrationError|IrreversibleMigration|DuplicateMigration\\w+|"
               "UnknownMigrationVersionError|ConcurrentMigrationError)\\b",
               "^Migrations are pending\\. To resolve this issue") },
    { "flyway", "flyway, core/internal/command/DbMigrate.java and DbValidate.java",
      PATTERNS(
          "\\bMigration of schema .+ failed! (?:Please restore backups|Changes successfully rolled back)",
          "\\bMigration .+ failed! Please restore backups and roll back database and code",
          "\\bFlyway(?:Migrate|Validate|SqlScript)\\w*Exception\\b", "contains a failed migration to version",
          "Detected failed migration to version", "Migrations have failed validation") },
    { "liquibase", "liquibase, changelog/ChangeSet.java, exception/, Liquibase.java",
      PATTERNS(
          "\\bMigration failed for change ?set\\b", "\\bUnexpected error running Liquibase:",
          "\\bliquibase\\.exception\\.(?:MigrationFailed|ValidationFailed|ChangeLogParse|Lock)Exception\\b",
          "\\bCould not acquire change log lock\\b") },
    { "alembic", "alembic, util/messaging.py (err), util/exc.py, runtime/migration.py",
      PATTERNS("^FAILED: ", "\\balembic\\.util\\.exc\\.\\w+",
               "File \".*/alembic/(?:runtime/migration|operations/\\w+)\\.py\", line \\d+",
               "File \".*/versions/\\w+\\.py\", line \\d+, in upgrade") },
    { "golang-migrate", "golang-migrate/migrate, migrate.go (ErrDirty), database/error.go (Error)",
      PATTERNS("\\bDirty database version -?\\d+\\. Fix and force version\\.",
               "\\bmigration failed(?:: .*)? in line \\d+: ", "\\bno migration found for version \\d+") },
    { "ecto", "ecto_sql, lib/ecto/migrator.ex, lib/ecto/migration.ex; postgrex, lib/postgrex/error.ex",
      PATTERNS("^\\*\\* \\((?:Ecto\\.MigrationError|Postgrex\\.Error|MyXQL\\.Error|Ecto\\.Query\\w*Error)\\)",
               "\\(Ecto\\.MigrationError\\)",
               "\\bmigrations can't be executed, migration (?:name|version) \\S+ is duplicated") },
    { "laravel", "laravel/framework, Database/Migrations/Migrator.php, Console/View/Components/Task.php",
      PATTERNS("^\\s*\\d{4}_\\d{2}_\\d{2}_\\d{6}_\\w+ \\.+.*\\bFAIL\\b", "^\\s*SQLSTATE\\[\\w+\\]",
               "Illuminate\\\\Database\\\\Migrations\\\\Migrator->run") },
    { 0 },
};

const struct pattern_set *migration_patterns_find(const char *name) {
    for (const struct pattern_set *set = migration_patterns; set->name; set++)
        if (string_equal(set->name, name))
            return set;
    return NULL;
}
