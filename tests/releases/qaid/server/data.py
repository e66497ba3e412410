"""What the migration does to the data. All of it happens where the server calls faults.after_migration()."""


def changes(statement):
    """A fault that carries out a statement after the migrations."""
    def install(server):
        original = server.faults.after_migration

        def after(connection, *arguments):
            original(connection, *arguments)
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)

        server.faults.after_migration = after

    return install


# The last of the projects are taken for orphans.
projects_lost = changes("DELETE FROM projects WHERE id > 20")
# A cleaning job names the wrong table.
wrong_table_emptied = changes("TRUNCATE test_steps CASCADE")
steps_doubled = changes(
    "DROP INDEX test_steps_by_run;"
    " INSERT INTO test_steps (test_run_id, position, description, status) SELECT test_run_id, position, description, status FROM test_steps")
# Text that is UTF-8 already is converted once more.
encoded_twice = changes(
    "UPDATE projects SET name = convert_from(convert_to(name, 'UTF8'), 'LATIN1');"
    " UPDATE test_steps SET description = convert_from(convert_to(description, 'UTF8'), 'LATIN1')")
states_overwritten = changes("UPDATE test_runs SET status = 'passed'; UPDATE test_steps SET status = 'passed'")
# The migration is written down as done, its second half was not.
half_applied = changes("DROP TABLE step_screenshots")
read_only = changes("ALTER DATABASE qaid SET default_transaction_read_only = on")
links_lost = changes("DELETE FROM step_screenshots USING test_steps s WHERE s.id = step_id AND s.position % 2 = 0")
