"""Metrics for Prometheus, as its node exporter's collector and promtool(1) find them."""

import re
import subprocess

from inside import wait_until

import pytest

DIRECTORY = "/var/lib/prometheus/node-exporter"  # as Debian's prometheus-node-exporter has it


@pytest.fixture
def collector(guest):
    """A collector's directory that belongs to another user."""
    guest.sh(f"mkdir -p {DIRECTORY} && chown nobody: {DIRECTORY}")
    yield DIRECTORY
    guest.run("rm", "-rf", DIRECTORY)


def wanted(application):
    """Lets it write metrics; their path."""
    path = f"{DIRECTORY}/upgrade-watchdog-{application.name}.prom"
    application.configure(f"[Metrics]\nTextfile={path}\n")
    return path


def read(guest, path):
    """As a collector that is not root does. What is there is whole, and to promtool's liking."""
    text = guest.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", path, check=False).stdout
    if text:
        judged = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert (judged.returncode, judged.stdout + judged.stderr) == (0, ""), text
    values = re.findall(r"^upgrade_watchdog_(\w+)\{app=\"\w+\"(?:,\w+=\"(.*)\")?\} (\S+)$", text, re.M)
    return {(name, label) if label else name: float(value) for name, label, value in values}


def phases_of(values):
    return [name[1] for name, value in values.items() if name[0] == "in_progress" and value == 1]


def outcomes_of(values):
    return [name[1] for name, value in values.items() if name[0] == "last_outcome" and value == 1]


def upgrade(guest, application, look=lambda: None):
    before = application.newest()["id"]
    guest.run("sh", "-c", f"upgrade-watchdog upgrade {application.name} --again >/dev/null 2>&1 &")
    wait_until(lambda: look() or (application.record() is None and application.newest()["id"] != before), 240, 0.05)
    application.settle()
    return application.newest()


def test_a_refusal_is_written_for_everybody_to_read(guest, ghost, collector):
    path = wanted(ghost)
    first = upgrade(guest, ghost)
    second = upgrade(guest, ghost)
    ghost.configure("")
    values = read(guest, path)
    assert (outcomes_of(values), phases_of(values)) == (["refused"], [])
    assert values["transactions_total", "refused"] == len([record for record in ghost.history() if record["outcome"] == "refused"])
    assert values["phase_duration_seconds", "preflight"] == second["seconds"]["preflight"]
    assert values["last_end_timestamp_seconds"] >= values["last_start_timestamp_seconds"] > 1.7e9
    assert first["id"] != second["id"]
    assert guest.run("ls", "-A", collector).stdout.split() == ["upgrade-watchdog-ghost.prom"]
    assert guest.run("stat", "-c", "%a %U", path).stdout.strip() == "644 root"


def test_metrics_that_cannot_be_written_are_a_warning_and_alter_no_outcome(guest, ghost, collector):
    wanted(ghost)
    guest.run("rm", "-r", collector)
    record = upgrade(guest, ghost)
    ghost.configure("")
    assert record["outcome"] == "refused", record
    warnings = [entry["MESSAGE"] for entry in ghost.journal(f"UPGRADE_ID={record['id']}", "PRIORITY=4")]
    assert [text for text in warnings if "Textfile=" in text and "No such file" in text], warnings
    assert ghost.show("Result")["Result"] == "success"


def test_a_rollback_is_seen_phase_by_phase(guest, crm, collector):
    path, seen = wanted(crm), set()
    crm.offer("1.3.0-login-500")
    record = upgrade(guest, crm, lambda: seen.update(phases_of(read(guest, path))))
    assert record["outcome"] == "rolled-back", record
    assert {"watch", "undo-start"} <= seen, seen
    values = read(guest, path)
    assert (outcomes_of(values), phases_of(values)) == (["rolled-back"], [])
    assert values["phase_duration_seconds", "watch"] == record["seconds"]["watch"]
    assert values["rollback_seconds"] == record["seconds"]["rollback"]
    assert crm.program("snapshot", "crm", timeout=120).returncode == 0
    crm.configure("")
    after = read(guest, path)
    assert after["snapshots"] in (values["snapshots"], values["snapshots"] + 1)  # Keep=
    assert after["snapshot_verified_timestamp_seconds"] > values["snapshot_verified_timestamp_seconds"]
    assert after["snapshot_verified_size_bytes"] > 0
