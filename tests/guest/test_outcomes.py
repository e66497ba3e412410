"""What the journal knows: README.md's questions to it, outcomes read back from it, and who is not believed."""

import re
import shlex
import time

from guest import TOP
from inside import wait_until

import pytest

FORGER = r"""
import socket, sys
fields = dict(pair.split("=", 1) for pair in sys.argv[1:])
text = "".join(f"{name}={value}\n" for name, value in fields.items())
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text.encode(), "/run/systemd/journal/socket")
"""
FIELDS = ("UPGRADE_APP", "UPGRADE_ID", "UPGRADE_PHASE", "UPGRADE_OUTCOME", "UPGRADE_REASON", "UPGRADE_FROM", "UPGRADE_TO",
          "UPGRADE_PROBE", "UPGRADE_PROBE_RESULT", "UPGRADE_SECONDS", "MESSAGE", "MESSAGE_ID", "PRIORITY")
ASIDE = "/var/lib/upgrade-watchdog.aside"


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


def outcome_of(application, record):
    found = application.journal(f"UPGRADE_APP={application.name}", f"UPGRADE_ID={record['id']}", "UPGRADE_OUTCOME=rolled-back")
    assert len(found) == 1
    return found[0]


def brief(records):
    return [(record["id"], record["outcome"]) for record in records]


def test_an_outcome_has_every_field(crm, rolled_back):
    found = outcome_of(crm, rolled_back)
    assert not [name for name in FIELDS if not found.get(name)], found
    assert (found["UPGRADE_PHASE"], found["UPGRADE_PROBE"], found["UPGRADE_PROBE_RESULT"]) == ("watch", "login", "fail")
    assert found["UPGRADE_FROM"] == ", ".join(f"{service['service']} {service['from']['version']}" for service in rolled_back["services"]
                                             if service["change"] != "none")
    assert "1.3.0" in found["UPGRADE_TO"] and found["UPGRADE_FROM"] != found["UPGRADE_TO"]
    assert found["UPGRADE_REASON"] == rolled_back["reason"]
    assert float(found["UPGRADE_SECONDS"]) > 1
    # and so have the steps on the way, as far as they have something to say
    steps = crm.journal(f"UPGRADE_ID={rolled_back['id']}")
    kinds = {step["MESSAGE"].split(":")[0]: step for step in steps}
    assert {"phase preflight", "phase watch", "phase undo-data", "login"} <= set(kinds), kinds.keys()
    failed = kinds["login"]
    assert (failed["UPGRADE_PROBE"], failed["UPGRADE_PROBE_RESULT"], failed["UPGRADE_PHASE"]) == ("login", "fail", "watch")
    assert "500" in failed["UPGRADE_REASON"] and "1.3.0" in failed["UPGRADE_TO"]
    assert all(step["_SYSTEMD_UNIT"] == crm.unit and step["_UID"] == "0" for step in steps)


def examples():
    """README.md's, without what is said about them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (TOP / "README.md").read_text(), re.M | re.S)
    return [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines() if line.startswith("journalctl ")]


def test_the_readme_asks_at_least_six_questions():
    assert len(examples()) >= 6


@pytest.mark.parametrize("example", examples())
def test_a_question_of_the_readme_is_answered(guest, crm, rolled_back, example):
    text = example.replace("myapp", crm.name).replace("20261123T031500Z-1f3a", rolled_back["id"])
    assert text != example or "myapp" not in example
    program, *arguments = shlex.split(text)
    answer = guest.run(program, "--no-pager", "-q", *arguments).stdout
    assert rolled_back["reason"] in answer or f'"UPGRADE_ID" : "{rolled_back["id"]}"' in answer or rolled_back["id"] in answer, answer
    if "-x" in arguments:
        assert f"upgrade-watchdog report {crm.name} {rolled_back['id']}" in answer


def forge(guest, *how, **fields):
    """Writes to the journal as @how says, and sees that it has arrived there."""
    pairs = [f"{name}={value}" for name, value in fields.items()]
    guest.run(*how, "python3", "-c", FORGER, *pairs)
    wait_until(lambda: guest.run("journalctl", "-q", "-o", "cat", f"UPGRADE_ID={fields['UPGRADE_ID']}").stdout, 20)


def test_forged_records_do_not_count(guest, crm, rolled_back):
    genuine = outcome_of(crm, rolled_back)
    before = crm.history()
    mold = {name: genuine[name] for name in FIELDS}
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    forge(guest, *nobody, **{**mold, "UPGRADE_ID": "29991231T000000Z-0001"})
    forge(guest, *nobody, **{**mold, "UPGRADE_ID": "29991231T000000Z-0002", "_UID": "0", "_SYSTEMD_UNIT": crm.unit,
                             "_EXE": "/usr/bin/upgrade-watchdog"})
    forge(guest, "systemd-run", "--quiet", "--wait", "--collect", "--unit=forger.service",
          **{**mold, "UPGRADE_ID": "29991231T000000Z-0003"})
    forge(guest, "systemd-run", "--quiet", "--wait", "--collect", "--unit=xupgrade-watchdog@crm.service",
          **{**mold, "UPGRADE_ID": "29991231T000000Z-0004"})
    logged = [f"{name}={value}" for name, value in {**mold, "UPGRADE_ID": "29991231T000000Z-0005"}.items()]
    guest.run("sh", "-c", 'printf "%s\\n" "$@" | setpriv --reuid=65534 --regid=65534 --clear-groups logger --journald', "sh", *logged)
    wait_until(lambda: guest.run("journalctl", "-q", "-o", "cat", "UPGRADE_ID=29991231T000000Z-0005").stdout, 20)
    assert crm.history() == before
    assert crm.status()["last"] == before[0]


def test_a_record_is_its_writers_also_when_journald_is_late(guest, crm, rolled_back):
    """journald looks up who wrote a record when it reads it."""
    before = crm.newest()["id"]
    guest.run("systemctl", "kill", "--signal=STOP", "systemd-journald")
    try:
        guest.run("sh", "-c", "upgrade-watchdog upgrade crm --here >/dev/null 2>&1 & echo $!")
        record = wait_until(lambda: (newest := crm.newest())["id"] != before and crm.record() is None and newest, 180, 0.1)
        time.sleep(0.3)
    finally:
        guest.run("systemctl", "kill", "--signal=CONT", "systemd-journald")
    found = wait_until(lambda: crm.journal(f"UPGRADE_ID={record['id']}", f"UPGRADE_OUTCOME={record['outcome']}"), 20)[0]
    assert found.get("_EXE") == "/usr/bin/upgrade-watchdog", found
    crm.settle()


def test_outcomes_are_read_back_from_rotated_journals_and_other_boots(guest, qaid, crm, rolled_back):
    before = {application.name: brief(application.history()) for application in (qaid, crm)}
    assert rolled_back["id"] in dict(before["crm"])
    guest.run("journalctl", "--rotate")
    guest.sh(f"mkdir {ASIDE} && for app in qaid crm; do mkdir {ASIDE}/$app; mv /var/lib/upgrade-watchdog/$app/transactions {ASIDE}/$app/; done")
    assert brief(crm.history()) == before["crm"]
    guest.run("systemctl", "--no-block", "reboot")
    guest.await_reboot()
    for application in (qaid, crm):
        wait_until(application.serves, 120)
        assert brief(application.history()) == before[application.name]
        assert application.status()["last"]["id"] == before[application.name][0][0]
    read_back = next(record for record in crm.history() if record["id"] == rolled_back["id"])
    assert read_back["source"] == "journal"
    for name in ("id", "app", "outcome", "phase", "failed_probe", "reason", "started"):
        assert read_back[name] == rolled_back[name], name
    assert [(service["service"], service["from"]["version"], service["to"]["version"]) for service in read_back["services"]] == \
        [(service["service"], service["from"]["version"], service["to"]["version"]) for service in rolled_back["services"]
         if service["change"] != "none"]
    report = guest.run("upgrade-watchdog", "report", "crm", rolled_back["id"]).stdout
    assert "rolled-back" in report and rolled_back["reason"] in report
    everything = guest.run("upgrade-watchdog", "history").stdout
    assert rolled_back["id"] in everything
    guest.sh(f"for app in qaid crm; do rmdir /var/lib/upgrade-watchdog/$app/transactions; mv {ASIDE}/$app/transactions /var/lib/upgrade-watchdog/$app/; done"
             f" && rm -r {ASIDE}", check=False)


def test_the_state_directory_fills_in_what_the_journal_has_dropped(guest, crm, rolled_back):
    before = crm.history()
    guest.run("journalctl", "--rotate")
    guest.run("journalctl", "--vacuum-time=1s")
    assert not crm.journal(f"UPGRADE_ID={rolled_back['id']}")
    assert crm.history() == before
    assert crm.status()["last"] == before[0]
    assert next(record for record in crm.history() if record["id"] == rolled_back["id"]) == rolled_back
