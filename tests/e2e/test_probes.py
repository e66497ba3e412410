"""Rounds of probes against real containers, without a transaction around them: tests/probes/rounds.c, one process per test."""

import json
import os
import subprocess
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

PROJECT = "probes-test"
GATE_PORT = 18977
ROUNDS = Path(os.environ.get("TESTS_BUILD", "build")) / "tests" / "probes" / "rounds"


def docker(*arguments, check=True):
    done = subprocess.run(["docker", *map(str, arguments)], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout.strip()


def image():
    """Any of the sample application's has what is needed: busybox."""
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return os.environ.get("PROBES_IMAGE") or next(name for name in listed if "/qaid/" in name and "<none>" not in name)


def inspect(name):
    return json.loads(docker("inspect", name))[0]


def wait_for_line(name, text):
    wait_until(lambda: text in docker("logs", name))


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.05)
    return found


class Bench:
    """Containers that look like Compose's, and rounds of probes over them."""

    def __init__(self, directory):
        self.directory = directory
        self.since = time.time() - 1
        self.expected = []
        self.rounds = None

    def run(self, service, script="sleep 1000", *options, name=None, verb="run", expected=True, oneoff=False, **facts):
        name = name or f"{PROJECT}-{service}-1"
        labels = {"com.docker.compose.project": PROJECT, "com.docker.compose.service": service,
                  "com.docker.compose.oneoff": str(oneoff)}
        arguments = [verb, *(["-d"] if verb == "run" else []), "--name", name, "--network", PROJECT,
                     *(["--init"] if script is not None else []),
                     *(part for key, value in labels.items() for part in ("--label", f"{key}={value}")), *options]
        arguments += ["--user", "0"]
        name_of_image = facts.pop("image", None) or image()
        arguments += ["--entrypoint", "busybox", name_of_image, "sh", "-c", script] if script is not None else [name_of_image]
        docker(*arguments, check=not facts.pop("may_fail", False))
        if expected:
            self.expected.append({"service": service, **facts})
        return name

    def configure(self, probes, port=GATE_PORT, base=None):
        path = self.directory / "app.conf"
        head = f"""
            [App]
            Directory={self.directory}
            BaseUrl={base or f"http://127.0.0.1:{port}"}
            [Database]
            Service=db
            Name=app
            User=app
        """
        path.write_text(textwrap.dedent(head) + textwrap.dedent(probes))
        self.rounds = subprocess.Popen([ROUNDS, path, PROJECT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def look(self, **view):
        view = {"since": self.since, "expected": self.expected, **view}
        self.rounds.stdin.write(json.dumps(view) + "\n")
        self.rounds.stdin.flush()
        line = self.rounds.stdout.readline()
        assert line, "the rounds ended"
        self.answer = json.loads(line)
        return self.answer["probes"]

    def look_until(self, result, probe=None, seconds=20, **view):
        def looked():
            report = self.look(**view)
            report = report[probe] if probe else next(iter(report.values()))
            assert report["result"] == result or not report["fatal"], report
            return report if report["result"] == result else None

        return wait_until(looked, seconds)


def clean():
    names = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}").split()
    if names:
        docker("rm", "-f", *names)
    docker("network", "rm", PROJECT, check=False)


@pytest.fixture
def bench(tmp_path):
    clean()
    docker("network", "create", PROJECT)
    made = Bench(tmp_path)
    yield made
    if made.rounds:
        made.rounds.stdin.close()
        made.rounds.wait(10)
    clean()


CONTAINERS = """
    [Probe containers]
    Kind=containers
"""


def test_services_that_run_pass_and_their_restarts_are_seen(bench):
    web = bench.run("web", "sleep 1000", "--restart", "always", image_id=inspect(image())["Id"])
    bench.run("db", "sleep 1000", is_database=True)
    bench.run("job", "exit 0", one_shot=True)
    bench.run("stopped", "exit 3", must_run=False)
    bench.configure(CONTAINERS)
    passed = bench.look_until("pass")
    assert passed["sentence"] == "3 services run as expected"
    first_pass = time.time()
    assert bench.look(first_pass=first_pass)["containers"]["result"] == "pass"
    # a crash, as Docker sees one: its process dies by itself
    os.kill(inspect(web)["State"]["Pid"], 9)
    wait_until(lambda: inspect(web)["RestartCount"] == 1)
    report = bench.look(first_pass=first_pass)["containers"]
    assert (report["result"], report["fatal"]) == ("fail", True)
    assert 'service "web" was restarted 1 time, exit status' in report["sentence"]


@pytest.mark.parametrize("script, options, words", [
    ("exit 3", [], 'service "web" ended with exit status 3'),
    ("exit 3", ["--restart", "always"], 'service "web" was restarted'),
    ("sleep 1000", ["--health-cmd", "false", "--health-interval", "200ms", "--health-retries", "2"], 'service "web" is unhealthy'),
    ("x=a; while :; do x=$x$x; done", ["--memory", "16m", "--memory-swap", "16m"], 'service "web" ran out of memory'),
    (None, ["--entrypoint", "/no/such/program"], 'service "web" could not be started: '),
])
def test_fatal_signs(bench, script, options, words):
    bench.run("web", script, *options, may_fail=True)
    bench.configure(CONTAINERS)

    def fatal():
        report = bench.look()["containers"]
        return report if report["fatal"] else None

    report = wait_until(fatal)
    assert report["result"] == "fail" and words in report["sentence"]
    assert bench.answer["trouble"] is None


def test_one_restart_while_starting_is_forgiven(bench):
    bench.run("web", "[ -e /again ] && exec sleep 1000; : >/again; exit 1", "--restart", "always")
    bench.configure(CONTAINERS)
    wait_until(lambda: inspect(f"{PROJECT}-web-1")["RestartCount"] == 1)
    bench.look_until("pass")
    assert bench.look(first_pass=time.time())["containers"]["result"] == "pass"


def test_what_is_on_its_way_is_not_fatal(bench):
    bench.run("web", "sleep 1000", "--health-cmd", "false", "--health-interval", "100s")
    bench.configure(CONTAINERS)
    assert bench.look()["containers"]["sentence"] == 'service "web" is still starting'
    bench.expected = [{"service": "other"}]
    assert bench.look()["containers"]["sentence"] == 'service "other" has no container'
    bench.run("created", "sleep 1000", verb="create", expected=False)
    bench.expected = [{"service": "created"}]
    assert bench.look()["containers"]["sentence"] == 'service "created" is created'
    bench.expected = [{"service": "web", "image_id": "sha256:0000"}]
    assert "runs the image sha256:" in bench.look()["containers"]["sentence"]
    assert not bench.look()["containers"]["fatal"]


def test_a_database_that_is_down_is_trouble_of_the_host(bench):
    db = bench.run("db", "sleep 1000", is_database=True)
    bench.run("web", "sleep 1000")
    bench.configure(CONTAINERS)
    bench.look_until("pass")
    docker("kill", db)
    assert bench.look()["containers"]["result"] == "unknown"
    assert bench.answer["trouble"] == f'the database\'s container "{db}" is exited'


def test_what_dockers_own_restart_took_down_is_unknown(bench, host):
    bench.run("web", "sleep 1000")
    bench.configure("""
        [Probe containers]
        Kind=containers
        [Probe port]
        Kind=http
        Request=GET http://127.0.0.1:1/
    """)
    assert bench.look()["containers"]["result"] == "pass"
    assert bench.answer["trouble"] is None
    host.kill_docker()
    probes = bench.look()
    assert probes["containers"]["result"] == "unknown" and "Docker cannot be asked" in probes["containers"]["sentence"]
    assert "Docker cannot be asked" in bench.answer["trouble"]
    host.start_docker()
    report = bench.look()["containers"]
    assert (report["result"], report["sentence"]) == ("unknown", 'service "web" is down since Docker or the machine was restarted')
    assert bench.answer["trouble"] == "the Docker daemon was just restarted"
    # afterwards it is the service's own fault again
    time.sleep(31)
    bench.run("late", "exit 3", expected=False)
    bench.expected = [{"service": "late"}]
    wait_until(lambda: inspect(f"{PROJECT}-late-1")["State"]["Status"] == "exited")
    assert bench.look()["containers"]["fatal"]
    assert bench.answer["trouble"] is None


LOGS = """
    [Probe log]
    Kind=logs
    Service=web
    Fail=@prisma
    Fail=(?i)migration failed
    Pass=listening on port \\d+
"""


@pytest.mark.parametrize("line", [
    "Error: P3018",
    "\\033[31mMigration\\033[0m failed",
    '{"level": 50, "msg": "migration \\\\u0066ailed"}',
])
@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_a_failed_migration_is_found_in_a_flood(bench, line, stream, driver):
    bench.run("web", f"seq 1 150000; printf '%b\\n' '{line}' >&{stream}; seq 1 150000; echo listening on port 80; sleep 1000",
              "--log-driver", driver)
    bench.configure(LOGS)

    def fatal():
        report = bench.look()["log"]
        return report if report["fatal"] else None

    report = wait_until(fatal)
    assert 'the log of "web" has: ' in report["sentence"]
    assert "\x1b" not in report["sentence"] + report["evidence"]


def test_lines_are_read_once_and_the_success_is_remembered(bench):
    bench.run("web", "seq 1 100000; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo listening on port 80 >&2; sleep 1000")
    bench.configure(LOGS)
    waiting = bench.look()["log"]
    assert waiting["sentence"] == 'the log of "web" has no line yet that matches "listening on port \\d+"'
    wait_until(lambda: sum(bench.look()["log"]["measured"]["lines"] for _ in range(3)) == 0)
    docker("exec", f"{PROJECT}-web-1", "busybox", "touch", "/tmp/go")
    passed = bench.look_until("pass")
    assert passed["measured"]["lines"] == 1
    assert bench.look()["log"]["result"] == "pass"
    begin = time.monotonic()
    bench.look()
    assert time.monotonic() - begin < 1


def test_a_line_of_the_old_release_after_an_undo_is_forgotten(bench):
    script = "echo listening on port 1; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo migration failed: the database is shut; sleep 1000"
    bench.run("web", script)
    bench.configure(LOGS)
    bench.look_until("pass", is_undone=True)
    docker("exec", f"{PROJECT}-web-1", "busybox", "touch", "/tmp/go")
    wait_until(lambda: bench.look(is_undone=True)["log"]["fatal"])
    wait_until(lambda: bench.look(is_undone=True)["log"]["result"] == "pass")  # once no line can belong to it any more


def test_a_line_of_the_log_says_that_the_start_is_over(bench):
    bench.run("web", "sleep 1; echo listening on port 1; sleep 1000", changes=True)
    bench.configure(LOGS)
    assert not bench.look()["log"]["ready"]
    assert bench.look_until("pass", "log")["ready"]


@pytest.mark.parametrize("answer, answered", [
    ("HTTP/1.1 500 Internal Server Error", True),
    ("HTTP/1.1 404 Not Found", True),
    ("HTTP/1.1 502 Bad Gateway", False),
    ("HTTP/1.1 503 Service Unavailable", False),
    ("HTTP/1.1 504 Gateway Timeout", False),
    ("HTTP/1.1 500 Internal Server Error\\r\\nRetry-After: 5", False),
])
def test_a_wrong_answer_is_not_one_that_asks_to_wait(bench, answer, answered):
    bench.run("web", f"while true; do printf '{answer}\\r\\nContent-Length: 0\\r\\n\\r\\n' | busybox nc -l -p 80; done")
    bench.configure("""
        [Probe page]
        Kind=http
        Request=GET /
        Timeout=2s
    """, base="http://web")
    report = wait_until(lambda: (page := bench.look()["page"]) and "answered" in page["sentence"] and page)
    assert report["result"] == "fail" and report["answered"] == answered


def test_what_the_old_release_also_logs_is_no_sign(bench):
    bench.run("web", "echo listening on port 1; echo 'job 17: migration failed, 3 rows skipped'; sleep 1000")
    bench.configure(LOGS)
    wait_for_line(f"{PROJECT}-web-1", "skipped")
    assert bench.look(is_baseline=True, since=0)["log"]["result"] == "pass"
    docker("rm", "-f", f"{PROJECT}-web-1")
    bench.run("web", "echo listening on port 1; echo 'job 18: migration failed, 4711 rows skipped'; sleep 1; "
                     "echo 'migration failed: column is gone'; sleep 1000", expected=False)
    bench.since = time.time() - 1
    bench.look_until("pass", seconds=1)
    wait_until(lambda: bench.look()["log"]["fatal"])
    assert bench.look()["log"]["evidence"] == "migration failed: column is gone"


def test_a_pass_pattern_that_the_running_release_never_said_fails_at_the_baseline(bench):
    bench.run("web", "echo ready; sleep 1000")
    bench.configure(LOGS)
    wait_for_line(f"{PROJECT}-web-1", "ready")
    assert bench.look(is_baseline=True, since=0)["log"]["result"] == "fail"


@pytest.fixture
def journal():
    """systemd's journal without systemd: volatile, and without its own limit of lines."""
    if Path("/run/systemd/journal/socket").exists():
        yield
        return
    for directory in ("/run/systemd/journal", "/run/systemd/journald.conf.d", "/run/log/journal"):
        Path(directory).mkdir(parents=True, exist_ok=True)
    Path("/run/systemd/journald.conf.d/tests.conf").write_text("[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n")
    journald = subprocess.Popen(["/lib/systemd/systemd-journald"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: Path("/run/systemd/journal/socket").exists())
    yield
    journald.terminate()
    journald.wait(10)
    for name in ("socket", "stdout", "dev-log"):
        Path("/run/systemd/journal", name).unlink(missing_ok=True)


def test_the_journal_is_read_like_a_file(bench, journal):
    bench.run("web", "echo listening on port 1; seq 1 20000; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo migration failed >&2; sleep 1000",
              "--log-driver", "journald")
    bench.configure(LOGS)
    lines = 0

    def all_read():
        nonlocal lines
        report = bench.look()["log"]
        assert report["result"] in ("pass", "fail") and not report["fatal"], report
        lines += report["measured"]["lines"]
        return lines >= 20001

    wait_until(all_read)
    # its times are of microseconds, and several lines may have one: each counts all the same, once
    assert sum(bench.look()["log"]["measured"]["lines"] for _ in range(3)) == 0 and lines == 20001
    docker("exec", f"{PROJECT}-web-1", "busybox", "touch", "/tmp/go")
    assert wait_until(lambda: (report := bench.look()["log"])["fatal"] and report)["evidence"] == "migration failed"


@pytest.mark.parametrize("options, words", [
    (["--log-driver", "none"], 'the log of "web" cannot be read: its logging driver "none" keeps nothing; give it "json-file"'),
    (["--log-driver", "syslog", "--log-opt", "syslog-address=udp://127.0.0.1:9", "--log-opt", "cache-disabled=true"],
     'the log of "web" cannot be read: its logging driver "syslog" has cache-disabled=true'),
])
def test_a_log_that_cannot_be_read_is_unknown(bench, options, words):
    bench.run("web", "echo listening on port 1; sleep 1000", *options)
    bench.configure(LOGS)
    report = bench.look()["log"]
    assert report["result"] == "unknown" and report["sentence"].startswith(words)


def test_docker_keeps_a_copy_of_what_goes_elsewhere(bench):
    bench.run("web", "echo listening on port 1; sleep 1; echo migration failed; sleep 1000",
              "--log-driver", "syslog", "--log-opt", "syslog-address=udp://127.0.0.1:9")
    bench.configure(LOGS)
    assert wait_until(lambda: (report := bench.look()["log"])["fatal"] and report)["evidence"] == "migration failed"


RECORDS = """
    [Probe log]
    Kind=logs
    Service=web
    Fail=@django
    Fail=(?s)^refused.+because
"""


def test_a_record_is_judged_as_one_when_it_has_ended(bench):
    bench.run("web", "next() { while [ ! -e /tmp/$1 ]; do sleep 0.05; done; echo \"$2\"; }; echo refused; next 1 '  it was'; "
                     "next 2 '  because'; sleep 1000")
    bench.configure(RECORDS)
    name = f"{PROJECT}-web-1"
    wait_for_line(name, "refused")
    for step, line in ((1, "  it was"), (2, "  because")):
        assert bench.look()["log"]["measured"]["lines"] == 1
        docker("exec", name, "busybox", "touch", f"/tmp/{step}")
        wait_for_line(name, line)
    # it may still grow; a look later it has not
    assert (bench.look()["log"]["result"], bench.answer["probes"]["log"]["measured"]["lines"]) == ("pass", 1)
    report = bench.look()["log"]
    assert report["fatal"] and report["sentence"] == 'the log of "web" has: refused'
    assert report["evidence"] == "refused\\n  it was\\n  because"


def test_a_line_that_fails_is_seen_at_once_and_shown_with_its_record(bench):
    bench.run("web", r"printf 'no\nTraceback (most recent call last):\n  File "
                     r'"/usr/django/db/migrations/executor.py", line 1, in migrate\n    f()\n' "'; sleep 1000")
    bench.configure(RECORDS)
    wait_for_line(f"{PROJECT}-web-1", "f()")
    report = bench.look()["log"]
    assert report["fatal"] and report["evidence"].startswith("no\\nTraceback (most recent call last):\\n  File ")
    assert report["evidence"].endswith("\\n    f()")


TRACE = r"""printf 'Traceback (most recent call last):\n  File "/usr/django/db/migrations/executor.py", line {line}, in migrate\nKeyError: {key}\n' >&2; """


def test_a_trace_that_the_old_release_also_logs_is_no_sign(bench):
    bench.run("web", TRACE.format(line=1, key="quiet") + "sleep 1000")
    bench.configure(RECORDS)
    wait_for_stderr = lambda key: wait_until(lambda: key in subprocess.run(
        ["docker", "logs", f"{PROJECT}-web-1"], capture_output=True, text=True).stderr)
    wait_for_stderr("quiet")
    assert bench.look(is_baseline=True, since=0)["log"]["result"] == "pass"
    docker("rm", "-f", f"{PROJECT}-web-1")
    bench.run("web", TRACE.format(line=2, key="quiet") + "sleep 2; " + TRACE.format(line=3, key="another") + "sleep 1000", expected=False)
    bench.since = time.time() - 2
    wait_for_stderr("quiet")
    assert bench.look()["log"]["result"] == "pass"
    assert bench.look()["log"]["result"] == "pass"
    wait_for_stderr("another")
    wait_until(lambda: bench.look()["log"]["fatal"])


ROTATED = ["--log-opt", "max-size=10k", "--log-opt", "max-file=2"]
FLOOD = "seq 1 50000; "


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_lines_that_rotation_took_before_the_first_look_are_missed(bench, driver):
    bench.run("web", FLOOD + "echo listening on port 1; sleep 1000", "--log-driver", driver, *ROTATED)
    bench.configure(LOGS)
    wait_for_line(f"{PROJECT}-web-1", "listening")
    report = bench.look()["log"]
    assert report["result"] == "unknown" and "rotated away before they could be read; raise max-size" in report["sentence"]
    # and stays so: what they said will never be known
    assert bench.look()["log"]["result"] == "unknown"


@pytest.mark.parametrize("files", [1, 2])
def test_lines_that_rotation_took_between_two_looks_are_missed(bench, files):
    bench.run("web", "echo listening on port 1; while [ ! -e /tmp/go ]; do sleep 0.05; done; " + FLOOD + "echo end; sleep 1000",
              "--log-opt", "max-size=10k", "--log-opt", f"max-file={files}")
    bench.configure(LOGS)
    bench.look_until("pass")
    docker("exec", f"{PROJECT}-web-1", "busybox", "touch", "/tmp/go")
    wait_for_line(f"{PROJECT}-web-1", "end")
    report = bench.look()["log"]
    assert report["result"] == "unknown" and "rotated away before they could be read" in report["sentence"]
    assert bench.look()["log"]["result"] == "unknown"


def test_a_failure_is_found_beside_a_gap(bench):
    bench.run("web", "echo listening on port 1; while [ ! -e /tmp/go ]; do sleep 0.05; done; " + FLOOD + "echo migration failed; sleep 1000", *ROTATED)
    bench.configure(LOGS)
    bench.look_until("pass")
    docker("exec", f"{PROJECT}-web-1", "busybox", "touch", "/tmp/go")
    wait_for_line(f"{PROJECT}-web-1", "migration failed")
    assert bench.look()["log"]["fatal"]


def test_a_log_that_rotates_slowly_has_no_gap(bench):
    bench.run("web", "echo listening on port 1; i=0; while :; do echo line $((i = i + 1)) of a log that is rotated from time to time; "
                     "usleep 2000; done", *ROTATED)
    bench.configure(LOGS)
    lines = 0
    began = time.monotonic()
    while lines <= 500:
        assert time.monotonic() < began + 60, f"{lines} lines in a minute"
        report = bench.look()["log"]
        assert report["result"] in ("pass", "fail"), report
        lines += report["measured"]["lines"]
    # rotated several times meanwhile, and each line was read once
    assert report["result"] == "pass"
    last = int(docker("logs", "--tail", "1", f"{PROJECT}-web-1").split()[1])
    assert abs(last + 1 - lines) < 100


def test_a_log_that_rotates_faster_than_it_is_looked_at_fails_the_baseline(bench):
    bench.run("web", "echo listening on port 1; while :; do seq 1 1000; sleep 0.2; done", *ROTATED)
    bench.configure(LOGS.replace("[Probe log]", "[Watch]\n    Interval=500ms\n    [Probe log]", 1))
    time.sleep(6)
    report = bench.look(is_baseline=True, since=0)["log"]
    assert report["result"] == "unknown" and "would be lost between two looks" in report["sentence"]


def test_lines_before_the_switch_do_not_count(bench):
    bench.run("web", "echo migration failed; echo listening on port 1; sleep 3; echo listening on port 2; sleep 1000")
    bench.configure(LOGS)
    wait_for_line(f"{PROJECT}-web-1", "port 1")
    bench.since = time.time()
    bench.look_until("pass")


SERVER = "mkdir -p /www/cgi-bin; echo {answer} >/www/index.html; " \
    "printf '#!/bin/busybox sh\\necho; echo $HTTP_HOST\\n' >/www/cgi-bin/host; chmod +x /www/cgi-bin/host; " \
    "exec busybox httpd -f -p {port} -h /www"


def test_a_service_is_reached_by_its_name(bench):
    bench.run("web", SERVER.format(answer="hello", port=3000))
    bench.configure("""
        [Probe web]
        Kind=http
        Request=GET http://web:3000/
        Match=hello
        [Probe closed]
        Kind=http
        Request=GET http://web:3001/
    """)
    assert bench.look_until("pass", "web")["sentence"] == "GET http://web:3000/ answered 200"
    report = bench.look()["closed"]
    assert report["result"] == "fail" and "could not connect" in report["sentence"]
    docker("kill", f"{PROJECT}-web-1")
    assert bench.look()["web"]["sentence"] == 'GET http://web:3000/: service "web" does not run'
    assert bench.answer["trouble"] is None


def test_requests_go_to_the_twin_while_the_gate_is_shut(bench):
    bench.run("gate", SERVER.format(answer="gate", port=8080), "-p", f"127.0.0.1:{GATE_PORT}:8080", verb="create")
    bench.configure(f"""
        [Probe containers]
        Kind=containers
        [Probe page]
        Kind=http
        Request=GET /
        Match=twin
        Every=10min
        [Probe host]
        Kind=http
        Request=GET /cgi-bin/host
        Match=^127\\.0\\.0\\.1:{GATE_PORT}$
        [Probe name]
        Kind=http
        Request=GET http://gate:8080/
        Match=twin
        [Probe other-port]
        Kind=http
        Request=GET http://127.0.0.1:1/
        [Probe command]
        Kind=command
        Command=/bin/sh -c 'curl -sf --connect-to "$UPGRADE_CONNECT_TO" "$UPGRADE_BASE_URL/"'
        Match=twin
    """)
    shut = {"gate": "gate", "twin": f"{PROJECT}-twin"}
    assert bench.look(**shut)["page"]["sentence"].endswith(f'the gate\'s twin "{PROJECT}-twin" does not run')
    bench.run("gate", SERVER.format(answer="twin", port=8080), name=f"{PROJECT}-twin", oneoff=True, expected=False)
    bench.look_until("pass", "page", **shut)
    probes = bench.look(**shut)
    results = {name: report["result"] for name, report in probes.items()}
    assert results == {"containers": "pass", "page": "pass", "host": "pass", "name": "pass", "other-port": "unknown", "command": "pass"}
    assert "publishes no port 1," in probes["other-port"]["sentence"]
    assert not probes["page"]["looked"]
    # opened: what is looked at rarely is looked at anew, since the way has changed
    docker("start", f"{PROJECT}-gate-1")
    docker("rm", "-f", f"{PROJECT}-twin")
    probes = wait_until(lambda: (found := bench.look(gate="gate"))["host"]["result"] == "pass" and found)
    assert probes["page"]["result"] == "fail"
    assert 'does not match "twin"' in probes["page"]["sentence"]
    assert probes["containers"]["result"] == "pass"


TLS_SERVER = """printf '%s' '
{
    admin off
    auto_https disable_redirects
    skip_install_trust
}
https://app.example:8443 {
    tls internal
    header /login Set-Cookie "session=s3ss10n; Secure; HttpOnly; Path=/"
    respond /login "welcome"
    redir /old /new
    respond /new "NAME {http.request.tls.server_name} {http.request.host}"
    @in {
        path /private
        header_regexp Cookie session=s3ss10n
    }
    respond @in "inside"
    respond 403
}' >/Caddyfile; exec caddy run --adapter caddyfile --config /Caddyfile"""


def test_tls_with_an_own_ca_goes_through_the_twin(bench):
    published = ["-p", f"127.0.0.1:{GATE_PORT}:8443", "-e", "XDG_DATA_HOME=/data"]
    bench.run("gate", TLS_SERVER.replace("NAME", "gate"), *published, verb="create", image="127.0.0.1:5000/qaid/caddy:2")
    twin = bench.run("gate", TLS_SERVER.replace("NAME", "twin"), *published[2:], name=f"{PROJECT}-twin", oneoff=True, expected=False,
                     image="127.0.0.1:5000/qaid/caddy:2")
    ca = bench.directory / "ca.pem"
    wait_until(lambda: subprocess.run(["docker", "cp", f"{twin}:/data/caddy/pki/authorities/local/root.crt", ca], capture_output=True).returncode == 0)
    bench.configure(f"""
        [Probe page]
        Kind=http
        Request=GET /new
        Match=^twin app\\.example app\\.example$
        Ca={ca}
        [Probe no-ca]
        Kind=http
        Request=GET /new
        [Probe redirected]
        Kind=http
        Request=GET /old
        Ca={ca}
        [Probe followed]
        Kind=http
        Request=GET /old
        FollowRedirects=yes
        Match=^twin
        Ca={ca}
        [Probe login]
        Kind=http
        Request=GET /login
        Ca={ca}
        [Probe private]
        Kind=http
        After=login
        Request=GET /private
        Match=inside
        Ca={ca}
    """, base=f"https://app.example:{GATE_PORT}")
    shut = {"gate": "gate", "twin": twin}
    bench.look_until("pass", "page", **shut)
    probes = bench.look(**shut)
    results = {name: report["result"] for name, report in probes.items()}
    assert results == {"page": "pass", "no-ca": "fail", "redirected": "fail", "followed": "pass", "login": "pass", "private": "pass"}, probes
    assert "certificate" in probes["no-ca"]["sentence"]
    assert "answered 302 to https://app.example" in probes["redirected"]["sentence"]


def test_a_token_that_the_application_forgot_is_renewed_but_not_too_often(bench):
    server = subprocess.Popen(["python3", Path(__file__).parent.parent / "unit" / "http-server.py"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        bench.configure("""
            [Probe login]
            Kind=http
            Request=POST /login
            Json={"password": "p\\"w %%{x}ü"}
            Capture=token=.token
            Every=1h
            [Probe projects]
            Kind=http
            After=login
            Request=GET /projects
            Header=Authorization: Bearer %{token}
        """, port=port)

        def look():
            return {name: (report["result"], report["looked"]) for name, report in bench.look().items()}

        def ask(path):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").read()

        assert look() == {"login": ("pass", True), "projects": ("pass", True)}
        ask("/forget")
        assert look() == {"login": ("pass", False), "projects": ("fail", True)}
        time.sleep(31)
        assert look() == {"login": ("pass", True), "projects": ("pass", True)}
        assert json.loads(ask("/logins")) == {"logins": 2}
    finally:
        server.kill()
        server.wait()


def test_a_fatal_sign_ends_the_round_at_once(bench):
    bench.run("web", "exit 7")
    bench.configure("""
        [Probe containers]
        Kind=containers
        [Probe slow]
        Kind=http
        Request=GET http://127.0.0.1:18978/
        Timeout=15s
    """)
    listener = subprocess.Popen(["python3", "-c", "import socket, time; s = socket.create_server(('127.0.0.1', 18978)); print(flush=True); time.sleep(60)"],
                                stdout=subprocess.PIPE)
    try:
        listener.stdout.readline()
        wait_until(lambda: inspect(f"{PROJECT}-web-1")["State"]["Status"] == "exited")
        begin = time.monotonic()
        probes = bench.look(stop_on_fatal=True)
        assert time.monotonic() - begin < 3
        assert probes["containers"]["fatal"] and not probes["slow"]["looked"]
    finally:
        listener.kill()
        listener.wait()
