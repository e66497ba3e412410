"""upgrade-watchdog as a person or a timer runs it: commands with their exit code and JSON, and runs in the background to watch and to kill."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

BINARY = Path(os.environ.get("TESTS_BUILD", "build")) / "upgrade-watchdog"

DONE, ABORTED, USAGE, CONFIGURATION, REFUSED, ROLLED_BACK, INCOMPLETE, LOCKED = range(8)

OUTCOMES = {DONE: ("upgraded", "up-to-date"), ABORTED: ("aborted",), REFUSED: ("refused", "rejected"), ROLLED_BACK: ("rolled-back",),
            INCOMPLETE: ("rollback-failed",)}

PHASES = ["preflight", "baseline", "resolve", "fetch", "backup", "quiesce", "freeze", "switch", "watch", "commit"]
UNDO_PHASES = ["undo-stop", "undo-data", "undo-pins", "undo-start"]


class Result:
    def __init__(self, code, output, errors):
        self.code = code
        self.output = output
        self.errors = errors

    @property
    def json(self):
        """The one JSON value that --json prints; anything else on standard output is an error."""
        return json.loads(self.output)

    def __repr__(self):
        return f"exit code {self.code}\n--- standard output\n{self.output[-4000:]}\n--- standard error\n{self.errors[-4000:]}"


class Run:
    """A command in the background, in a process group of its own."""

    def __init__(self, program, arguments, environment):
        self.program = program
        self.output = tempfile.TemporaryFile("w+")
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.errors,
                                        env=environment, start_new_session=True)

    def wait(self, timeout=240):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"the program did not end within {timeout} s\n{self.result(None)}") from None
        return self.result(code)

    def result(self, code):
        self.output.seek(0)
        self.errors.seek(0)
        return Result(code, self.output.read(), self.errors.read())

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        """To the supervisor alone."""
        self.process.send_signal(number)

    def kill_all(self):
        """SIGKILL to the supervisor and everything it started that stayed in its session."""
        self._signal_all(signal.SIGKILL)
        self.process.wait(30)

    def stop_all(self):
        """Also what a process starts before the signal reaches it."""
        stopped = set()
        while new := set(self.members()) - stopped:
            for pid in new:
                try:
                    os.kill(pid, signal.SIGSTOP)
                except ProcessLookupError:
                    pass
            stopped |= new

    def continue_all(self):
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number):
        for pid in self.members():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def members(self):
        """The processes of the run's session, supervisor first; children that made a session of their own are found by parentage."""
        parents, sessions = {}, {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                parents[int(entry)], sessions[int(entry)] = int(fields[1]), int(fields[3])
        found = {pid for pid, session in sessions.items() if session == self.process.pid}
        while True:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            if not more:
                return sorted(found)
            found |= more

    def worker(self):
        """The process that carries out the phase: the supervisor's child of the same program."""
        for pid in self.members():
            try:
                if pid != self.process.pid and os.readlink(f"/proc/{pid}/exe") == os.path.realpath(BINARY):
                    return pid
            except OSError:
                continue
        return None

    def wait_for_phase(self, phase, timeout=120):
        """Until the record says that the run is in this phase. Returns False where the run ended without it."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            ended = not self.running()
            if self.program.phase() == phase:
                return True
            if ended:
                return False
            time.sleep(0.002)
        raise AssertionError(f"phase {phase} was not reached within {timeout} s\n{self.result(None)}")


class Program:
    def __init__(self, application):
        self.application = application
        self.runs = []

    def __enter__(self):
        assert BINARY.exists(), f"{BINARY} is not built"
        return self

    def __exit__(self, *_):
        for run in self.runs:
            if run.running():
                run.kill_all()

    def arguments(self, command, *more, options=()):
        return [str(BINARY), "--config-dir", str(self.application.config_directory), "--state-dir",
                str(self.application.state_directory), *options, command, self.application.name, *more]

    def start(self, command, *more, options=(), environment=None):
        run = Run(self, self.arguments(command, *more, options=options), {**os.environ, **(environment or {})})
        self.runs.append(run)
        return run

    def __call__(self, command, *more, options=(), timeout=240, environment=None):
        return self.start(command, *more, options=options, environment=environment).wait(timeout)

    def json(self, command, *more, code=None, timeout=240):
        """Runs a command with --json; returns its JSON value after checking the exit code."""
        result = self(command, *more, options=["--json"], timeout=timeout)
        assert code is None or result.code == code, result
        return result.json

    @property
    def state(self):
        return self.application.state_directory / self.application.name

    def record(self):
        """The open transaction as the program wrote it, or None."""
        try:
            return json.loads((self.state / "transaction.json").read_text())
        except FileNotFoundError:
            return None

    def phase(self):
        record = self.record()
        return record.get("phase") if record else None

    def upgrade(self, code, timeout=240):
        """upgrade with --json; the record of the transaction, after checking the exit code and the outcome that belongs to it."""
        record = self.json("upgrade", code=code, timeout=timeout)
        assert record["outcome"] in OUTCOMES[code], record
        return record

    def set(self, key, value):
        """Another value for a key that stands once in the configuration."""
        text, count = re.subn(f"(?m)^{key}=.*$", lambda _: f"{key}={value}", self.application.config.read_text())
        assert count == 1, f"{key}= stands {count} times in the configuration"
        self.application.config.write_text(text)

    def configure(self, *replacements, append=""):
        """Changes the configuration: pairs of (old text, new text), and text to append."""
        text = self.application.config.read_text()
        for old, new in replacements:
            assert old in text, f"{old!r} is not in the configuration"
            text = text.replace(old, new)
        self.application.config.write_text(text + append)
