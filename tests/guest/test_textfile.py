"""Metrics for Prometheus, as its node exporter's collector and promtool(1) find them."""

import re
import subprocess

from inside import wait_until

import pytest

DIRECTORY = "/var/lib/prometheus/node-exporter"  # as Debian's prometheus-node-exporter has it


@pytest.fixture
def textfile(guest, crm):
    """A collector's directory that belongs to another user, and one that looks into it all the time."""
    path = f"{DIRECTORY}/upgrade-watchdog-crm.prom"
    guest.sh(f"mkdir -p {DIRECTORY} && chown nobody: {DIRECTORY}")
    crm.configure(f"[Metrics]\nTextfile={path}\n")
    yield path
    crm.configure("")
    guest.run("rm", "-rf", DIRECTORY)


def read(guest, path):
    """As a collector that is not root does. What is there is whole, and to promtool's liking."""
    text = guest.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", path, check=False).stdout
    if text:
        judged = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert (judged.returncode, judged.stdout + judged.stderr) == (0, ""), text
    return dict(re.findall(r"^(upgrade_watchdog_\w+\{.*\}) (\S+)$", text, re.M))


def outcome(values, name):
    return values.get(f'upgrade_watchdog_last_outcome{{app="crm",outcome="{name}"}}')


def phase_in(values):
    return [re.search('phase="(.*)"', name).group(1) for name, value in values.items() if name.startswith("upgrade_watchdog_in_progress") and value == "1"]


def upgrade(guest, crm, look=lambda: None):
    """Offers crm a release that is rolled back."""
    before = crm.newest()["id"]
    crm.offer("1.3.0-login-500")
    guest.run("sh", "-c", "upgrade-watchdog upgrade crm --again >/dev/null 2>&1 &")
    wait_until(lambda: look() or (crm.record() is None and crm.newest()["id"] != before), 240, 0.1)
    crm.settle()
    return crm.newest()


def test_a_transaction_writes_its_phases_and_its_end(guest, crm, textfile):
    seen = set()
    record = upgrade(guest, crm, lambda: seen.update(phase_in(read(guest, textfile))))
    assert record["outcome"] == "rolled-back", record
    assert {"watch", "undo-start"} <= seen, seen
    values = read(guest, textfile)
    assert (outcome(values, "rolled-back"), phase_in(values)) == ("1", []), values
    assert sum(float(value) for name, value in values.items() if "last_outcome" in name) == 1
    assert float(values['upgrade_watchdog_last_end_timestamp_seconds{app="crm"}']) > float(values['upgrade_watchdog_last_start_timestamp_seconds{app="crm"}'])
    assert float(values['upgrade_watchdog_phase_duration_seconds{app="crm",phase="watch"}']) == record["seconds"]["watch"]
    assert float(values['upgrade_watchdog_rollback_seconds{app="crm"}']) == record["seconds"]["rollback"]
    assert guest.run("ls", "-A", DIRECTORY).stdout.split() == ["upgrade-watchdog-crm.prom"]
    assert guest.run("stat", "-c", "%a %U", textfile).stdout.strip() == "644 root"

    kept = int(values['upgrade_watchdog_snapshots{app="crm"}'])
    assert crm.program("snapshot", "crm", timeout=120).returncode == 0
    after = read(guest, textfile)
    newest = 'upgrade_watchdog_snapshot_verified_timestamp_seconds{app="crm"}'
    assert int(after['upgrade_watchdog_snapshots{app="crm"}']) in (kept, kept + 1)  # Keep=
    assert float(after[newest]) > float(values[newest])


def test_metrics_that_cannot_be_written_are_a_warning_and_alter_no_outcome(guest, crm, textfile):
    guest.run("rm", "-r", DIRECTORY)
    record = upgrade(guest, crm)
    assert record["outcome"] == "rolled-back", record
    warnings = crm.journal(f"UPGRADE_ID={record['id']}", "PRIORITY=4")
    assert [warning for warning in warnings if "Textfile=" in warning["MESSAGE"] and "No such file" in warning["MESSAGE"]], warnings
