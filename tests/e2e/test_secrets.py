"""P9: no secret in an argument list, in what is printed or logged, or in a file that others can read."""

import os
import stat
import threading
import time
from pathlib import Path

from application import PASSWORD, release
from program import DONE, ROLLED_BACK


class Listener:
    """Reads every process's argument list and environment-free command line as fast as it can."""

    def __init__(self, secrets):
        self.secrets = [secret.encode() for secret in secrets]
        self.seen = set()
        self.processes = set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def run(self):
        while not self.ended.is_set():
            for entry in os.listdir("/proc"):
                if not entry.isdigit():
                    continue
                try:
                    line = Path(f"/proc/{entry}/cmdline").read_bytes()
                except OSError:
                    continue
                self.processes.add(line.split(b"\0")[0])
                self.seen.update((secret, line) for secret in self.secrets if secret in line)
            time.sleep(0.002)


def readable_by_others(directory):
    for root, directories, names in os.walk(directory):
        if stat.S_IMODE(os.lstat(root).st_mode) & 0o005 == 0:
            directories.clear()
            continue
        for name in names:
            path = Path(root) / name
            if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o004:
                yield path


def test_no_secret_leaves(application, program):
    secrets = [PASSWORD, application.password]
    results = []
    with Listener(secrets) as listener:
        release("all", "1.3.0-login-500")
        results.append(program("upgrade"))
        assert results[-1].code == ROLLED_BACK, results[-1]
        release("all", "1.3.0")
        results.append(program("upgrade", options=["--json"]))
        assert results[-1].code == DONE, results[-1]
        for command in ("check", "plan", "probe", "status", "history", "report", "snapshots"):
            results.append(program(command))
            results.append(program(command, options=["--json"]))
        for probe in ("login", "projects", "test-run"):
            results.append(program("probe", "--explain", probe))
            results.append(program("probe", "--explain", probe, options=["--json"]))
            assert results[-1].code == DONE and "Bearer eyJ" not in results[-1].output, results[-1]
    assert listener.seen == set()
    assert any(line.endswith(b"docker-compose") for line in listener.processes), "the listener saw nothing of what it should see"
    for result in results:
        for secret in secrets:
            assert secret not in result.output and secret not in result.errors, result

    # Tokens that the application gave out are known to it by hash only: look for what looks like one.
    for path in readable_by_others(application.state_directory):
        content = path.read_bytes()
        for secret in (*secrets, "Bearer "):
            assert secret.encode() not in content, f"{path} is readable by everybody and holds a secret"
    assert stat.S_IMODE(application.state_directory.stat().st_mode) & 0o077 == 0 or stat.S_IMODE(program.state.stat().st_mode) & 0o077 == 0

    # The journal's records of our own, and everything kept as evidence.
    for path in program.state.rglob("*"):
        if path.is_file() and not path.is_symlink() and "snapshots" not in path.parts and "quarantine" not in path.parts:
            content = path.read_bytes()
            assert PASSWORD.encode() not in content, f"{path} holds the probes' password"
