"""Databases that are not simple: several of one application, with names and contents of every kind. Both ways back: by the clone, and by the
dump."""

import re

import pytest

import fingerprint
from application import release
from program import DONE, ROLLED_BACK

NAME = "Zweite \"DB\" der Prüfer's "
NAME += "x" * (63 - len(NAME.encode()))

MAKE = r'''
CREATE EXTENSION pg_trgm;
CREATE ROLE "Other Owner";
CREATE SCHEMA "Odd Schema" AUTHORIZATION "Other Owner";
CREATE TABLE "Odd Schema"."A ""table""" (id serial PRIMARY KEY, body text COLLATE "de-x-icu" DEFAULT 'ß');
INSERT INTO "Odd Schema"."A ""table""" (body) SELECT 'Zeile ' || n FROM generate_series(1, 500) n;
ALTER TABLE "Odd Schema"."A ""table""" OWNER TO "Other Owner";
CREATE INDEX ON "Odd Schema"."A ""table""" USING gin (body gin_trgm_ops);
CREATE UNLOGGED TABLE quick AS SELECT generate_series(1, 100) AS n;
CREATE MATERIALIZED VIEW summed AS SELECT sum(n) AS total FROM quick;
CREATE SEQUENCE numbers START 1000 INCREMENT 7;
SELECT nextval('numbers'), nextval('numbers');
CREATE PUBLICATION told FOR TABLE "Odd Schema"."A ""table""";
SELECT lo_from_bytea(4711, convert_to(repeat('Anhang ', 30000), 'UTF8'));
ALTER LARGE OBJECT 4711 OWNER TO "Other Owner";
COMMENT ON TABLE quick IS 'nicht im WAL';
'''

LOOK = r'''
SELECT (SELECT md5(string_agg(id || body, ',' ORDER BY id)) FROM "Odd Schema"."A ""table"""),
       (SELECT count(*) FROM quick), (SELECT total FROM summed), (SELECT last_value FROM numbers),
       (SELECT md5(lo_get(4711))), (SELECT lomowner::regrole::text FROM pg_largeobject_metadata WHERE oid = 4711),
       (SELECT tableowner FROM pg_tables WHERE schemaname = 'Odd Schema'), (SELECT count(*) FROM pg_publication_tables),
       (SELECT extversion FROM pg_extension WHERE extname = 'pg_trgm'), (SELECT count(*) FROM pg_indexes WHERE schemaname = 'Odd Schema'),
       (SELECT relpersistence FROM pg_class WHERE relname = 'quick'), obj_description('quick'::regclass),
       (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()),
       (SELECT datcollate || datctype || datconnlimit || pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()),
       (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting WHERE setdatabase =
           (SELECT oid FROM pg_database WHERE datname = current_database()))
'''

quoted = '"' + NAME.replace('"', '""') + '"'


def run(application, database, *statements):
    connection = application.connect(database)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


@pytest.fixture
def second(application, before, program):
    """A second database of the application's, named in its configuration."""
    run(application, "template1", f"CREATE DATABASE {quoted} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 31",
        f"COMMENT ON DATABASE {quoted} IS 'des Prüfers'", f"ALTER DATABASE {quoted} SET work_mem = '9MB'")
    run(application, NAME, MAKE)
    run(application, "template1", f"ALTER DATABASE {quoted} OWNER TO \"Other Owner\"")
    program.configure(("Name=qaid\n", f"Name=qaid\nName={NAME}\n"))
    yield lambda: run(application, NAME, LOOK)
    kept = run(application, "template1", "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('qaid', 'postgres')")
    for name, in kept:
        name = '"' + name.replace('"', '""') + '"'
        run(application, "template1", f"DROP DATABASE {name} WITH (FORCE)")
    run(application, "template1", 'DROP ROLE "Other Owner"')


def spoil(application):
    """What a bad release may do to the second one, and beside it."""
    run(application, "template1", "DROP DATABASE IF EXISTS daneben", "CREATE DATABASE daneben")
    run(application, NAME, 'DELETE FROM "Odd Schema"."A ""table""" WHERE id > 3', "DROP MATERIALIZED VIEW summed", "DROP TABLE quick",
        "SELECT lo_put(4711, 0, 'kaputt')", "SELECT nextval('numbers')", "DROP EXTENSION pg_trgm CASCADE", "CREATE EXTENSION citext",
        f"COMMENT ON DATABASE {quoted} IS NULL")


def test_two_databases_go_back_together(application, before, program, second):
    """By the clones, after a bad release; then by the dumps of the same snapshot, on a person's word."""
    was = second()
    oids = "SELECT datname, oid FROM pg_database WHERE datname IN ('qaid', current_database())"
    first_oids = dict(run(application, NAME, oids))
    release("all", "1.3.0-late-failure")
    program.set("Duration", "60s")
    upgrade = program.start("upgrade")
    assert upgrade.wait_for_phase("watch")
    application.wait_until_serving(60)  # the gate is opened at the first full pass
    spoil(application)
    done = upgrade.wait()
    assert done.code == ROLLED_BACK, done
    assert second() == was
    now_oids = dict(run(application, NAME, oids))
    assert all(now_oids[name] != first_oids[name] for name in first_oids), "one of the two was not swapped"
    record = program.json("report", code=DONE)
    assert {table["database"] for table in record["lost"] if table["deleted"]} == {NAME}
    assert [re.sub("[0-9].*", "", name)[:12] for name in record["quarantine"]["databases"]] == ["qaid_failed_", NAME[:12]]

    for words in ('the database "daneben" was made', "the extension citext"):
        assert any(words in note for note in record["notes"]), record["notes"]

    # The clones became the databases: what is left of the snapshot is its dumps.
    spoil(application)
    back = program.json("rollback", record["snapshot"], "--yes", code=ROLLED_BACK)
    assert any("the dump of the snapshot is restored" in note for note in back["notes"])
    assert second() == was
    after = fingerprint.take(application)
    assert fingerprint.differences(before, after, only=["database", "relations", "data"]) == []
