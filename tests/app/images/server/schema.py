"""The server's migrations, forward only, and what each release makes of the schema.

A release runs every migration up to its own at start-up and records it in schema_migrations. 1.2.x cannot live with the
schema of 1.3.0: a column is gone, another has a new name, a table is split, and the files in data/ have moved.
"""

import os
import re
import time

import faults

RELEASES = {"1.2.3": 2, "1.2.4": 2, "1.3.0": 4, "2.0.0": 5, "2.0.1": 5}  # version: its last migration

FIRST = """
CREATE TABLE users (
    id serial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    password_salt bytea NOT NULL,
    password_hash bytea NOT NULL
);
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE TABLE projects (
    id serial PRIMARY KEY,
    name text NOT NULL,
    slug text NOT NULL,
    base_url text NOT NULL
);
CREATE TABLE test_runs (
    id bigserial PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    title text NOT NULL,
    status text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE test_steps (
    id bigserial PRIMARY KEY,
    test_run_id bigint NOT NULL REFERENCES test_runs ON DELETE CASCADE,
    position integer NOT NULL,
    description text NOT NULL,
    status text NOT NULL,
    screenshot text
);
COMMENT ON TABLE test_steps IS 'what a test run did, in order';
"""

STARTS = """
CREATE TABLE server_starts (id serial PRIMARY KEY, version text NOT NULL, started_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX test_steps_by_run ON test_steps (test_run_id, position);
CREATE INDEX test_runs_by_project ON test_runs (project_id);
"""

SPLIT_FIRST_HALF = """
ALTER TABLE projects DROP COLUMN slug;
ALTER TABLE test_runs RENAME COLUMN title TO name;
"""

SPLIT_SECOND_HALF = """
CREATE TABLE step_screenshots (step_id bigint PRIMARY KEY REFERENCES test_steps ON DELETE CASCADE, path text NOT NULL);
INSERT INTO step_screenshots SELECT id, screenshot FROM test_steps WHERE screenshot IS NOT NULL;
ALTER TABLE test_steps DROP COLUMN screenshot;
"""

STEPS_AS_JSON = """
ALTER TABLE test_runs ADD COLUMN steps jsonb NOT NULL DEFAULT '[]';
"""

STEPS_AS_JSON_BATCH = """
UPDATE test_runs SET steps = made.steps FROM (
    SELECT s.test_run_id, jsonb_agg(jsonb_build_object('position', s.position, 'description', s.description,
        'status', s.status, 'screenshot', p.path) ORDER BY s.position) AS steps
    FROM test_steps s LEFT JOIN step_screenshots p ON p.step_id = s.id
    WHERE s.test_run_id BETWEEN %s AND %s GROUP BY s.test_run_id) made
WHERE test_runs.id = made.test_run_id
"""

# What the schema calls things, by last migration.
QUERIES = {
    2: {
        "projects": "SELECT p.id, p.name, p.base_url, p.slug, (SELECT count(*) FROM test_runs r WHERE r.project_id = p.id)"
                    " FROM projects p ORDER BY p.id",
        "run": "SELECT id, project_id, title, status FROM test_runs WHERE id = %s",
        "runs": "SELECT id, project_id, title, status FROM test_runs ORDER BY id DESC LIMIT %s",
        "steps": "SELECT position, description, status, screenshot FROM test_steps WHERE test_run_id = %s ORDER BY position",
        "add_run": "INSERT INTO test_runs (project_id, title, status) VALUES (%s, %s, %s) RETURNING id",
        "add_step": "INSERT INTO test_steps (test_run_id, position, description, status) VALUES (%s, %s, %s, %s)",
        "health": "SELECT (SELECT slug FROM projects LIMIT 1), (SELECT title FROM test_runs LIMIT 1)",
    },
    4: {
        "projects": "SELECT p.id, p.name, p.base_url, NULL, (SELECT count(*) FROM test_runs r WHERE r.project_id = p.id)"
                    " FROM projects p ORDER BY p.id",
        "run": "SELECT id, project_id, name, status FROM test_runs WHERE id = %s",
        "runs": "SELECT id, project_id, name, status FROM test_runs ORDER BY id DESC LIMIT %s",
        "steps": "SELECT s.position, s.description, s.status, p.path FROM test_steps s LEFT JOIN step_screenshots p"
                 " ON p.step_id = s.id WHERE s.test_run_id = %s ORDER BY s.position",
        "add_run": "INSERT INTO test_runs (project_id, name, status) VALUES (%s, %s, %s) RETURNING id",
        "add_step": "INSERT INTO test_steps (test_run_id, position, description, status) VALUES (%s, %s, %s, %s)",
        "health": "SELECT (SELECT id FROM projects LIMIT 1), (SELECT name FROM test_runs LIMIT 1)",
    },
    5: {
        "projects": "SELECT p.id, p.name, p.base_url, NULL, (SELECT count(*) FROM test_runs r WHERE r.project_id = p.id)"
                    " FROM projects p ORDER BY p.id",
        "run": "SELECT id, project_id, name, status FROM test_runs WHERE id = %s",
        "runs": "SELECT id, project_id, name, status FROM test_runs ORDER BY id DESC LIMIT %s",
        "steps": "SELECT (s->>'position')::int, s->>'description', s->>'status', s->>'screenshot' FROM test_runs,"
                 " jsonb_array_elements(steps) s WHERE id = %s ORDER BY 1",
        "add_run": "INSERT INTO test_runs (project_id, name, status) VALUES (%s, %s, %s) RETURNING id",
        "add_step": "UPDATE test_runs SET steps = steps || jsonb_build_object('position', %s, 'description', %s,"
                    " 'status', %s, 'screenshot', NULL) WHERE id = %s",
        "health": "SELECT (SELECT id FROM projects LIMIT 1), (SELECT jsonb_array_length(steps) FROM test_runs LIMIT 1)",
    },
}


def move_screenshots(cursor, data):
    """run-00001-step-2.png becomes 00001/step-2.png, in the files and in the table."""
    directory = os.path.join(data, "screenshots")
    for name in sorted(os.listdir(directory)):
        match = re.fullmatch(r"run-(\d+)-(step-\d+\.png)", name)
        if match:
            os.makedirs(os.path.join(directory, match[1]), exist_ok=True)
            os.rename(os.path.join(directory, name), os.path.join(directory, match[1], match[2]))
    cursor.execute(r"UPDATE step_screenshots SET path = regexp_replace(path, '^run-(\d+)-', '\1/')")


def steps_as_json(cursor, log, seconds):
    """Rewrites every test run. It takes a while, and at least as long as the image's QAID_MIGRATION_SECONDS says."""
    cursor.execute(STEPS_AS_JSON)
    cursor.execute("SELECT coalesce(max(id), 0) FROM test_runs")
    last = cursor.fetchone()[0]
    batches = 20
    for batch in range(batches):
        cursor.execute(STEPS_AS_JSON_BATCH, (last * batch // batches + 1, last * (batch + 1) // batches))
        time.sleep(seconds / batches)
        log(f"migration 0005_steps_as_json: {100 * (batch + 1) // batches} %")
    cursor.execute("DROP TABLE step_screenshots; DROP TABLE test_steps")


def migrate(connection, release, data, log):
    """Runs what is missing of the release's migrations, each in a transaction of its own."""
    names = [None, "0001_first", "0002_starts", "0003_split_steps", "0004_move_screenshots", "0005_steps_as_json"]
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(7421)")
        cursor.execute("CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
                       " applied_at timestamptz NOT NULL DEFAULT now())")
        cursor.execute("SELECT coalesce(max(version), 0) FROM schema_migrations")
        done = cursor.fetchone()[0]
    for version in range(done + 1, RELEASES[release] + 1):
        log(f"migration {names[version]}: started")
        with connection, connection.cursor() as cursor:
            if version == 1:
                cursor.execute(FIRST)
            elif version == 2:
                cursor.execute(STARTS)
            elif version == 3:
                cursor.execute(SPLIT_FIRST_HALF)
                if "migration-error" in faults.FAULTS:  # a tool that does not run its migrations in one transaction
                    connection.commit()
                    cursor.execute("SELECT no_such_column FROM test_steps")
                cursor.execute(SPLIT_SECOND_HALF)
            elif version == 4:
                move_screenshots(cursor, data)
            elif version == 5:
                steps_as_json(cursor, log, float(os.environ.get("QAID_MIGRATION_SECONDS", "0")))
            cursor.execute("INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", (version, names[version]))
        log(f"migration {names[version]}: applied")
