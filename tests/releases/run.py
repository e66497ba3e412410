#!/usr/bin/python3
"""Offers the corpus's releases to real applications, one after the other, and compares what the program decides with what is right.

One row of the table for each release, as it ends. "after" is the time from the moment at which an observer of its own, who looks ten times a
second and knows nothing of the program, saw that something is wrong, to the program's decision; "-": the observer saw nothing that a release
which is still starting would not show too. After a rollback the application is compared with what it was, and goes on to the next release; a
release that was kept is taken back with `rollback`, and the same comparison is made. The applications go through their releases side by side;
what needs the machine for itself comes last.
"""

import argparse
import concurrent.futures
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "app"), str(HERE.parent / "e2e")]

import applications  # noqa: E402
from corpus import FAMILIES  # noqa: E402

BINARY = Path(os.environ.get("TESTS_BUILD", "build")) / "upgrade-watchdog"
CACHE = Path(os.environ.get("TESTS_CACHE", "/var/cache/upgrade-watchdog-tests"))
DETAILS = CACHE / "releases"
PORT = 8080
TIMEOUT = 600
COLUMNS = (11, 10, 30, 58, 7, 12, 14, 8, 7)
HEAD = ("application", "family", "release", "what is wrong, or only looks so", "is", "ended", "probe", "after", "took")


class Upgrade:
    """One run of `upgrade`, with the moments of its phases as its own output told them."""

    def __init__(self, application):
        self.began = time.monotonic()
        self.decided = None
        self.passed = False  # every probe has passed once: users are let in
        self.lines = []
        self.switched = threading.Event()
        self.over = threading.Event()
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command(application, "upgrade", application.name), stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            now = time.monotonic()
            self.lines.append(f"{now - self.began:8.3f} {line.rstrip()}")
            words = line.split()
            if words == ["watch"]:
                self.switched.set()
            elif line.startswith("every probe has passed"):
                self.passed = True
            elif words[:2] in (["watch", "failed"], ["watch", "done"]):
                self.decided = now
        self.switched.set()

    def wait(self):
        try:
            self.code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.code = self.process.wait()
        self.over.set()
        self.reader.join(10)
        self.output.seek(0)
        output = self.output.read()
        try:
            self.record = json.loads(output)
        except ValueError:
            self.record = {"outcome": None, "reason": output[:200] or (self.lines or ["nothing was printed"])[-1]}


def command(application, *arguments):
    return [str(BINARY), "--config-dir", str(application.config_directory), "--state-dir", str(application.state_directory), "--json",
            *arguments]


class Observer:
    """A stranger who looks ten times a second, from the switch on, until the program has decided."""

    def __init__(self, application, release, upgrade):
        self.ask = (lambda: release.visible(application)) if release.visible else (lambda: application.visible(release))
        self.upgrade = upgrade
        self.seen = None
        self.errors = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.upgrade.switched.wait()
        while not self.upgrade.over.is_set() and not self.upgrade.decided:
            begun = time.monotonic()
            try:
                if self.ask():
                    self.seen = begun
                    return
            except Exception:
                self.errors.append(traceback.format_exc())
            self.upgrade.over.wait(max(0, begun + 0.1 - time.monotonic()))

    def latency(self):
        self.thread.join(30)
        if self.seen is None or self.upgrade.decided is None:
            return None
        return max(self.upgrade.decided - self.seen, 0.0)


class Row:
    def __init__(self, release):
        self.release = release
        self.ended = "error"
        self.probe = self.error = ""
        self.after = None
        self.let_in = False
        self.took = 0.0

    def right(self):
        return not self.error and self.ended in (("rolled-back", "rejected") if self.release.bad else ("upgraded",))

    def cells(self, application):
        return (application, self.release.family, self.release.name, self.release.what, "bad" if self.release.bad else "good", self.ended,
                self.probe or "-", "-" if self.after is None else f"{self.after:.1f} s", f"{self.took:.0f} s")


CODES = {0: "upgraded", 4: "rejected", 5: "rolled-back"}


def line(cells):
    return "  ".join(cell.ljust(width) if len(cell) <= width else cell[:width - 1] + "…" for cell, width in zip(cells, COLUMNS)).rstrip()


class Runner:
    """Takes one application through releases. It is kept from one to the next while it is as it was when it was fresh."""

    def __init__(self, kind, root, port):
        self.application = kind()
        self.root = root
        self.port = port
        self.before = None
        self.is_up = False

    def fresh(self):
        if self.before is None:
            self.is_up = True
            self.application.up(self.root, self.port)
            self.before = self.application.evidence()

    def try_release(self, release):
        row = Row(release)
        details = DETAILS / f"{self.application.name}-{release.name}"
        shutil.rmtree(details, ignore_errors=True)
        details.mkdir(parents=True)
        begun = time.monotonic()
        try:
            self.fresh()
            begun = time.monotonic()
            self.offer(release)
            self.upgrade(release, row, details)
            self.take_back(row)
        except Exception as error:
            row.error = row.error or f"{type(error).__name__}: {error}"
            (details / "error.txt").write_text(traceback.format_exc())
        if row.error:
            self.before = None
            (details / "row.txt").write_text(row.error + "\n")
        row.took = time.monotonic() - begun
        return row

    def end(self):
        if self.is_up:
            self.application.down()

    def show_release(self, release):
        """Tries it and prints its row."""
        row = self.try_release(release)
        wrong = f"\n    WRONG: {row.error}\n    details: {DETAILS / f'{self.application.name}-{release.name}'}" if row.error else ""
        say(line(row.cells(self.application.name)) + wrong)
        return row

    def offer(self, release):
        drop_ins = self.application.config_directory / f"{self.application.name}.conf.d"
        shutil.rmtree(drop_ins, ignore_errors=True)
        if release.settings:
            drop_ins.mkdir()
            (drop_ins / "release.conf").write_text(release.settings)
        self.application.offer(release)

    def upgrade(self, release, row, details):
        upgrade = Upgrade(self.application)
        observer = Observer(self.application, release, upgrade) if release.bad else None
        disturbance = threading.Thread(target=self.disturb, args=(release, upgrade, row), daemon=True)
        disturbance.start()
        upgrade.wait()
        disturbance.join(120)
        row.ended = upgrade.record.get("outcome") or f"code {upgrade.code}"
        row.probe = upgrade.record.get("failed_probe") or ""
        row.after = observer.latency() if observer else None
        row.let_in = upgrade.passed
        (details / "upgrade.txt").write_text("\n".join(upgrade.lines) + "\n")
        (details / "report.json").write_text(json.dumps(upgrade.record, indent=1) + "\n")
        if observer and observer.errors:
            (details / "observer.txt").write_text("\n".join(observer.errors[:5]))
        if row.ended in CODES.values() and CODES.get(upgrade.code) != row.ended:
            row.error = f"{row.ended} with exit status {upgrade.code}"
        elif not row.right():
            row.error = f"it ended as {row.ended}: {upgrade.record.get('reason')}"
        if row.error:
            self.keep_logs(details)
            evidence = self.application.state_directory / self.application.name / "transactions" / str(upgrade.record.get("id"))
            if evidence.is_dir():
                shutil.copytree(evidence, details / "evidence", symlinks=True)

    def disturb(self, release, upgrade, row):
        if not release.disturb:
            return
        upgrade.switched.wait()
        try:
            release.disturb(self.application, upgrade.over)
        except Exception as error:
            row.error = f"the disturbance: {error}"

    def take_back(self, row):
        """Kept: back to the old release as a person does it. Then nothing may have changed."""
        if row.ended == "upgraded":
            self.application.offer(None)
            done = subprocess.run(command(self.application, "rollback", self.application.name, "--yes"), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=TIMEOUT)
            if done.returncode not in (0, 5):
                row.error = row.error or f"rollback ended with {done.returncode}: {done.stderr[-300:]}"
                return
        after = self.application.evidence()
        if after != self.before:
            row.error = "; ".join(filter(None, [row.error, f"other evidence than before: {differences(self.before, after)}"]))

    def keep_logs(self, details):
        for service in subprocess.run(["docker", "ps", "-a", "--format", "{{.Names}}"], capture_output=True, text=True).stdout.split():
            done = subprocess.run(["docker", "logs", "--tail", "200", service], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            (details / f"{service}.log").write_bytes(done.stdout)


def differences(before, after, where="", most=5):
    """The first few places at which two values differ."""
    found, waiting = [], [(where, before, after)]
    while waiting and len(found) < most:
        place, one, two = waiting.pop()
        if isinstance(one, dict) and isinstance(two, dict):
            waiting += [(f"{place}/{key}", one.get(key), two.get(key)) for key in sorted({*one, *two}, key=str) if one.get(key) != two.get(key)]
        elif one != two:
            found.append(f"{place}: {str(one)[:120]} became {str(two)[:120]}")
    return "; ".join(found)


def chosen(options):
    """(kind of application, its releases), each in the order of the families."""
    picked = []
    for kind in applications.KINDS:
        if options.app and kind.name not in options.app:
            continue
        picked += [(kind, release) for release in kind.releases
                   if not (options.family or options.only) or release.family in (options.family or ()) or release.name in (options.only or ())]
    if options.sample == 0:
        picked = [(kind, release) for kind, release in picked if release.sample]
    elif options.sample:
        picked = sample(picked, options.sample, random.Random(options.seed))
    order = {kind: number for number, kind in enumerate(applications.KINDS)}
    return sorted(picked, key=lambda pair: (order[pair[0]], FAMILIES.index(pair[1].family)))


def sample(pairs, count, chance):
    """So many of them: of each family one bad and one good one first, as far as there are any."""
    pairs = sorted(pairs, key=lambda pair: (pair[0].name, pair[1].name))
    chance.shuffle(pairs)
    firsts = {}
    for pair in pairs:
        firsts.setdefault((pair[1].family, pair[1].bad), pair)
    first = [pair for pair in pairs if pair in firsts.values()]
    return (first + [pair for pair in pairs if pair not in first])[:count]


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="tests/run releases", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only this family (and what --only names); may be repeated")
    parser.add_argument("--app", action="append", help="only releases of this application; may be repeated")
    parser.add_argument("--only", action="append", metavar="RELEASE", help="only this release; may be repeated")
    parser.add_argument("--sample", type=int, nargs="?", const=0, metavar="N",
                        help="N releases that cover the families; without N the sample that `tests/run check` takes")
    parser.add_argument("--lanes", type=int, default=os.cpu_count(), metavar="N",
                        help="so many applications side by side; by default as many as there are processors")
    parser.add_argument("--seed", type=int, default=1, help="of --sample N")
    parser.add_argument("--list", action="store_true", help="says which releases there are, with their sources, and ends")
    options = parser.parse_args(arguments)
    for only in options.only or []:
        if not any(release.name == only for kind in applications.KINDS for release in kind.releases):
            parser.error(f"there is no release {only!r}; --list names them")
    return options


PRINTING = threading.Lock()


def say(text=""):
    with PRINTING:
        print(text, flush=True)


def show(pairs):
    for kind, release in pairs:
        say(f"{kind.name:<10} {release.family:<10} {'bad' if release.bad else 'good':<5}{release.name:<32} {release.what}  [{release.source}]")
    bad = sum(release.bad for _, release in pairs)
    say(f"{bad} bad releases, {len(pairs) - bad} good ones")


def closing(rows):
    bad = [row for row in rows if row.release.bad]
    good = [row for row in rows if not row.release.bad]
    caught, kept = sum(row.right() for row in bad), sum(row.right() for row in good)
    return f"{len(bad)} bad releases: {caught} caught; {len(good)} good releases: {kept} kept", caught == len(bad) and kept == len(good)


def main():
    options = options_of(sys.argv[1:])
    pairs = chosen(options)
    if options.list:
        show(pairs)
        return 0
    if not pairs:
        say("no release is chosen")
        return 2
    begun = time.monotonic()
    kinds = list(dict.fromkeys(kind for kind, _ in pairs))
    for kind in kinds:
        kind.build()
    runners = {kind: Runner(kind, f"/srv/{kind.name}", PORT + number) for number, kind in enumerate(kinds)}
    say(line(HEAD))

    def lane(kind, alone):
        return [runners[kind].show_release(release) for other, release in pairs if other is kind and release.alone == alone]

    with concurrent.futures.ThreadPoolExecutor(max(options.lanes, 1)) as pool:
        rows = [row for lane_rows in pool.map(lambda kind: lane(kind, False), kinds) for row in lane_rows]
    for kind in kinds:
        rows += lane(kind, True)
    for runner in runners.values():
        runner.end()
    text, well = closing(rows)
    say(f"\n{len(rows)} releases in {(time.monotonic() - begun) / 60:.1f} min")
    for words, which in (("", rows), (" before users were let in", [row for row in rows if not row.let_in]),
                         (" once users were let in", [row for row in rows if row.let_in])):
        latencies = [row.after for row in which if row.after is not None]
        if latencies:
            say(f"median detection {statistics.median(latencies):.1f} s after the fault was visible{words} ({len(latencies)} bad releases;"
                f" the slowest {max(latencies):.1f} s)")
    say(text)
    (CACHE / "releases.summary").write_text(f"releases: {text}\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
