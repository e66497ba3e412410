"""The package from its build to its purge, and what it must leave alone. In this order."""

from inside import wait_until
from installed import complaints

RECOVERY = "upgrade-watchdog-recover.timer"
ETC, STATE = "/etc/upgrade-watchdog", "/var/lib/upgrade-watchdog"
SECRET = f"{ETC}/credentials/qaid/probe-password"


def exists(guest, path):
    return guest.run("test", "-e", path, check=False).returncode == 0


def names(guest, path):
    return sorted(guest.run("ls", "-A", path).stdout.split())


def units(guest, *states):
    """Names of units of ours that the service manager remembers."""
    listed = guest.run("systemctl", "list-units", "--all", "--plain", "--no-legend", *states, "upgrade-watchdog*").stdout
    return sorted(line.split()[0] for line in listed.splitlines())


def links(guest):
    return guest.sh("find /etc/systemd/system -name 'upgrade-watchdog*' -type l").stdout.split()


def test_lintian_finds_nothing(guest, package):
    found = guest.run("lintian", "--fail-on", "error,warning", "--display-info", "--pedantic", "--tag-display-limit", "0", package.changes,
                      check=False)
    print(found.stdout)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "hardening" not in found.stdout


def test_installing_puts_everything_in_place_and_starts_nothing(guest, package):
    package.install()
    assert package.status() == "ii"
    assert links(guest) == []
    assert units(guest, "--state=active,activating,failed") == []
    assert not exists(guest, STATE)
    assert complaints(guest) == []
    assert guest.run("upgrade-watchdog", "--version").stdout


def test_an_upgrade_of_the_package_leaves_a_running_transaction_alone(guest, package, qaid):
    for timer in (qaid.timer, RECOVERY):
        guest.run("systemctl", "enable", "--now", timer)
    qaid.offer("1.3.0")
    before = qaid.newest()["id"]
    qaid.start()
    # early, since most of its workers are still to be started
    wait_until(lambda: qaid.in_phase("backup"), 120, 0.05)
    whole = qaid.show("MainPID", "InvocationID", "NRestarts", "ExecMainStartTimestampMonotonic")
    transaction = qaid.record()["id"]
    package.install(package.newer)
    assert package.version().endswith("+newer")
    assert qaid.record()["id"] == transaction, "it was over too soon to show anything"
    assert qaid.show(*whole) == whole
    assert "(deleted)" in guest.run("readlink", f"/proc/{whole['MainPID']}/exe").stdout
    # the service manager has read the new unit
    assert qaid.show("Description", "NeedDaemonReload") == {"Description": "Newer upgrade of qaid, watched and rolled back if it fails",
                                                             "NeedDaemonReload": "no"}
    record = qaid.ended(before)
    assert (record["id"], record["outcome"], qaid.version(), qaid.serves()) == (transaction, "upgraded", "1.3.0", True), record
    explained = guest.run("journalctl", "-x", "--no-pager", f"UPGRADE_ID={transaction}", "UPGRADE_OUTCOME=upgraded").stdout
    assert "Defined-By: upgrade-watchdog" in explained
    for timer in (qaid.timer, RECOVERY):
        assert guest.run("systemctl", "is-enabled", timer).stdout.strip() == "enabled"
        assert guest.run("systemctl", "is-active", timer).stdout.strip() == "active"
    qaid.settle()


def refused(guest, package, attempt):
    done = attempt()
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "upgrade-watchdog is not removed" in said and "upgrade-watchdog status qaid" in said and "upgrade-watchdog recover qaid" in said, said
    # "ri": installed, and somebody would like it removed
    assert package.status()[1] == "i", package.status()
    assert exists(guest, SECRET)
    for timer in ("upgrade-watchdog@qaid.timer", RECOVERY):
        assert guest.run("systemctl", "is-enabled", timer).stdout.strip() == "enabled"
        assert guest.run("systemctl", "is-active", timer).stdout.strip() == "active"


def test_removal_is_refused_while_a_transaction_is_open(guest, package, qaid):
    before = qaid.newest()["id"]
    qaid.offer("1.3.0-files-mangled")
    qaid.configure("[Watch]\nFailAfter=60\nStartTimeout=90s\nSettleTime=60s\n")
    qaid.start()
    wait_until(lambda: qaid.in_phase("baseline"), 120, 0.05)
    pid = qaid.main_pid()
    for attempt in (lambda: package.apt("remove", "upgrade-watchdog", check=False), lambda: package.apt("purge", "upgrade-watchdog", check=False),
                    lambda: guest.run("dpkg", "-r", "upgrade-watchdog", check=False), lambda: guest.run("dpkg", "-P", "upgrade-watchdog", check=False)):
        refused(guest, package, attempt)
    assert qaid.main_pid() == pid and qaid.record()
    wait_until(lambda: qaid.in_phase("watch"), 120)
    # nobody works on it, and it is open all the same
    guest.run("systemctl", "stop", RECOVERY)
    guest.run("systemctl", "kill", "-s", "KILL", "--kill-whom=all", qaid.unit)
    guest.run("systemctl", "stop", qaid.unit)
    guest.run("systemctl", "start", RECOVERY)
    assert qaid.record()
    refused(guest, package, lambda: guest.run("dpkg", "-r", "upgrade-watchdog", check=False))
    qaid.configure("")
    done = qaid.program("recover", "qaid", timeout=240)
    record = qaid.ended(before)
    assert record["outcome"] == "rolled-back", (record, done.stdout, done.stderr)
    assert (qaid.version(), qaid.serves()) == ("1.3.0", True)
    wait_until(lambda: qaid.show("ActiveState")["ActiveState"] in ("inactive", "failed"))


def test_removal_takes_the_timers_along_and_leaves_configuration_and_state(guest, package, qaid):
    before = names(guest, f"{STATE}/qaid")
    assert guest.run("systemctl", "is-failed", qaid.unit, check=False).stdout.strip() == "failed"
    package.apt("remove", "upgrade-watchdog")
    assert package.status() == "rc"
    assert links(guest) == []
    assert units(guest) == []
    assert exists(guest, SECRET) and exists(guest, f"{ETC}/qaid.conf")
    assert names(guest, f"{STATE}/qaid") == before
    assert qaid.serves()
    package.install()
    assert qaid.newest()["outcome"] == "rolled-back"
    assert links(guest) == []


def test_a_purge_keeps_what_may_be_the_only_copy_of_data(guest, package, qaid):
    guest.sh(f"cp -a {ETC} /srv/etc-before")
    said = package.apt("purge", "upgrade-watchdog").stdout
    assert package.status() == ""
    assert not exists(guest, ETC) and not exists(guest, "/etc/needrestart/conf.d/upgrade-watchdog.conf") and not exists(guest, "/run/upgrade-watchdog")
    assert names(guest, f"{STATE}/qaid") == ["images", "pins.json", "quarantine", "snapshots"]
    for kept in ("images", "pins.json", "quarantine", "snapshots"):
        assert f"{STATE}/qaid/{kept}\n" in said, said
    assert links(guest) == [] and units(guest) == []
    assert guest.sh("find / -xdev -name '*upgrade-watchdog*' ! -path '/srv/*' ! -path '/proc/*' ! -path '/var/log/*' ! -path '/tmp/*'"
                    " ! -path '/opt/*' ! -path '/var/cache/man/*'").stdout.split() == [STATE]
    # and it can be used: a package that is installed again restores from it
    package.install()
    guest.sh(f"cp -a /srv/etc-before/. {ETC}/")
    verified = qaid.program("snapshots", "qaid", "--verify")
    assert verified.returncode == 0 and "20" in verified.stdout, verified.stdout + verified.stderr
    package.apt("purge", "upgrade-watchdog")
    assert names(guest, STATE) == ["qaid"]


def test_a_purge_without_anything_to_keep_leaves_nothing(guest, package):
    guest.run("rm", "-r", STATE)
    package.install()
    guest.write(f"{STATE}/empty/lock", "", 0o600)
    guest.sh(f"mkdir {STATE}/empty/snapshots {STATE}/empty/transactions")
    said = package.apt("purge", "upgrade-watchdog").stdout
    assert "kept" not in said
    assert not exists(guest, STATE) and not exists(guest, ETC)
