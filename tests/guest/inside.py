"""The sample application in a booted host, and the program as its operator has it there."""

import json
import time

ROWS = 2000
PHASES = ("preflight", "baseline", "resolve", "fetch", "backup", "quiesce", "freeze", "switch", "watch", "commit")


def wait_until(what, seconds=120, pause=0.3):
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(pause)


class Application:
    """The sample application in the guest, and the program as its operator has it there."""

    def __init__(self, guest, name, port, tag):
        self.guest, self.name, self.port, self.tag = guest, name, port, tag
        self.unit = f"upgrade-watchdog@{name}.service"
        self.timer = f"upgrade-watchdog@{name}.timer"

    def up(self):
        self.guest.run("/opt/tree/tests/app/up", "/srv", "--rows", ROWS, "--port", self.port, "--name", self.name, "--tag", self.tag,
                       "--health-interval", "3s", timeout=300)
        self.guest.run("sed", "-i", "s/^StartTimeout=.*/StartTimeout=90s/; s/^Duration=.*/Duration=4s/", f"/srv/etc/{self.name}.conf")
        self.guest.sh("cp -a /srv/etc/. /etc/upgrade-watchdog/ && chmod 700 /etc/upgrade-watchdog /etc/upgrade-watchdog/credentials")

    def compose(self, *arguments):
        return self.guest.run("docker", "compose", "--project-directory", f"/srv/{self.name}", *arguments, timeout=120)

    def configure(self, text):
        """A drop-in of the application's configuration; none for ""."""
        path = f"/etc/upgrade-watchdog/{self.name}.conf.d/test.conf"
        self.guest.write(path, text) if text else self.guest.run("rm", "-f", path)

    def offer(self, version):
        self.guest.run("/opt/tree/tests/app/release", "all", version, self.tag)

    def forget_bad(self):
        self.guest.run("rm", "-f", f"/var/lib/upgrade-watchdog/{self.name}/known-bad.json")

    def program(self, *arguments, check=False, **options):
        return self.guest.run("upgrade-watchdog", *arguments, check=check, **options)

    def history(self):
        return json.loads(self.program("--json", "history", self.name, check=True).stdout)

    def newest(self):
        return (self.history() or [{"id": None}])[0]

    def status(self):
        return json.loads(self.program("--json", "status", self.name, check=True).stdout)

    def version(self):
        name = f"{self.name}-qaid-server-1"
        return self.guest.run("docker", "inspect", "-f", '{{index .Config.Labels "org.opencontainers.image.version"}}', name).stdout.strip()

    def serves(self):
        return self.guest.run("curl", "-fsS", "-o", "/dev/null", f"http://127.0.0.1:{self.port}/", check=False).returncode == 0

    def show(self, *names):
        text = self.guest.run("systemctl", "show", self.unit, *(f"-p{name}" for name in names)).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def start(self):
        """Without waiting: the unit counts as started when its record is open."""
        self.guest.run("systemctl", "start", "--no-block", self.unit)

    def in_phase(self, phase):
        """In it, or past it on the way forward."""
        found = (self.record() or {}).get("phase")
        return found in PHASES and PHASES.index(found) >= PHASES.index(phase)

    def was_in(self, phase):
        """Seen in it; or, on the way forward, past it: some last a few milliseconds only."""
        return (self.record() or {}).get("phase") == phase or phase in PHASES and self.in_phase(phase)

    def stands_as_before(self):
        """Every service runs with the restart policy of the Compose file, and nothing of ours stands about."""
        names = self.guest.run("docker", "ps", "-a", "--filter", f"label=com.docker.compose.project={self.name}", "--format", "{{.Names}}").stdout.split()
        shown = self.guest.run("docker", "inspect", "-f", "{{.Name}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}}", *names).stdout.split("\n")
        return sorted(filter(None, shown)) == sorted(
            f"/{self.name}-{service}-1 true unless-stopped" for service in ("postgres", "qaid-server", "frontend", "caddy"))

    def record(self):
        text = self.guest.run("cat", f"/var/lib/upgrade-watchdog/{self.name}/transaction.json", check=False).stdout
        return json.loads(text) if text.strip() else None

    def ended(self, before, seconds=180):
        """The transaction that closed after the one called @before."""
        return wait_until(lambda: (newest := self.newest())["id"] != before and self.record() is None and newest, seconds, 1)

    def settle(self):
        """Nothing runs, nothing is open, and no start limit stands in the next test's way."""
        wait_until(lambda: self.show("ActiveState")["ActiveState"] in ("inactive", "failed"))
        assert self.record() is None
        self.guest.run("systemctl", "reset-failed", self.unit, check=False)

    def journal(self, *arguments):
        done = self.guest.run("journalctl", "-o", "json", "--no-pager", *arguments, check=False)
        assert done.returncode in (0, 1) and not done.stderr, done  # 1: nothing was found
        lines = done.stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def main_pid(self):
        return int(self.show("MainPID")["MainPID"])
