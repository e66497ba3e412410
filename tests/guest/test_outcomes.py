"""What the journal knows: README.md's questions to it, outcomes read back from it, and who is not believed.

Most of it is tried on an application whose database does not run: its upgrades are refused, which takes a moment.
"""

import re
import shlex
import time

from guest import TOP
from inside import wait_until

import pytest

FORGER = r"""
import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto("".join(f"{pair}\n" for pair in sys.argv[1:]).encode(), "/run/systemd/journal/socket")
"""
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
FIELDS = ("UPGRADE_APP", "UPGRADE_ID", "UPGRADE_PHASE", "UPGRADE_OUTCOME", "UPGRADE_REASON", "UPGRADE_FROM", "UPGRADE_TO",
          "UPGRADE_PROBE", "UPGRADE_PROBE_RESULT", "UPGRADE_SECONDS", "MESSAGE", "MESSAGE_ID", "PRIORITY")
STATE = "/var/lib/upgrade-watchdog/ghost"


@pytest.fixture(scope="module", autouse=True)
def refusals(ghost):
    """One by the unit, one by hand."""
    before = ghost.newest()["id"]
    ghost.start()
    ghost.ended(before)
    ghost.settle()
    assert ghost.program("upgrade", "ghost", "--here", timeout=120).returncode == 4


@pytest.fixture(scope="module")
def rolled_back(crm):
    """The record of an upgrade of crm that was rolled back; the night before has usually left one."""
    found = [record for record in crm.history() if record["outcome"] == "rolled-back" and record["failed_probe"] == "login"]
    if found:
        return found[0]
    before = crm.newest()["id"]
    crm.offer("1.3.0-login-500")
    crm.start()
    record = crm.ended(before)
    crm.settle()
    assert (record["outcome"], record["failed_probe"]) == ("rolled-back", "login"), record
    return record


def closing(application, record):
    found = application.journal(f"UPGRADE_APP={application.name}", f"UPGRADE_ID={record['id']}", f"UPGRADE_OUTCOME={record['outcome']}")
    assert len(found) == 1, found
    return found[0]


def brief(records):
    return [(record["id"], record["outcome"], record["reason"]) for record in records]


def test_a_refusal_is_in_the_journal_as_its_units_or_its_programs(ghost):
    by_hand, by_unit = (closing(ghost, record) for record in ghost.history()[:2])
    assert by_unit["_SYSTEMD_UNIT"] == ghost.unit
    assert by_hand.get("_SYSTEMD_UNIT") != ghost.unit
    for found, record in zip((by_hand, by_unit), ghost.history()[:2]):
        assert (found["_UID"], found["_EXE"]) == ("0", "/usr/bin/upgrade-watchdog")
        assert found["UPGRADE_OUTCOME"] == "refused"
        assert (found["UPGRADE_PHASE"], found["UPGRADE_REASON"]) == (record["phase"], record["reason"])
        assert float(found["UPGRADE_SECONDS"]) > 0


def forge(guest, *how, **fields):
    """Writes to the journal as @how says, and sees that it has arrived there."""
    guest.run(*how, "python3", "-c", FORGER, *(f"{name}={value}" for name, value in fields.items()))
    arrived(guest, fields["UPGRADE_ID"])


def arrived(guest, transaction):
    wait_until(lambda: guest.run("journalctl", "-q", "-o", "cat", f"UPGRADE_ID={transaction}").stdout, 30)


def test_forged_records_do_not_count(guest, ghost):
    before = ghost.history()
    genuine = closing(ghost, before[0])
    mold = {name: genuine[name] for name in FIELDS if name in genuine}
    forge(guest, *NOBODY, **{**mold, "UPGRADE_ID": "29991231T000000Z-0001"})
    forge(guest, *NOBODY, **{**mold, "UPGRADE_ID": "29991231T000000Z-0002", "_UID": "0", "_SYSTEMD_UNIT": ghost.unit,
                             "_EXE": "/usr/bin/upgrade-watchdog"})
    as_root = ("systemd-run", "--quiet", "--wait", "--collect")
    forge(guest, *as_root, "--unit=forger.service", **{**mold, "UPGRADE_ID": "29991231T000000Z-0003"})
    forge(guest, *as_root, "--unit=xupgrade-watchdog@ghost.service", **{**mold, "UPGRADE_ID": "29991231T000000Z-0004"})
    logged = [f"{name}={value}" for name, value in {**mold, "UPGRADE_ID": "29991231T000000Z-0005"}.items()]
    guest.run("sh", "-c", f'printf "%s\\n" "$@" | {" ".join(NOBODY)} logger --journald', "sh", *logged)
    arrived(guest, "29991231T000000Z-0005")
    assert ghost.history() == before
    assert ghost.status()["last"] == before[0]
    guest.run("mv", f"{STATE}/transactions", f"{STATE}/aside")
    try:
        assert brief(ghost.history()) == brief(before)
        assert ghost.status()["last"]["id"] == before[0]["id"]
    finally:
        guest.run("mv", f"{STATE}/aside", f"{STATE}/transactions")


def test_a_record_is_its_writers_also_when_journald_is_late(guest, ghost):
    """journald looks up who wrote a record when it reads it."""
    before = ghost.newest()["id"]
    guest.run("systemctl", "kill", "--signal=STOP", "systemd-journald")
    try:
        guest.run("sh", "-c", "upgrade-watchdog upgrade ghost --here >/dev/null 2>&1 &")
        record = wait_until(lambda: (newest := ghost.newest())["id"] != before and ghost.record() is None and newest, 120, 0.05)
        time.sleep(0.2)
    finally:
        guest.run("systemctl", "kill", "--signal=CONT", "systemd-journald")
    arrived(guest, record["id"])
    assert closing(ghost, record).get("_EXE") == "/usr/bin/upgrade-watchdog"


def test_outcomes_are_read_back_from_rotated_journals_and_other_boots(guest, ghost):
    before = ghost.history()
    guest.run("journalctl", "--rotate")
    guest.run("mv", f"{STATE}/transactions", f"{STATE}/aside")
    guest.run("systemctl", "--no-block", "reboot")
    guest.await_reboot()
    read_back = ghost.history()
    assert brief(read_back) == brief(before)
    for record, full in zip(read_back, before):
        assert record["source"] == "journal"
        for name in ("id", "app", "outcome", "phase", "failed_probe", "reason", "started"):
            assert record[name] == full[name], name
    assert ghost.status()["last"] == read_back[0]
    assert before[0]["reason"] in guest.run("upgrade-watchdog", "report", "ghost", before[0]["id"]).stdout
    guest.run("mv", STATE, f"{STATE}.aside")
    assert before[0]["id"] in guest.run("upgrade-watchdog", "history").stdout  # its state directory is lost altogether
    guest.run("mv", f"{STATE}.aside", STATE)
    guest.run("mv", f"{STATE}/aside", f"{STATE}/transactions")
    assert ghost.history() == before


def test_an_outcome_has_every_field(guest, qaid, crm, rolled_back):
    for application in (qaid, crm):  # the host may have been booted a moment ago
        wait_until(application.serves)
    wait_until(lambda: not guest.run("docker", "ps", "-q", "--filter", "health=starting").stdout.strip())
    found = closing(crm, rolled_back)
    assert not [name for name in FIELDS if not found.get(name)], found
    assert (found["UPGRADE_PHASE"], found["UPGRADE_PROBE"], found["UPGRADE_PROBE_RESULT"]) == ("watch", "login", "fail")
    changed = [service for service in rolled_back["services"] if service["change"] != "none"]
    for field, end in (("UPGRADE_FROM", "from"), ("UPGRADE_TO", "to")):
        assert found[field] == ", ".join(f"{service['service']} {service[end]['version']}" for service in changed)
    assert found["UPGRADE_REASON"] == rolled_back["reason"]
    assert float(found["UPGRADE_SECONDS"]) > 1
    # and so have the steps on the way, as far as they have something to say
    steps = {step["MESSAGE"].split(":")[0]: step for step in crm.journal(f"UPGRADE_ID={rolled_back['id']}")}
    assert {"phase preflight", "phase watch", "phase undo-data", "login"} <= set(steps), steps.keys()
    failed = steps["login"]
    assert (failed["UPGRADE_PROBE"], failed["UPGRADE_PROBE_RESULT"], failed["UPGRADE_PHASE"]) == ("login", "fail", "watch")
    assert "500" in failed["UPGRADE_REASON"] and "1.3.0" in failed["UPGRADE_TO"]
    assert all(step["_SYSTEMD_UNIT"] == crm.unit and step["_UID"] == "0" for step in steps.values())


def examples():
    """README.md's, without what is said about them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (TOP / "README.md").read_text(), re.M | re.S)
    return [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines() if line.startswith("journalctl ")]


def test_the_readme_asks_at_least_six_questions():
    assert len(examples()) >= 6


@pytest.mark.parametrize("example", examples())
def test_a_question_of_the_readme_is_answered(guest, crm, rolled_back, example):
    text = example.replace("myapp", crm.name).replace("20261123T031500Z-1f3a", rolled_back["id"])
    program, *arguments = shlex.split(text)
    answer = guest.run(program, "--no-pager", "-q", *arguments).stdout
    assert rolled_back["reason"] in answer or rolled_back["id"] in answer, answer
    if "-x" in arguments:
        assert f"upgrade-watchdog report {crm.name} {rolled_back['id']}" in answer


def test_the_state_directory_fills_in_what_the_journal_has_dropped(guest, ghost):
    """Last here, since it drops what all others ask for."""
    before = ghost.history()
    guest.run("journalctl", "--rotate")
    guest.run("journalctl", "--vacuum-time=1s")
    assert not ghost.journal(f"UPGRADE_ID={before[0]['id']}")
    assert ghost.history() == before
    assert ghost.status()["last"] == before[0]
