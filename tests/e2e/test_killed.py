"""P1: whatever dies, and whenever, recovery ends with the new release up and verified, or with the old one and everything as it was."""

import signal
import time

import pytest

from application import release, run
from ends import assert_new, assert_old, assert_one_of_two_ends
from program import ABORTED, DONE, PHASES, ROLLED_BACK, UNDO_PHASES

GOOD, BAD = "1.3.0", "1.3.0-catastrophe"
BEFORE_SWITCH = ("preflight", "baseline", "resolve", "fetch", "backup", "quiesce", "freeze")


def run_until(program, version, phase, delay=0.0):
    release("all", version)
    running = program.start("upgrade")
    assert running.wait_for_phase(phase), f"the run ended before {phase}: {running.result(None)}"
    time.sleep(delay)
    return running


def recover(program):
    result = program("recover")
    assert result.code in (DONE, ABORTED, ROLLED_BACK), result
    assert program.record() is None, "recovery left the record open"
    again = program("recover")
    assert again.code == DONE, again
    return result


@pytest.mark.parametrize("phase", PHASES)
def test_the_whole_group_killed_on_the_way_to_a_good_release(application, before, program, phase):
    run_until(program, GOOD, phase, 0.05).kill_all()
    recover(program)
    end = assert_one_of_two_ends(application, before)
    if phase in BEFORE_SWITCH:
        assert end == "old"
    if phase in ("watch", "commit"):
        assert end == "new"


@pytest.mark.parametrize("phase", UNDO_PHASES)
def test_the_whole_group_killed_on_the_way_back(application, before, program, phase):
    run_until(program, BAD, phase, 0.05).kill_all()
    recover(program)
    assert_old(application, before)


@pytest.mark.parametrize("version, phase, delay", [
    (GOOD, "freeze", 0.3), (GOOD, "switch", 0.4), (BAD, "undo-data", 0.1), (BAD, "undo-start", 0.5)])
def test_the_whole_group_killed_in_the_middle_of_a_phase(application, before, program, version, phase, delay):
    run_until(program, version, phase, delay).kill_all()
    recover(program)
    end = assert_one_of_two_ends(application, before)
    assert version == GOOD or end == "old"


def test_recovery_itself_killed_again_and_again(application, before, program):
    run_until(program, BAD, "undo-data").kill_all()
    for delay in (0.1, 0.6, 1.5):
        running = program.start("recover")
        time.sleep(delay)
        running.kill_all()
    recover(program)
    assert_old(application, before)


@pytest.mark.parametrize("version, phase", [(GOOD, "quiesce"), (GOOD, "switch"), (GOOD, "watch"), (BAD, "undo-data")])
def test_the_supervisor_alone_killed(application, before, program, version, phase):
    running = run_until(program, version, phase, 0.05)
    running.signal(signal.SIGKILL)
    running.process.wait(10)
    recover(program)
    end = assert_one_of_two_ends(application, before)
    assert version == GOOD or end == "old"


@pytest.mark.parametrize("version, phase", [(GOOD, "backup"), (GOOD, "freeze"), (GOOD, "switch"), (GOOD, "watch"), (BAD, "undo-start")])
def test_a_worker_alone_killed(application, before, program, version, phase):
    running = run_until(program, version, phase, 0.1)
    worker = running.worker()
    assert worker, "no worker was at work"
    run("kill", "-KILL", worker)
    result = running.wait()
    assert result.code in (DONE, ABORTED, ROLLED_BACK), result
    end = assert_one_of_two_ends(application, before)
    assert version == GOOD or end == "old"
    assert (end == "new") == (result.code == DONE), result


@pytest.mark.parametrize("version, phase", [(GOOD, "freeze"), (GOOD, "watch"), (BAD, "undo-stop")])
def test_docker_and_the_program_killed_where_everything_restarts_always(application, before, program, host, kept, version, phase):
    text = application.compose_file.read_text().replace("restart: unless-stopped", "restart: always")
    application.compose_file.write_text(text)
    application.compose("up", "-d", "--wait", timeout=120)
    before["project"]["compose.yaml"] = {**before["project"]["compose.yaml"], "bytes": text, "sha256": None, "size": None}
    for container in before["containers"].values():
        container["policy"] = {**container["policy"], "Name": "always"}
    running = run_until(program, version, phase, 0.2)
    host.kill_docker()
    running.kill_all()
    host.start_docker()
    time.sleep(1)
    recover(program)
    now = application.request("GET", "/api/version")[1]["version"]
    if now == GOOD and version == GOOD:
        assert phase == "watch"
    else:
        assert_old(application, before)
    kept.fresh = None  # another Compose file: the next test gets a new application


@pytest.mark.parametrize("phase, expected", [("backup", ABORTED), ("quiesce", ABORTED), ("freeze", ABORTED)])
def test_a_polite_end_before_the_switch_backs_out(application, before, program, phase, expected):
    running = run_until(program, GOOD, phase)
    running.signal(signal.SIGTERM)
    assert running.wait().code == expected
    assert_old(application, before)


def test_a_polite_end_before_the_first_full_pass_rolls_back_without_a_grudge(application, before, program):
    release("all", "1.3.0-never-listens")
    running = program.start("upgrade")
    assert running.wait_for_phase("watch")
    running.signal(signal.SIGTERM)
    assert running.wait().code == ROLLED_BACK
    assert_old(application, before)
    # Nobody but a probe makes a release bad: it is offered again.
    plan = program.json("plan", code=DONE)
    assert any(service["to"] and service["to"]["version"] == "1.3.0" for service in plan["services"])


def test_an_upgrade_recovers_first(application, before, program):
    run_until(program, GOOD, "freeze").kill_all()
    record = program.upgrade(DONE)
    assert record["outcome"] == "upgraded"
    assert_new(application, before)
