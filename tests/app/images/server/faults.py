"""What is wrong with the bad releases: each is an image with the names of these in QAID_FAULT, with commas between them."""

import os
import time

import psycopg2

# In server.py: login-500, late-failure, broken-page. In schema.py: migration-error. In the image: wrong-entrypoint.
FAULTS = set(os.environ.get("QAID_FAULT", "").split(","))


def before_migration(log):
    if "exits-at-once" in FAULTS:
        log("nothing to do")
        raise SystemExit(0)
    if "never-listens" in FAULTS:
        log("warming up")
        while True:
            time.sleep(3600)


def after_migration(connection, data, log):
    """Runs between the migrations and the first request, with the rights that the application has: all of them."""
    screenshots = os.path.join(data, "screenshots")
    with connection, connection.cursor() as cursor:
        if "drop-table" in FAULTS:
            cursor.execute("DROP TABLE IF EXISTS test_steps CASCADE")
        if "rows-deleted" in FAULTS:
            cursor.execute("DELETE FROM projects WHERE id > 2")
        if "rows-changed" in FAULTS:
            cursor.execute("UPDATE test_steps SET status = 'passed'; UPDATE test_runs SET status = 'passed'")
        if "database-settings" in FAULTS:
            cursor.execute("SELECT setval('test_runs_id_seq', 5); COMMENT ON DATABASE qaid IS 'no comment';"
                           " ALTER DATABASE qaid SET work_mem = '1MB'; ALTER DATABASE qaid CONNECTION LIMIT 90;"
                           " REVOKE CONNECT ON DATABASE qaid FROM public; DROP TABLE step_screenshots")
        if "role-password" in FAULTS:
            cursor.execute("ALTER ROLE qaid PASSWORD 'another one'")
        if "files-mangled" in FAULTS:
            for root, _, names in os.walk(screenshots):
                for number, name in enumerate(sorted(names)):
                    path = os.path.join(root, name)
                    if number % 4 == 0:
                        os.unlink(path)
                    elif number % 4 == 1:
                        with open(path, "r+b") as file:
                            file.write(b"overwritten")
                    elif number % 4 == 2:
                        os.chmod(path, 0o600)
                        os.utime(path, (1, 1))
                with open(os.path.join(root, "added.bin"), "wb") as file:
                    file.write(os.urandom(1000))
    if "prepared-transaction" in FAULTS:
        connection.tpc_begin("of the new release")
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO projects (name, base_url) VALUES ('prepared', 'http://prepared/')")
        connection.tpc_prepare()
        log("Fatal: the transaction manager does not answer")
        os._exit(1)
    if "renames-database" in FAULTS:
        connection.close()
        rename_database()
        log("Fatal: no database of that name")
        raise SystemExit(1)
    if "crash-after-migration" in FAULTS:
        log("Fatal: cannot read property 'queue' of undefined")
        raise SystemExit(1)


def rename_database():
    """Somebody may be in it for a moment: then it is refused."""
    maintenance = psycopg2.connect(os.environ["DATABASE_URL"].rpartition("/")[0] + "/template1")
    maintenance.autocommit = True
    for _ in range(100):
        try:
            maintenance.cursor().execute("ALTER DATABASE qaid RENAME TO qaid_of_before")
            return
        except psycopg2.Error:
            time.sleep(0.1)
