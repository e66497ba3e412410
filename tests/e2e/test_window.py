"""The window: what extends the start, what ends it at once, and the gate that stays shut to its end."""

import re
import threading
import time
import urllib.error
import urllib.request

import fingerprint
from application import release, run
from ends import assert_new, assert_old
from program import DONE, ROLLED_BACK

MIGRATION = "QAID_MIGRATION_SECONDS: \"25\""


def slow_migration(application, kept):
    """2.0.0 says how far its migration is; here that takes longer than StartTimeout."""
    kept.fresh = None  # the next test's application is made anew
    text = application.compose_file.read_text()
    application.compose_file.write_text(text.replace("      DATABASE_URL:", f"      {MIGRATION}\n      DATABASE_URL:", 1))
    application.compose("up", "-d", "--wait", timeout=120)
    release("all", "2.0.0")


def test_a_migration_that_shows_progress_is_waited_for(application, kept, program):
    slow_migration(application, kept)
    program.set("StartTimeout", "14s\nProgress=migration \\S+: \\d+ %")
    record = program.upgrade(DONE)
    assert record["outcome"] == "upgraded"
    assert application.version() == "2.0.0"


def test_a_migration_that_the_database_shows_is_waited_for(application, kept, program):
    """ProgressQuery=: a transaction that has written something is open for a while."""
    slow_migration(application, kept)
    program.set("StartTimeout", "14s\nProgressQuery=SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_xid IS NOT NULL AND xact_start < now() - interval '2 seconds'")
    record = program.upgrade(DONE)
    assert record["outcome"] == "upgraded"
    assert application.version() == "2.0.0"


def test_progress_does_not_extend_the_start_for_ever(application, kept, program):
    slow_migration(application, kept)
    before = fingerprint.take(application)
    program.set("StartTimeout", "8s\nProgress=migration \\S+: \\d+ %\nProgressLimit=10s")
    record = program.upgrade(ROLLED_BACK)
    assert "(not passed within 8s)" in record["reason"]
    assert_old(application, before)


def test_a_release_that_has_started_and_answers_wrongly_is_not_waited_for(application, before, program):
    program.set("StartTimeout", "90s")
    program.set("SettleTime", "4s")
    release("all", "1.3.0-login-500")
    record = program.upgrade(ROLLED_BACK)
    assert re.fullmatch(r"login: POST /api/auth/login answered 500, wanted 200 \(for [4-9][.\d]*s since it has started\)", record["reason"])
    assert record["seconds"]["watch"] < 45
    assert_old(application, before)


def test_a_child_that_is_killed_for_want_of_memory_ends_the_window(application, before, program):
    program.set("Duration", "60s")
    release("all", "1.2.4")
    running = program.start("upgrade", options=["--json"])
    assert running.wait_for_phase("watch")
    end = time.monotonic() + 60
    while not (program.record() or {}).get("first_pass"):
        assert time.monotonic() < end and running.running()
        time.sleep(0.1)
    name = application.container("qaid-server")
    run("docker", "update", "--memory", "160m", "--memory-swap", "160m", name)
    run("docker", "exec", name, "python3", "-c", "b = bytearray(400 << 20)", check=False)
    result = running.wait()
    assert result.code == ROLLED_BACK, result
    # the health check's process may be killed beside it: "(and 1 more)"
    assert result.json["reason"].startswith('containers: a process of service "qaid-server" was killed: out of memory')
    assert_old(application, before)


class Visitor(threading.Thread):
    """Somebody who opens the page every tenth of a second; keeps when each answer came and what it was."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url = url
        self.seen = []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            try:
                with urllib.request.urlopen(self.url, timeout=10) as answer:
                    self.seen.append((time.time(), answer.status))
            except urllib.error.HTTPError as error:
                self.seen.append((time.time(), error.code))
            except OSError as error:
                self.seen.append((time.time(), type(getattr(error, "reason", error)).__name__))


def test_a_gate_that_stays_shut_through_the_window_loses_no_write(application, before, program, writer):
    """P4: the release fails after 15 s, when with first-pass users would have been let in."""
    program.set("Duration", "40s")
    program.set("Gate", "caddy\nGateUntil=window")
    release("all", "1.3.0-late-failure")
    visitor = Visitor(application.url + "/")
    visitor.start()
    writer.wait_for(10)
    record = program.upgrade(ROLLED_BACK)
    writer.wait_for(10)
    writer.stop()
    visitor.over.set()
    visitor.join()
    assert writer.missing(writer.acknowledged) == []
    assert not {table["table"] for table in record["lost"] if table["added"]} & {"public.test_runs", "public.test_steps"}
    # What a client sees meanwhile: nobody listens, and nothing in between answers for somebody else.
    refused = [what for _, what in visitor.seen if what != 200]
    assert refused and set(refused) <= {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", 502}, set(refused)


def test_a_gate_that_stays_shut_opens_at_the_end(application, before, program, writer):
    program.set("Duration", "8s")
    program.set("Gate", "caddy\nGateUntil=window")
    release("all", "1.2.4")
    writer.wait_for(5)
    program.upgrade(DONE)
    writer.wait_for(5)
    writer.stop()
    assert writer.missing(writer.acknowledged) == []
    assert_new(application, before, "1.2.4")
