/*
 * Failed migrations by tool. A pattern names the failure of a migration and nothing that an application says
 * while it waits for its database or for another's migration, or answers a request: a line that matches ends
 * the wait at once. Each is tried on real wording in tests/unit/migrations/.
 */

#include "probes/migrations.h"

#include "watchdog/base/memory.h"

#define PATTERNS(...) ((const struct migration_pattern[]){ __VA_ARGS__, { 0 } })

const struct pattern_set migration_patterns[] = {
    /* P3xxx are the codes of the schema engine's migrations; P1xxx (cannot connect) are not: clients retry.
     * An error without a code has PostgreSQL's severity in the next line: FATAL there is a refused
     * connection. */
    { "prisma", "prisma/prisma-engines, libs/user-facing-errors/src/schema_engine.rs",
      PATTERNS(
          { "Error: P30", "\\bError: P30[0-2]\\d\\b" },
          { "A migration failed to apply", "\\bA migration failed to apply\\. New migrations cannot" },
          { "migrate found failed migrations", "\\bmigrate found failed migrations in the target database" },
          { "The database schema is not empty", "^The database schema is not empty\\. Read more about" },
          { " engine error:", "^Error: (?:Schema|Migration) engine error:\\s+(?:db error: )?ERROR: " },
          { "_connector::apply_migration", "\\bsql_(?:schema|migration)_connector::apply_migration" }) },
    /* "Can't take lock to run migrations" is what another instance's migration looks like, and a lost
     * connection. */
    { "knex",
      "knex/knex, lib/migrations/migrate/Migrator.js, lib/migrations/migrate/migration-list-resolver.js",
      PATTERNS({ "migration file \"", "\\bmigration file \"[^\"]+\" failed\\b" },
               { "migration failed with error:", "\\bmigration failed with error:" },
               { "The migration directory is corrupt",
                 "\\bThe migration directory is corrupt, the following files are missing" }) },
    /* "Error during migration run:" alone may be a refused connection. */
    { "typeorm", "typeorm/typeorm, src/migration/MigrationExecutor.ts, src/commands/MigrationRunCommand.ts",
      PATTERNS({ " failed, error:", "\\bMigration \"[^\"]+\" failed, error:" },
               { "Error during migration run:", "\\bError during migration run:\\s+QueryFailedError: " },
               { " has failed.", "\\bMigration \\w+\\d{13} has failed\\." }) },
    { "sequelize",
      "sequelize/umzug, src/umzug.ts (MigrationError); sequelize/cli, src/helpers/view-helper.js",
      PATTERNS({ ") failed: ", "\\bMigration \\S+ \\((?:up|down)\\) failed: " },
               { "ERROR: ",
                 "^ERROR: (?:relation |column |constraint |type |index |schema |duplicate key |null value in "
                 "|insert or update on |update or delete on |syntax error at |permission denied for "
                 "|must be owner of |cannot drop |Validation error)" }) },
    /* The executor is made, and reads what is applied, before anything migrates: a refused connection shows
     * it too, but in __init__. */
    { "django",
      "django/django, db/migrations/executor.py, migration.py, exceptions.py, "
      "core/management/commands/migrate.py",
      PATTERNS(
          { "django/db/migrations/executor.py\"",
            "django/db/migrations/executor\\.py\", line \\d+, in "
            "(?:migrate|_migrate_all_\\w+|apply_migration|unapply_migration)\\b" },
          { "django/db/migrations/migration.py\"",
            "django/db/migrations/migration\\.py\", line \\d+, in (?:un)?apply\\b" },
          { "django/db/migrations/operations/", "django/db/migrations/operations/\\w+\\.py\", line \\d+, in "
                                                "(?:database_\\w+|_run_sql)\\b" },
          { "django.db.migrations.exceptions.", "\\bdjango\\.db\\.migrations\\.exceptions\\.\\w+" },
          { "CommandError: Conflicting migrations", "\\bCommandError: Conflicting migrations detected" }) },
    /* ConcurrentMigrationError is another instance's migration. */
    { "rails", "rails/rails, activerecord/lib/active_record/migration.rb",
      PATTERNS({ "later migrations canceled",
                 "\\bAn error has occurred, (?:this and )?all later migrations canceled" },
               { "ActiveRecord::",
                 "\\bActiveRecord::(?:PendingMigrationError|IrreversibleMigration|DuplicateMigration\\w+|"
                 "UnknownMigrationVersionError|IllegalMigrationNameError)\\b" },
               { "Migrations are pending.", "^\\s*Migrations are pending\\. To resolve this issue" }) },
    { "flyway", "flyway/flyway, core/internal/command/DbMigrate.java, DbValidate.java, core/api/exception/",
      PATTERNS(
          { " failed!", "\\bMigration (?:of schema )?.+ failed! (?:Please restore backups|Changes "
                        "successfully rolled back)" },
          { "Flyway", "\\bFlyway(?:Migrate|Validate|SqlScript)\\w*Exception\\b" },
          { "contains a failed ", "\\bSchema .+ contains a failed (?:future |repeatable )?migration\\b" },
          { "Detected failed ", "\\bDetected failed (?:repeatable )?migration(?: to version|:)" },
          { "Migrations have failed validation", "\\bMigrations have failed validation\\b" },
          { "Script ", "^Script \\S+\\.sql failed$" }) },
    /* LockException is another instance's migration, at length. */
    { "liquibase",
      "liquibase/liquibase, exception/MigrationFailedException.java, ValidationFailedException.java, "
      "changelog/ChangeSet.java",
      PATTERNS({ "Migration failed for change", "\\bMigration failed for change ?set\\b" },
               { "liquibase.exception.",
                 "\\bliquibase\\.exception\\.(?:MigrationFailed|ValidationFailed|ChangeLogParse|"
                 "RollbackImpossible)Exception\\b" },
               { "Unexpected error running Liquibase:",
                 "\\bUnexpected error running Liquibase: (?:Validation Failed|Error parsing|.* was not found "
                 "in the "
                 "configured search path)" }) },
    /* A refused connection shows env.py and what calls it, but not the context that migrates. */
    { "alembic",
      "sqlalchemy/alembic, util/messaging.py (err), util/exc.py, runtime/migration.py, script/revision.py",
      PATTERNS(
          { "FAILED: ",
            "^\\s*FAILED: (?:Can't|Multiple|Target database|No such|Requested|Revision|Ambiguous|Relative|"
            "Not |Path |Cycle|Destination|Branch|This script)" },
          { "alembic.util.messaging]", "\\bERROR\\b.*\\[alembic\\.util\\.messaging\\]" },
          { "alembic.util.exc.", "\\balembic\\.util\\.exc\\.\\w+" },
          { "alembic.script.revision.",
            "\\balembic\\.script\\.revision\\.\\w*(?:Error|Exception|Revision\\w*|Heads)\\b" },
          { "/alembic/runtime/migration.py\"",
            "/alembic/runtime/migration\\.py\", line \\d+, in (?:run_migrations|update_\\w+)\\b" },
          { "/alembic/operations/", "/alembic/operations/\\w+\\.py\", line \\d+" },
          { ", in upgrade", "/versions/\\w+\\.py\", line \\d+, in upgrade\\b" }) },
    { "golang-migrate",
      "golang-migrate/migrate, migrate.go, database/error.go, database/postgres/postgres.go",
      PATTERNS({ "Dirty database version", "\\bDirty database version -?\\d+\\. Fix and force version\\." },
               { "migration failed", "\\bmigration failed(?:: .*)? in line \\d+: " },
               { "no migration found for version", "\\bno migration found for version \\d+" }) },
    /* The migrator locks and reads its table before it migrates, and may wait for the database then; the
     * runner runs commands only. A query of the application fails with ERROR too, but has no migration on its
     * stack. */
    { "ecto",
      "elixir-ecto/ecto_sql, lib/ecto/migrator.ex, lib/ecto/migration/runner.ex; elixir-ecto/postgrex, "
      "lib/postgrex/error.ex",
      PATTERNS({ "Ecto.MigrationError", "\\(Ecto\\.MigrationError\\)" },
               { "lib/ecto/migration/runner.ex", "\\blib/ecto/migration/runner\\.ex:\\d+" },
               { ".exs:", "/migrations/\\d+_\\w+\\.exs:\\d+: " },
               { "(Postgrex.Error) ERROR 42", "^\\s*\\*\\* \\(Postgrex\\.Error\\) ERROR 42\\w{3} " },
               { "migrations can't be executed",
                 "\\bmigrations can't be executed, migration (?:name|version) \\S+ is duplicated" }) },
    /* SQLSTATE by class, as the console shows an exception: 08 and HY000 are connections, 57P03 a database
     * that is starting up. */
    { "laravel",
      "laravel/framework, Database/Migrations/Migrator.php, Database/QueryException.php, "
      "Console/View/Components/Task.php",
      PATTERNS({ " FAIL", "^\\s*\\d{4}_\\d{2}_\\d{2}_\\d{6}_\\w+ \\.*.*\\bFAIL\\b" },
               { "SQLSTATE[", "^\\s*SQLSTATE\\[(?:42|2[123B]|0A|25|3[DF])\\w+\\]" },
               { "Migrations\\Migrator->run", "\\bIlluminate\\\\Database\\\\Migrations\\\\Migrator->run(?:Up|"
                                              "Migration|Pending|Method)?\\(" }) },
    { "goose", "pressly/goose, migration.go, provider_errors.go, cmd/goose/main.go",
      PATTERNS(
          { ": failed to ", "\\bERROR \\S+\\.(?:sql|go): failed to (?:run|parse|open) (?:SQL|Go) migration" },
          { "ERROR go migration", "\\bERROR go migration(?: no tx)?: \"" },
          { "partial migration error", "\\bpartial migration error \\(type:\\w+,version:\\d+\\): " }) },
    { "sqlx", "launchbadge/sqlx, sqlx-core/src/migrate/error.rs",
      PATTERNS({ "while executing migration",
                 "\\bwhile executing migrations?(?: \\d+)?: error returned from database: " },
               { "was previously applied but", "\\bmigration \\d+ was previously applied but (?:has been "
                                               "modified|is missing in the resolved migrations)" },
               { "is partially applied; fix",
                 "\\bmigration \\d+ is partially applied; fix and remove row from" }) },
    { "doctrine", "doctrine/migrations, src/Version/DbalExecutor.php",
      PATTERNS({ " failed during ",
                 "\\bMigration \\S+ failed during (?:Pre-Checks|Execution|Post-Checks)\\. Error: \"" }) },
    { 0 },
};

const struct pattern_set *migration_patterns_find(const char *name) {
    for (const struct pattern_set *set = migration_patterns; set->name; set++)
        if (string_equal(set->name, name))
            return set;
    return NULL;
}
