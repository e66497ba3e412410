"""The night, and what a person finds in the morning."""

import re

from inside import wait_until


def test_the_units_are_clean_and_sandboxed(guest):
    units = ["upgrade-watchdog@qaid.service", "upgrade-watchdog@qaid.timer", "upgrade-watchdog-recover.service",
             "upgrade-watchdog-recover.timer"]
    verified = guest.run("systemd-analyze", "verify", *units, check=False)
    complaints = [line for line in (verified.stdout + verified.stderr).splitlines() if "upgrade-watchdog" in line]
    assert not complaints, complaints
    text = guest.run("systemd-analyze", "security", "--no-pager", "upgrade-watchdog@qaid.service", check=False).stdout
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", text).group(1))
    assert exposure <= 3.5, text


def test_one_application_is_upgraded_and_another_rolled_back_by_the_timer(guest, qaid, crm):
    qaid.offer("1.3.0")
    crm.offer("1.3.0-login-500")
    before = {application.name: application.newest()["id"] for application in (qaid, crm)}
    for application in (qaid, crm):
        # the night comes in two seconds
        guest.write(f"/etc/systemd/system/{application.timer}.d/now.conf", "[Timer]\nOnCalendar=\nOnActiveSec=2s\nRandomizedDelaySec=0\nAccuracySec=100ms\n")
        guest.run("systemctl", "daemon-reload")
        guest.run("systemctl", "enable", "--now", application.timer)
    good, bad = qaid.ended(before["qaid"]), crm.ended(before["crm"])
    assert (good["outcome"], qaid.version(), qaid.serves()) == ("upgraded", "1.3.0", True), good
    assert (bad["outcome"], crm.version(), crm.serves()) == ("rolled-back", "1.2.3", True), bad
    assert bad["failed_probe"] == "login"
    # one after another: Slots=1
    first, second = sorted((good, bad), key=lambda record: record["started"])
    assert first["finished"] <= second["started"]
    for application in (qaid, crm):
        wait_until(lambda: application.show("ActiveState")["ActiveState"] in ("inactive", "failed"))
    assert qaid.show("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    assert crm.show("Result", "ExecMainStatus") == {"Result": "exit-code", "ExecMainStatus": "5"}
    assert guest.run("systemctl", "is-active", "upgrade-watchdog-recover.timer").stdout.strip() == "active"
    morning(guest, crm, bad)
    for application in (qaid, crm):
        guest.run("systemctl", "disable", "--now", application.timer)
        application.settle()


def morning(guest, application, record):
    """What happened, to what, from which version, why, what now."""
    found = application.journal(f"UPGRADE_APP={application.name}", "UPGRADE_OUTCOME=rolled-back")
    assert len(found) == 1
    assert found[0]["UPGRADE_ID"] == record["id"]
    assert found[0]["_SYSTEMD_UNIT"] == application.unit
    assert found[0]["UPGRADE_PROBE"] == "login"
    assert "1.2.3" in found[0]["UPGRADE_FROM"] and "1.3.0" in found[0]["UPGRADE_TO"]
    assert "500" in found[0]["UPGRADE_REASON"]
    explained = guest.run("journalctl", "-x", "--no-pager", f"UPGRADE_ID={record['id']}", "UPGRADE_OUTCOME=rolled-back").stdout
    assert f"upgrade-watchdog report {application.name} {record['id']}" in explained
    status = guest.run("upgrade-watchdog", "status", application.name).stdout
    assert "rolled-back" in status and "login" in status and "Pinned" in status
