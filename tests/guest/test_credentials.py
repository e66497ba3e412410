"""The probes' login from systemd's credentials, by each of its ways; and what the sandbox leaves a process of the unit."""

import shlex
import subprocess

import pytest

from conftest import prepared

EMAIL, PASSWORD = "probe@qaid.example", "Prüfung & \"more\" %7"
OWN = "/etc/upgrade-watchdog/credentials/books"


@pytest.fixture(scope="module")
def books(guest):
    """An application whose secrets lie in no directory of the program's."""
    application = prepared(guest, "books", 8100, "books")
    guest.run("mv", OWN, "/root/kept-credentials")
    yield application
    application.compose("stop")


def drop_in(guest, application, lines):
    guest.write(f"/etc/systemd/system/{application.unit}.d/credentials.conf", "[Service]\n" + "\n".join(lines) + "\n", 0o600)
    guest.run("systemctl", "daemon-reload")


def escaped(text):
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def load(guest):
    for name, value in (("probe-email", EMAIL), ("probe-password", PASSWORD)):
        guest.write(f"/root/{name}", value + "\n", 0o600)
    return ["LoadCredential=probe-email:/root/probe-email", "LoadCredential=probe-password:/root/probe-password"]


def set_in_unit(guest):
    return [f"SetCredential=probe-email:{escaped(EMAIL)}", f"SetCredential=probe-password:{escaped(PASSWORD)}"]


def load_encrypted(guest):
    guest.run("mkdir", "-p", "-m", "700", "/etc/credstore.encrypted")
    for name, value in (("probe-email", EMAIL), ("probe-password", PASSWORD)):
        guest.sh(f"printf %s {shlex.quote(value)} | systemd-creds encrypt --with-key=host --name={name} - /etc/credstore.encrypted/{name}")
        assert value not in guest.run("cat", f"/etc/credstore.encrypted/{name}").stdout
    return [f"LoadCredentialEncrypted={name}:/etc/credstore.encrypted/{name}" for name in ("probe-email", "probe-password")]


def upgraded(application, version):
    before = application.newest()["id"]
    application.offer(version)
    application.start()
    record = application.ended(before)
    application.settle()
    return record


def test_without_a_credential_the_upgrade_is_refused_and_says_where_it_was_looked_for(guest, books):
    record = upgraded(books, "1.2.4")
    assert (record["outcome"], books.version()) == ("refused", "1.2.3"), record
    assert "probe-email" in record["reason"] and f"{OWN}/probe-email" in record["reason"]


@pytest.mark.parametrize("way, version", [(load, "1.2.4"), (set_in_unit, "1.3.0"), (load_encrypted, "2.0.0")])
def test_the_probes_log_in_with_what_systemd_gives(guest, books, way, version):
    drop_in(guest, books, way(guest))
    record = upgraded(books, version)
    assert (record["outcome"], books.version(), books.serves()) == ("upgraded", version, True), record
    said = guest.run("journalctl", "--no-pager", "-o", "export", f"UPGRADE_ID={record['id']}").stdout
    assert record["id"] in said and PASSWORD not in said
    assert guest.run("grep", "-rlF", PASSWORD, f"/var/lib/upgrade-watchdog/{books.name}/transactions", check=False).stdout == ""


def test_a_file_that_others_could_replace_is_refused(guest, books):
    drop_in(guest, books, [])
    guest.run("cp", "-a", "/root/kept-credentials", OWN)
    guest.run("chmod", "777", OWN)
    try:
        checked = books.program("check", "books")
        assert checked.returncode == 4 and f'chmod go-w "{OWN}"' in checked.stdout + checked.stderr, checked
        guest.run("chmod", "700", OWN)
        assert books.program("check", "books").returncode == 0
    finally:
        guest.run("chmod", "700", OWN)


# What /proc says of each process of the program while it works: filters of system calls, capabilities, no_new_privs.
WATCH = """
import os, time
seen, end = set(), time.monotonic() + 60
while time.monotonic() < end and not os.path.exists("/run/seen-enough"):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open(f"/proc/{pid}/cmdline").read() if "upgrade-watchdog@books" in open(f"/proc/{pid}/cgroup").read() else ""
            status = dict(row.split(":\\t", 1) for row in open(f"/proc/{pid}/status") if ":\\t" in row)
        except OSError:
            continue
        if line.startswith(("upgrade-watchdog\\0", "/usr/bin/upgrade-watchdog\\0upgrade\\0--here")):
            seen.add(("worker" if "--worker" in line else "main", *(status[name].strip() for name in ("Seccomp_filters", "CapPrm", "NoNewPrivs"))))
    time.sleep(0.003)
for entry in sorted(seen):
    print(*entry)
"""


def test_workers_and_looks_give_up_more_than_the_unit_takes(guest, books):
    """Under systemd's filter: theirs lies over it."""
    guest.run("rm", "-f", "/run/seen-enough")
    watcher = subprocess.Popen(guest.command("python3", "-c", WATCH), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert upgraded(books, "2.0.0")["outcome"] == "up-to-date"
    guest.run("touch", "/run/seen-enough")
    seen = [line.split() for line in watcher.communicate(timeout=90)[0].splitlines()]
    main = max(int(filters) for kind, filters, _, _ in seen if kind == "main")
    workers = {(int(filters) - main, int(capabilities, 16)) for kind, filters, capabilities, _ in seen if kind == "worker"}
    assert main > 0 and (2, 0) in workers, seen  # a look: worker's filter and its own, and no capability
    assert any(more == 1 and capabilities for more, capabilities in workers), seen
    assert all(privileges == "1" for *_, privileges in seen), seen
