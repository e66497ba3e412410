"""Bad releases: whatever they did to database and files, everything is as it was."""

import json

import pytest

import fingerprint
from application import release
from ends import assert_old, assert_serving
from program import DONE, REFUSED, ROLLED_BACK

FAULTS = [  # name, probes one of which must be the one that failed
    ("migration-error", {"migrations", "containers"}),
    ("crash-after-migration", {"migrations", "containers"}),
    ("drop-table", {"test-run"}),
    ("rows-deleted", {"projects"}),
    ("files-mangled", {"test-run"}),
    ("database-settings", {"test-run"}),
    ("login-500", {"login"}),
    ("never-listens", {"migrations", "containers", "login"}),
    ("exits-at-once", {"containers", "migrations"}),
    ("wrong-entrypoint", {"containers"}),
    ("broken-page", {"test-run"}),
    ("role-password", {"login", "containers", "migrations"}),
    ("prepared-transaction", {"containers", "migrations"}),
    ("renames-database", {"containers", "migrations", "login"}),
]


@pytest.mark.parametrize("fault, probes", FAULTS, ids=[fault for fault, _ in FAULTS])
def test_a_bad_release_is_rolled_back_to_the_last_byte(application, before, program, fault, probes):
    if fault == "never-listens":
        program.set("StartTimeout", "25s")
    release("all", f"1.3.0-{fault}")
    record = program.upgrade(ROLLED_BACK)
    assert record["failed_probe"] in probes, record
    assert record["reason"]
    assert_old(application, before)

    # P2: what failed is kept.
    with application.connect("template1") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", (record["quarantine"]["database"],))
        assert cursor.fetchone() == (1,)
    connection.close()


def test_a_rollback_holds_and_is_not_tried_again(application, before, program):
    """P5 and P6."""
    release("all", "1.3.0-login-500")
    program.upgrade(ROLLED_BACK)
    now = fingerprint.take(application)
    refused = program.upgrade(REFUSED)
    assert "known" in refused["reason"] or "bad" in refused["reason"]
    assert fingerprint.differences(now, fingerprint.take(application)) == []

    application.compose("up", "-d", "--wait", timeout=120)
    assert_serving(application, "1.2.3")
    application.compose("pull", "-q")
    application.compose("up", "-d", "--wait", timeout=120)
    assert_serving(application, "1.2.3")
    assert fingerprint.differences(before, fingerprint.take(application), only=["relations", "data", "database"]) == []

    # A release that is not that one is another matter, and takes the pin away.
    release("all", "1.3.0")
    assert program.upgrade(DONE)["outcome"] == "upgraded"
    assert fingerprint.differences(before, fingerprint.take(application), only=["project"]) == []


def test_every_write_acknowledged_before_the_switch_is_there_after_a_rollback(application, before, program, writer):
    """P3 and P4: with the gate shut until the first full pass, that is every write there is."""
    release("all", "1.3.0-login-500")
    writer.wait_for(20)
    record = program.upgrade(ROLLED_BACK)
    writer.wait_for(20)
    writer.stop()
    assert writer.refused > 0, "nobody noticed that the application was down: the writer proves nothing"
    assert writer.missing(writer.acknowledged) == []
    # Migrations, start-ups and the probes' logins wrote; no user did.
    written = {table["table"] for table in record["lost"] if table["added"]}
    assert "public.test_runs" not in written and "public.test_steps" not in written
    assert written and any("nobody came in by it" in note for note in record["notes"])


def test_what_a_late_rollback_loses_is_said_and_kept(application, program, writer):
    """P13: after the first full pass users write; a rollback then says how much of that is gone from the old database."""
    program.set("Duration", "40s")
    release("all", "1.3.0-late-failure")
    writer.wait_for(5)
    record = program.upgrade(ROLLED_BACK)
    writer.wait_for(5)
    writer.stop()
    lost = writer.missing(writer.acknowledged)
    assert lost, "the release failed before a user could write"
    said = {table["table"]: table["added"] for table in record["lost"]}
    assert said["public.test_runs"] == len(lost)
    assert not any("nobody came in" in note for note in record["notes"])
    with application.connect("template1") as connection, connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE \"%s\" ALLOW_CONNECTIONS true" % record["quarantine"]["database"])
    connection.close()
    with application.connect(record["quarantine"]["database"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM test_runs")
        kept = {name for (name,) in cursor}
    connection.close()
    assert {write.name for write in lost} <= kept


def test_between_undo_pins_and_undo_start_everything_is_back(application, before, program):
    """Stopped in the act: before the first container of the old release starts, database and files are those of the snapshot."""
    release("all", "1.3.0-catastrophe")
    running = program.start("upgrade")
    assert running.wait_for_phase("undo-start")
    running.stop_all()
    try:
        # On a busy machine the fence may be lifted already: then it is not ours to put back.
        with application.connect("template1") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT NOT datallowconn FROM pg_database WHERE datname = 'qaid'")
            fenced = cursor.fetchone()[0]
            cursor.execute("ALTER DATABASE qaid ALLOW_CONNECTIONS true")
        connection.close()
        now = {"data": fingerprint.of_files(application.data), "project": fingerprint.of_directory(application),
               **fingerprint.of_database(application)}
        with application.connect("template1") as connection, connection.cursor() as cursor:
            if fenced:
                cursor.execute("ALTER DATABASE qaid ALLOW_CONNECTIONS false")
        connection.close()
    finally:
        running.continue_all()
    # Only the probes of the baseline had logged in by then.
    assert fingerprint.differences(before, now, only=["data", "database", "roles", "relations"], ignore=("public.sessions",)) == []
    assert fingerprint.differences(before, now, only=["project"], pinned=True) == []
    assert running.wait().code == ROLLED_BACK
    assert_old(application, before)


def test_the_reports_of_a_rollback_agree(application, program):
    release("all", "1.3.0-broken-page")
    record = program.upgrade(ROLLED_BACK)
    assert program.json("status", code=DONE)["last"]["id"] == record["id"]
    assert program.json("history", code=DONE)[0]["id"] == record["id"]
    report = program.json("report", record["id"], code=DONE)
    assert (report["outcome"], report["failed_probe"], report["reason"]) == ("rolled-back", "test-run", record["reason"])
    assert record["seconds"]["rollback"] > 0 and record["seconds"]["downtime"] > 0
    assert json.dumps(record).count("1.3.0") >= 1
