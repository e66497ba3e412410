"""Good releases: installed, verified, nothing lost, nothing of the program left."""

import json

import fingerprint
from application import release
from ends import assert_new, assert_old, assert_serving
from program import DONE, REFUSED


def test_a_good_release_is_installed_and_no_acknowledged_write_is_lost(application, before, program, writer):
    release("all", "1.3.0")
    writer.wait_for(20)
    record = program.upgrade(DONE)
    writer.wait_for(20)
    writer.stop()
    assert writer.missing(writer.acknowledged) == []
    assert_new(application, before)

    assert record["outcome"] == "upgraded"
    changed = {service["service"]: service for service in record["services"] if service["from"]["digest"] != service["to"]["digest"]}
    assert set(changed) == {"qaid-server", "frontend"}
    for service in changed.values():
        assert (service["from"]["version"], service["to"]["version"], service["change"]) == ("1.2.3", "1.3.0", "minor")
    assert record["seconds"]["downtime"] > 0 and record["seconds"]["freeze"] >= 0

    # The clone is kept: people find bugs at 9 a.m.
    with application.connect("template1") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), bool_or(datallowconn) FROM pg_database WHERE datname LIKE 'qaid\\_%'")
        assert cursor.fetchone() == (1, False)
    connection.close()


def test_where_nothing_is_new_nothing_is_touched(application, before, program):
    record = program.upgrade(DONE)
    assert record["outcome"] == "up-to-date"
    assert fingerprint.differences(before, fingerprint.take(application)) == []


def test_a_long_migration_is_waited_for(application, before, program):
    release("all", "2.0.0")
    record = program.upgrade(DONE)
    assert record["outcome"] == "upgraded"
    assert record["seconds"]["downtime"] > 8  # what this migration takes at least
    assert_new(application, before, "2.0.0")


def test_one_upgrade_after_another_and_a_rollback_on_a_persons_word(application, before, program):
    release("all", "1.2.4")
    first = program.upgrade(DONE)
    assert_serving(application, "1.2.4")
    release("all", "1.3.0")
    second = program.upgrade(DONE)
    assert_serving(application, "1.3.0")
    listed = program.json("snapshots", code=DONE)
    assert {first["snapshot"], second["snapshot"]} <= {snapshot["id"] for snapshot in listed}

    told = program("rollback", second["snapshot"])
    assert told.code != DONE, "a rollback without --yes and without a terminal must not happen"
    assert_serving(application, "1.3.0")
    record = program.json("rollback", second["snapshot"], "--yes", code=5)
    assert record["outcome"] == "rolled-back"
    assert_serving(application, "1.2.4")
    history = program.json("history", code=DONE)
    assert [entry["outcome"] for entry in history][:3] == ["rolled-back", "upgraded", "upgraded"]


def test_plan_and_check_say_what_would_be_and_change_nothing(application, before, program):
    release("all", "1.3.0")
    plan = program.json("plan", code=DONE)
    server = next(service for service in plan["services"] if service["service"] == "qaid-server")
    assert (server["from"]["version"], server["to"]["version"]) == ("1.2.3", "1.3.0")
    assert program("check").code == DONE
    probes = program("probe")
    assert probes.code == DONE, probes
    for name in ("containers", "migrations", "login", "projects", "test-run"):
        assert name in probes.output
    assert fingerprint.differences(before, fingerprint.take(application)) == []


def test_a_probe_explains_itself(application, program):
    shown = program("probe", "--explain", "projects")
    assert shown.code == DONE, shown
    for words in ("GET /api/projects", "Assert=(. | length) >= ($baseline | length): holds", "200"):
        assert words in shown.output, shown
    value = program.json("probe", "--explain", "test-run", code=DONE)
    assert "/api/test-runs/1" in json.dumps(value) and "screenshot" in json.dumps(value)
    nobody = program("probe", "--explain", "nobody")
    assert nobody.code == 2 and "nobody" in nobody.errors and "login" in nobody.errors, nobody


def test_a_snapshot_by_hand_restores(application, before, program):
    made = program("snapshot", "--verify=restore")
    assert made.code == DONE, made
    listed = program.json("snapshots", code=DONE)
    assert len(listed) == 1
    assert_old(application, before)


def test_an_upgrade_that_finds_another_at_work_says_so(application, program):
    release("all", "1.3.0")
    first = program.start("upgrade")
    assert first.wait_for_phase("backup")
    assert program("upgrade").code == 7
    assert first.wait().code == DONE
    assert clones(application) == 1
    program.configure(("[Snapshot]\n", "[Snapshot]\nKeepClone=1s\n"))
    assert program.upgrade(DONE)["outcome"] == "up-to-date"
    assert clones(application) == 0, "a night without news does not end what has been kept for its time"
    assert REFUSED == 4


def clones(application):
    with application.connect("template1") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'qaid\\_clone\\_%'")
        count, = cursor.fetchone()
    connection.close()
    return count
