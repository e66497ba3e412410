"""Projects that are not as a vendor ships them: containers beside the configuration, services that somebody had stopped, texts that
somebody edited."""

import contextlib

import fingerprint
from application import release, run
from ends import assert_nothing_of_ours, assert_serving
from program import DONE, REFUSED, ROLLED_BACK

IDLE = """
  {name}:
    image: 127.0.0.1:5000/qaid/caddy:2
    command: ["busybox", "sleep", "1000"]
    stop_signal: SIGKILL
    restart: unless-stopped
{more}"""


@contextlib.contextmanager
def beside(application, text, *files):
    """The Compose file with services of a test's own before its volumes; afterwards it and the containers are as they were."""
    original = application.compose_file.read_text()
    names = application.containers().keys()
    application.compose_file.write_text(original.replace("\nvolumes:\n  pgdata:", f"{text}\nvolumes:\n  pgdata:"))
    try:
        yield
    finally:
        application.compose_file.write_text(original)
        left = application.containers().keys() - names
        if left:
            run("docker", "rm", "-f", "-v", *left)


def containers(application):
    """All that must be as before, by name: which container, does it run, its restart policy."""
    return {name: (item["Id"], item["State"]["Running"], item["State"]["StartedAt"], item["HostConfig"]["RestartPolicy"])
            for name, item in application.containers().items()}


def test_a_rollback_after_everything_unused_was_pruned_and_the_registry_is_gone(application, before, program, host):
    """The old images come back from their archives, and are pinned by a name of this host; the next upgrade takes that away.
    A name that an image lost while it runs is given back by the switch."""
    release("all", "1.3.0")
    run("docker", "rmi", "-f", "127.0.0.1:5000/qaid/caddy:2")
    assert program.upgrade(DONE)["outcome"] == "upgraded"
    run("docker", "system", "prune", "-af")
    host.stop_registry()
    result = program("rollback", "--yes", "--here")
    assert result.code == ROLLED_BACK, result
    assert application.compose_file.read_text().count("/server:upgrade-watchdog-") == 1
    assert_serving(application, "1.2.3")
    application.compose("up", "-d", "--wait", timeout=120)
    assert application.compose("pull", "-q", check=False).returncode != 0
    assert_serving(application, "1.2.3")
    host.start_registry()
    release("all", "1.2.4")
    assert program("check").code == DONE
    assert program.upgrade(DONE)["outcome"] == "upgraded"
    assert fingerprint.differences(before, fingerprint.take(application), only=["project"]) == []
    assert_serving(application, "1.2.4")


def test_containers_that_nobody_would_start_again_are_a_refusal(application, program):
    """Orphans, services of a profile of the command line, running one-off containers: before an upgrade and before a rollback by hand."""
    release("all", "1.3.0")
    assert program("snapshot").code == DONE
    with beside(application, IDLE.format(name="debug", more='    profiles: ["tools"]\n')):
        application.compose("--profile", "tools", "up", "-d", "--no-deps", "debug")
        before = containers(application)
        assert "qaid-debug-1" in before
        record = program.upgrade(REFUSED)
        assert '"debug"' in record["reason"] and "Profile=tools" in record["reason"], record
        refused = program("rollback", "--yes", "--here")
        assert refused.code == REFUSED and "Profile=tools" in refused.errors, refused
        # Now an orphan, and a one-off beside it.
        application.compose_file.write_text(application.compose_file.read_text().replace("  debug:", "  debugger:"))
        record = program.upgrade(REFUSED)
        assert "qaid-debug-1" in record["reason"] and "--remove-orphans" in record["reason"], record
        assert containers(application) == before
        run("docker", "rm", "-f", "qaid-debug-1")
        application.compose("run", "-d", "--no-deps", "--name", "qaid-once", "frontend")
        before = containers(application)
        record = program.upgrade(REFUSED)
        assert "qaid-once" in record["reason"] and "docker compose run" in record["reason"], record
        assert program("check").code == REFUSED
        assert containers(application) == before


def test_what_somebody_had_stopped_stays_down_through_a_rollback(application, before, program):
    """Also where something that ran depends on it; and nothing of the transaction is left, anonymous volumes neither."""
    helper = IDLE.format(name="helper", more="")
    sleeper = IDLE.format(name="sleeper", more="    depends_on: [helper]\n")
    release("all", "1.3.0-wrong-entrypoint")
    with beside(application, helper + sleeper):
        application.compose("up", "-d", "sleeper")
        application.compose("stop", "helper")
        stopped = containers(application)["qaid-helper-1"]
        assert not stopped[1]
        program.upgrade(ROLLED_BACK)
        now = containers(application)
        assert now["qaid-helper-1"] == stopped
        assert now["qaid-sleeper-1"][1] and now["qaid-sleeper-1"][3] == stopped[3]
    assert_nothing_of_ours(application, before)
    assert_serving(application, "1.2.3")


def test_an_image_that_was_pulled_or_built_and_not_brought_up_is_a_refusal(application, program):
    """Of a service that is not followed: the switch would start it, and the rollback too."""
    release("all", "1.3.0")
    text = IDLE.format(name="tool", more="").replace("127.0.0.1:5000/qaid/caddy:2", "local/tool:1")
    run("docker", "tag", "127.0.0.1:5000/qaid/caddy:2", "local/tool:1")
    with beside(application, text):
        application.compose("up", "-d", "tool")
        run("docker", "tag", "127.0.0.1:5000/qaid/postgres:15", "local/tool:1")
        before = containers(application)
        record = program.upgrade(REFUSED)
        assert '"tool"' in record["reason"] and "local/tool:1" in record["reason"] and "docker compose up -d" in record["reason"], record
        assert program("check").code == REFUSED
        assert containers(application) == before
    run("docker", "rmi", "local/tool:1")
