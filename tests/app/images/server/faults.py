"""What is wrong with the bad releases: each is an image of 1.3.0 with the name of one of these in QAID_FAULT."""

import os
import time

# In server.py: login-500, late-failure, broken-page. In schema.py: migration-error. In the image: wrong-entrypoint.
BEFORE_MIGRATION = ("exits-at-once", "never-listens")


def before_migration(fault, log):
    if fault == "exits-at-once":
        log("nothing to do")
        raise SystemExit(0)
    if fault == "never-listens":
        log("warming up")
        while True:
            time.sleep(3600)


def after_migration(fault, connection, data, log):
    """Runs between the migrations and the first request, with the rights that the application has: all of them."""
    screenshots = os.path.join(data, "screenshots")
    with connection, connection.cursor() as cursor:
        if fault == "drop-table":
            cursor.execute("DROP TABLE IF EXISTS test_steps CASCADE")
        elif fault == "rows-deleted":
            cursor.execute("DELETE FROM projects WHERE id > 2")
        elif fault == "rows-changed":
            cursor.execute("UPDATE test_steps SET status = 'passed'; UPDATE test_runs SET status = 'passed'")
        elif fault == "database-settings":
            cursor.execute("SELECT setval('test_runs_id_seq', 5); COMMENT ON DATABASE qaid IS 'no comment';"
                           " ALTER DATABASE qaid SET work_mem = '1MB'; ALTER DATABASE qaid CONNECTION LIMIT 90;"
                           " REVOKE CONNECT ON DATABASE qaid FROM public; DROP TABLE step_screenshots")
        elif fault == "role-password":
            cursor.execute("ALTER ROLE qaid PASSWORD 'another one'")
        elif fault == "files-mangled":
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
    if fault == "crash-after-migration":
        log("Fatal: cannot read property 'queue' of undefined")
        raise SystemExit(1)
