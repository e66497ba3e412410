"""systemd's watchdog, its stop, its reboot, and a person at a terminal."""

import os
import pty
import subprocess
import time

import pytest

from inside import PHASES, wait_until

BAD = "2.0.0-disaster"  # after whatever runs
END = ("upgraded", "rolled-back", "aborted")


def other(application):
    """The release after the one that runs; the last two differ in nothing but their number, and follow each other for ever."""
    return {"1.2.3": "1.2.4", "1.2.4": "1.3.0", "1.3.0": "2.0.0", "2.0.0": "2.0.1", "2.0.1": "2.0.0"}[application.version()]


def kill(application, number):
    application.guest.run("kill", f"-{number}", application.main_pid())


def test_a_stopped_main_process_is_killed_by_the_watchdog_and_the_restart_recovers(guest, crm):
    guest.write(f"/run/systemd/system/{crm.unit}.d/short.conf", "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=3s\nRestartSec=1s\n")
    guest.run("systemctl", "daemon-reload")
    before, wanted = crm.newest()["id"], other(crm)
    crm.offer(wanted)
    crm.start()
    wait_until(lambda: crm.in_phase("watch"), 120, 0.1)
    first = crm.main_pid()
    kill(crm, "STOP")
    wait_until(lambda: crm.main_pid() not in (0, first), 60)
    record = crm.ended(before)
    assert (record["outcome"], crm.version(), crm.serves()) == ("upgraded", wanted, True), record
    said = crm.journal("-u", crm.unit, "--grep", "[Ww]atchdog timeout")
    assert said
    guest.run("rm", "-r", f"/run/systemd/system/{crm.unit}.d")
    guest.run("systemctl", "daemon-reload")
    crm.settle()


def test_a_worker_that_hangs_stops_no_ping_and_its_phase_is_begun_again(guest, crm):
    """systemd's watchdog watches the main loop alone; a worker that is dead is another matter than one that has failed."""
    began = int(guest.run("date", "+%s").stdout)
    guest.write(f"/run/systemd/system/{crm.unit}.d/short.conf", "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=3s\nRestartSec=1s\n")
    guest.run("systemctl", "daemon-reload")
    before, wanted = crm.newest()["id"], other(crm)
    crm.offer(wanted)
    crm.start()
    wait_until(lambda: crm.in_phase("watch"), 120, 0.1)
    main = crm.main_pid()
    worker = wait_until(lambda: guest.run("pgrep", "-P", main, check=False).stdout.split(), 20)[0]
    guest.run("kill", "-STOP", worker)
    time.sleep(10)
    assert crm.main_pid() == main and crm.record()["phase"] == "watch"
    guest.run("kill", "-KILL", worker)
    record = crm.ended(before)
    assert (record["outcome"], crm.version(), crm.serves()) == ("upgraded", wanted, True), record
    assert not crm.journal("-u", crm.unit, "--grep", "[Ww]atchdog timeout", "--since", f"@{began}")
    guest.run("rm", "-r", f"/run/systemd/system/{crm.unit}.d")
    guest.run("systemctl", "daemon-reload")
    crm.settle()


@pytest.mark.long
def test_a_worker_that_hangs_is_ended_at_the_deadline_of_its_phase(guest, crm):
    """Preflight has two minutes; it begins with READY=1, and the main loop pings all the time."""
    guest.write(f"/run/systemd/system/{crm.unit}.d/short.conf", "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=3s\n")
    guest.run("systemctl", "daemon-reload")
    began = int(guest.run("date", "+%s").stdout)
    before, version = crm.newest()["id"], crm.version()
    crm.offer(other(crm))
    crm.start()
    # in one go, since the first phases are over in a second or two
    stopped = guest.sh(f"until main=$(systemctl show -P MainPID {crm.unit}) && [ -e /var/lib/upgrade-watchdog/crm/transaction.json ]"
                       " && worker=$(pgrep -o -P $main)"
                       " && kill -STOP $worker && sleep 0.2 && grep -q '^State:.T' /proc/$worker/status; do :; done; echo $main", timeout=60)
    main, phase = int(stopped.stdout), crm.record()["phase"]
    time.sleep(60)
    assert (crm.main_pid(), crm.record()["phase"]) == (main, phase)
    record = crm.ended(before, 300)
    assert record["outcome"] in ("refused", "aborted") and f"phase {phase} did not end in its time" in record["reason"], record
    assert (crm.version(), crm.serves()) == (version, True)
    assert not crm.journal("-u", crm.unit, "--grep", "[Ww]atchdog timeout", "--since", f"@{began}")
    guest.run("rm", "-r", f"/run/systemd/system/{crm.unit}.d")
    guest.run("systemctl", "daemon-reload")
    crm.settle()


def test_a_stop_before_the_switch_leaves_the_old_release(guest, qaid):
    before, version = qaid.newest()["id"], qaid.version()
    qaid.offer(other(qaid))
    qaid.start()
    wait_until(lambda: qaid.in_phase("backup"), 120, 0.05)
    guest.run("systemctl", "stop", qaid.unit, timeout=120)
    assert qaid.record() is None
    record = qaid.newest()
    assert record["id"] != before and record["outcome"] == "aborted", record
    assert (qaid.version(), qaid.serves()) == (version, True)
    qaid.settle()


def test_a_stop_after_the_first_pass_leaves_the_record_and_the_next_start_watches_on(guest, qaid):
    before, wanted = qaid.newest()["id"], other(qaid)
    qaid.offer(wanted)
    qaid.start()
    wait_until(lambda: (qaid.record() or {}).get("first_pass") and qaid.serves(), 120, 0.1)
    guest.run("systemctl", "stop", qaid.unit, timeout=120)
    assert qaid.record() is not None
    assert qaid.serves()
    guest.run("systemctl", "start", "upgrade-watchdog-recover.service")
    record = qaid.ended(before)
    assert (record["outcome"], qaid.version()) == ("upgraded", wanted), record
    qaid.settle()


def followed(guest, *arguments):
    """The program on a terminal in the guest: its process, and the terminal's other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(guest.command("env", "TERM=xterm", "upgrade-watchdog", *arguments), stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True)
    os.close(theirs)
    return process, ours


def read_all(descriptor):
    text = b""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:
            return text.decode(errors="replace")
        if not piece:
            return text.decode(errors="replace")
        text += piece


def test_an_upgrade_typed_by_hand_is_done_by_the_unit_and_followed(guest, crm):
    """Also where the journal knows nothing of the unit yet."""
    guest.run("journalctl", "--rotate")
    guest.run("journalctl", "--vacuum-time=1s")
    assert not crm.journal("-u", crm.unit)
    before = crm.newest()["id"]
    crm.offer(other(crm))
    process, terminal = followed(guest, "upgrade", "crm")
    wait_until(lambda: crm.in_phase("watch"), 120, 0.1)
    assert crm.main_pid() != 0
    locks = guest.run("systemd-inhibit", "--list", "--no-pager").stdout
    assert "upgrade-watchdog" in locks and "shutdown:sleep" in locks and "delay" in locks
    assert "phase watch" in crm.show("StatusText")["StatusText"]
    second = crm.program("upgrade", "crm")
    assert second.returncode == 7 and "runs already" in second.stderr
    text = read_all(terminal)
    assert process.wait(60) == 0, text
    record = crm.newest()
    assert record["id"] != before and record["outcome"] == "upgraded"
    for words in ("preflight", "backup", "watch", "upgraded", record["id"]):
        assert words in text, text
    crm.settle()


def test_control_c_ends_the_following_alone(guest, crm):
    """And a rollback typed by hand goes where it said it would: to what ran before the newest upgrade."""
    before, version = crm.newest()["id"], crm.version()
    process, terminal = followed(guest, "rollback", "crm", "--yes")
    wait_until(lambda: crm.main_pid() != 0, 60, 0.05)
    time.sleep(0.5)
    guest.run("pkill", "-INT", "-f", "upgrade-watchdog rollback crm")
    text = read_all(terminal)
    assert process.wait(30) == 130, text
    assert "journalctl -fu upgrade-watchdog@crm.service" in text
    record = crm.ended(before)
    assert (record["outcome"], crm.serves()) == ("rolled-back", True), record
    assert crm.version() != version
    crm.settle()


def test_a_lost_connection_ends_the_following_alone(guest, qaid):
    before, wanted = qaid.newest()["id"], other(qaid)
    qaid.offer(wanted)
    process, terminal = followed(guest, "upgrade", "qaid")
    wait_until(lambda: qaid.in_phase("backup"), 120, 0.05)
    os.close(terminal)  # the terminal is gone, as it is when ssh ends: SIGHUP
    guest.run("pkill", "-HUP", "-f", "upgrade-watchdog upgrade qaid", check=False)
    process.wait(30)
    record = qaid.ended(before)
    assert (record["outcome"], qaid.version(), qaid.serves()) == ("upgraded", wanted, True), record
    qaid.settle()


def interrupted(guest, application, phase, interrupt):
    """An upgrade whose host goes down in a phase; afterwards one of the two ends, found by the recovery at boot."""
    before, version, wanted = application.newest()["id"], application.version(), other(application)
    application.offer(wanted)
    application.start()
    wait_until(lambda: application.in_phase(phase), 120, 0.02)
    interrupt()
    record = application.ended(before, 240)
    assert record["outcome"] in END, record
    wait_until(application.serves, 60)
    assert application.version() == (wanted if record["outcome"] == "upgraded" else version)
    application.settle()


def test_a_rollback_asked_for_once_is_done_once_whatever_dies(guest, crm):
    crm.offer(other(crm))
    assert crm.program("upgrade", "crm", timeout=180).returncode == 0
    crm.settle()
    before = len(crm.history())
    process, terminal = followed(guest, "rollback", "crm", "--yes")
    wait_until(lambda: (crm.record() or {}).get("phase", "").startswith("undo-"), 60, 0.02)
    assert guest.run("test", "-e", "/run/upgrade-watchdog/request-crm.json", check=False).returncode != 0
    kill(crm, "KILL")
    text = read_all(terminal)
    assert process.wait(60) == 5, text
    assert [record["outcome"] for record in crm.history()[:len(crm.history()) - before]] == ["rolled-back"]
    assert crm.serves()
    crm.settle()


def test_a_request_that_cannot_be_read_stands_in_nobodys_way(guest, qaid):
    """Nothing is begun, and it is gone afterwards."""
    before = qaid.newest()["id"]
    guest.write("/run/upgrade-watchdog/request-qaid.json", "{", 0o600)
    guest.run("systemctl", "start", qaid.unit)
    qaid.settle()
    assert qaid.newest()["id"] == before
    assert guest.run("test", "-e", "/run/upgrade-watchdog/request-qaid.json", check=False).returncode != 0


def test_a_reboot_in_the_window_comes_back_to_one_of_the_two_ends(guest, crm):
    def reboot():
        guest.run("systemctl", "--no-block", "reboot")
        guest.await_reboot()

    interrupted(guest, crm, "watch", reboot)


def reboot_in(guest, application, phase, release, ends):
    """As interrupted(), of a phase of the way back too."""
    before, version = application.newest()["id"], application.version()
    application.offer(release)
    application.start()
    wait_until(lambda: application.was_in(phase), 120, 0.02)
    guest.run("systemctl", "--no-block", "reboot")
    guest.await_reboot()
    record = wait_until(lambda: application.record() is None and (newest := application.newest())["id"] != before and newest, 240, 1)
    assert record["outcome"] in ends, record
    wait_until(application.serves, 60)
    assert (application.version() != version) == (record["outcome"] == "upgraded")
    assert application.stands_as_before()
    application.settle()


@pytest.mark.long
@pytest.mark.parametrize("phase", PHASES)
def test_a_reboot_in_any_phase_comes_back_to_one_of_the_two_ends(guest, crm, phase):
    reboot_in(guest, crm, phase, other(crm), END + ("refused",))


@pytest.mark.long
@pytest.mark.parametrize("phase", ["undo-stop", "undo-data", "undo-pins", "undo-start"])
def test_a_reboot_in_a_rollback_ends_with_the_old_release(guest, qaid, phase):
    qaid.forget_bad()
    reboot_in(guest, qaid, phase, BAD, ("rolled-back",))


def test_a_power_cut_while_the_application_is_stopped_comes_back(guest, crm):
    def cut():
        guest.power_cut()
        guest.start()

    interrupted(guest, crm, "freeze", cut)
