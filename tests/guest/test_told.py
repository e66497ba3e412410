"""Who is told what, by a real mail program and over HTTP, also when nobody but systemd is left to tell it."""

import email
import email.policy
import json

import pytest

from inside import wait_until
from test_protocol import BAD, END, kill, other

HOOKS = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/srv/hooks", "ab") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(204)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 9191), Handler).serve_forever()
"""
NOTIFY = "[Notify]\nMail=root\nUrl=http://127.0.0.1:9191/\n"


class Inbox:
    """What has reached root's mailbox and the web service since the test began."""

    def __init__(self, guest, application):
        self.guest, self.application = guest, application
        guest.write("/srv/hooks.py", HOOKS)
        self.forget()

    def forget(self):
        self.guest.sh("rm -f /srv/hooks; : >/var/mail/root")

    def listen(self, on=True):
        if on:
            self.guest.run("systemd-run", "--unit=hooks", "--collect", "python3", "/srv/hooks.py")
            wait_until(lambda: self.guest.run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9191", check=False).returncode == 0, 20)
        else:
            self.guest.run("systemctl", "stop", "hooks.service", check=False)

    def posted(self):
        return [json.loads(line) for line in self.guest.sh("cat /srv/hooks", check=False).stdout.splitlines()]

    def mails(self):
        raw = self.guest.sh("cat /var/mail/root").stdout
        parts = ["From " + part for part in ("\n" + raw).split("\nFrom ")[1:]]
        return [email.message_from_string(part.split("\n", 1)[1], policy=email.policy.default) for part in parts]

    def spooled(self):
        return self.guest.sh(f"ls /var/lib/upgrade-watchdog/{self.application.name}/spool/", check=False).stdout.split()


@pytest.fixture
def inbox(guest, crm):
    crm.configure(NOTIFY)
    box = Inbox(guest, crm)
    yield box
    box.listen(False)
    crm.configure("")
    crm.settle()


def test_a_rollback_at_night_is_told_by_mail_and_later_to_who_was_not_there(guest, crm, inbox):
    before = crm.newest()["id"]
    crm.forget_bad()
    crm.offer(BAD)
    crm.start()
    record = crm.ended(before)
    assert record["outcome"] == "rolled-back", record
    (mail,) = wait_until(inbox.mails, 60)
    assert mail["subject"].startswith("crm was rolled back: login")
    text = mail.get_content()
    for words in ("500", "The old release is up again", "Nothing tonight", f"upgrade-watchdog report crm {record['id']}"):
        assert words in text, text
    # the web service was down: it has the message when it is there again, the mailbox not twice
    wait_until(lambda: crm.journal("MESSAGE_ID=" + message_id(guest, "not-told"), f"UPGRADE_ID={record['id']}"), 60)
    assert inbox.posted() == [] and any(name.endswith("-rolled-back.json") for name in inbox.spooled())
    inbox.listen()
    assert crm.program("notify", "crm").returncode == 0
    (message,) = inbox.posted()
    assert message["kind"] == "rolled-back" and message["host"] == guest.run("uname", "-n").stdout.strip()
    assert len(inbox.mails()) == 1
    assert not [name for name in inbox.spooled() if name.endswith(".json")]


def message_id(guest, name):
    """Of a kind of record, by the catalog's subject."""
    subject = {"not-told": "A message about @UPGRADE_APP@ could not be sent"}[name]
    for line in guest.run("journalctl", "--list-catalog").stdout.splitlines():
        if line.endswith(subject):
            return line.split()[0]
    raise AssertionError(f"no catalog entry {subject!r}")


def test_what_waits_is_sent_by_the_timer_of_recovery(guest, crm, inbox):
    guest.sh("mkdir -p /var/lib/upgrade-watchdog/crm/spool")
    message = {"kind": "failed", "app": "crm", "key": "waiting-failed", "created": 1, "detail": "waited"}
    guest.write("/var/lib/upgrade-watchdog/crm/spool/waiting-failed.json", json.dumps({**message, "created": now(guest)}), 0o600)
    inbox.listen()
    wait_until(inbox.posted, 150)
    assert [mail["subject"] for mail in inbox.mails()] == ["The upgrades of crm need a person: waited"]


def now(guest):
    return int(guest.run("date", "+%s%6N").stdout)


def test_a_restart_loop_ends_with_a_person_told(guest, crm, inbox):
    inbox.listen()
    guest.write(f"/run/systemd/system/{crm.unit}.d/loop.conf", "[Unit]\nStartLimitBurst=2\n[Service]\nRestartSec=100ms\n")
    guest.run("systemctl", "daemon-reload")
    before, version, wanted = crm.newest()["id"], crm.version(), other(crm)
    crm.offer(wanted)
    crm.start()
    wait_until(lambda: crm.in_phase("watch"), 120, 0.1)
    for _ in range(10):
        if crm.show("ActiveState")["ActiveState"] == "failed":
            break
        if crm.main_pid():
            kill(crm, "KILL")
        wait_until(lambda: crm.main_pid() or crm.show("ActiveState")["ActiveState"] == "failed", 30, 0.05)
    (mail,) = wait_until(inbox.mails, 60)
    assert mail["subject"].startswith("The upgrades of crm need a person")
    assert "is not started" in mail.get_content() and "upgrade-watchdog recover crm" in mail.get_content()
    assert [message["kind"] for message in inbox.posted()] == ["failed"]
    guest.run("rm", "-r", f"/run/systemd/system/{crm.unit}.d")
    guest.run("systemctl", "daemon-reload")
    # the command that the message names finishes it
    assert crm.program("recover", "crm", timeout=240).returncode in (0, 5)
    record = crm.ended(before, 240)
    assert record["outcome"] in END, record
    assert crm.version() == (wanted if record["outcome"] == "upgraded" else version)


def test_a_full_disk_is_told_of_once_a_day(guest, ghost):
    """No record of the refusal can be written, nor a message kept with the application's state."""
    state = f"/var/lib/upgrade-watchdog/{ghost.name}"
    ghost.configure("[Notify]\nMail=root\n")
    inbox = Inbox(guest, ghost)
    guest.run("mkdir", "-p", state)
    guest.run("mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", state)
    guest.run("dd", "if=/dev/zero", f"of={state}/full", "bs=4k", check=False)
    try:
        for _ in range(2):
            guest.run("systemctl", "start", ghost.unit, check=False)
            wait_until(lambda: ghost.show("ActiveState")["ActiveState"] in ("inactive", "failed"))
            guest.run("systemctl", "start", f"upgrade-watchdog-notify@{ghost.name}.service")  # what is sent, was sent by now
        (mail,) = wait_until(inbox.mails, 60)
        assert mail["subject"].startswith(f"The upgrades of {ghost.name} need a person: no upgrade could be begun")
        assert "No space left on device" in mail.get_content() and "No transaction is open" in mail.get_content()
    finally:
        guest.run("umount", state)
        ghost.configure("")


def test_a_configuration_that_has_become_wrong_is_told_once(guest, crm, inbox):
    """To those whom the last transaction's configuration names."""
    inbox.listen()
    crm.program("upgrade", "crm", timeout=180)
    crm.settle()
    inbox.forget()
    crm.configure(NOTIFY + "Nonsense=1\n")
    guest.run("systemctl", "start", crm.unit, check=False)
    (mail,) = wait_until(inbox.mails, 60)
    assert "the configuration is wrong" in mail["subject"] and "Nonsense" in mail.get_content()
    assert "No transaction is open" in mail.get_content()
    guest.run("systemctl", "start", f"upgrade-watchdog-notify@crm.service")
    assert len(inbox.mails()) == 1
