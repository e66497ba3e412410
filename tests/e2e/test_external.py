"""A database that is no service of the project: another server, with TLS, and a role that is no superuser."""

import os
import signal
import time
from contextlib import contextmanager

import pytest

import fingerprint
from application import release, run
from ends import assert_serving
from external import DATABASE, NAME, PORT, ROLE, External, Known, Server
from program import ABORTED, DONE, REFUSED, ROLLED_BACK, Program

GRANTS = (f"ALTER ROLE {ROLE} CREATEDB", f"GRANT pg_signal_backend, pg_read_all_stats TO {ROLE}")


@pytest.fixture(scope="module")
def server():
    server = Server("/srv/elsewhere")
    server.make()
    with Known(server.address):
        yield server
    server.stop("immediate")


@pytest.fixture(scope="module")
def hosted(server, kept):
    """The sample application makes room for it, and is fresh for whoever comes next."""
    kept.fresh = None
    kept.application.down()
    hosted = External("/srv/hosted", server)
    hosted.up()
    yield hosted
    hosted.down()


@pytest.fixture
def program(hosted, server):
    server.sql("postgres", *GRANTS)
    release("all", "1.2.3")
    hosted.make_config()
    forget(hosted, server)
    with Program(hosted) as running:
        running.set("Duration", "3s")
        running.set("StartTimeout", "60s")
        yield running


def forget(hosted, server):
    """What earlier tests left by design: records, bad marks, kept databases, pins."""
    run("find", hosted.state_directory, "-mindepth", "2", "-maxdepth", "2", "-not", "-name", "images", "-exec", "rm", "-rf", "{}", "+", check=False)
    for name in databases(server):
        if name not in (DATABASE, "postgres"):
            quoted = name.replace('"', '""')
            server.sql("postgres", f'DROP DATABASE "{quoted}" WITH (FORCE)')
    if "upgrade-watchdog" in hosted.compose_file.read_text():
        hosted.write_files()
        hosted.compose("up", "-d", "--wait", timeout=120)


def take(hosted):
    """Everything a rollback has to bring back. The cluster's roles are others'."""
    taken = fingerprint.take(hosted, database=False)
    taken.update(fingerprint.of_database(hosted, DATABASE))
    taken["jobs"] = run("docker", "exec", hosted.container("worker"), "busybox", "head", "-n", "1", "/var/spool/jobs/starts").stdout
    return taken


def databases(server):
    return sorted(name for name, in server.sql("postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate"))


@contextmanager
def role_without(server, *statements):
    server.sql("postgres", *statements)
    try:
        yield
    finally:
        server.sql("postgres", *GRANTS)


def findings(program, *names):
    value = program.json("check")
    return {finding["name"]: finding for finding in value["findings"] if finding["name"] in names}


def test_check_says_what_the_role_lacks_and_how_it_is_connected(program, server, hosted):
    found = findings(program, "database-programs", "database-tls", "database-rights", "database-room")
    assert found["database-programs"]["ok"] and "pg_dump (PostgreSQL)" in found["database-programs"]["sentence"]
    assert found["database-tls"]["ok"] and "TLS" in found["database-tls"]["sentence"]
    assert found["database-rights"]["ok"] and found["database-room"]["advisory"]
    assert program("check").code == DONE
    with role_without(server, f"ALTER ROLE {ROLE} NOCREATEDB", f"REVOKE pg_signal_backend FROM {ROLE}"):
        found = findings(program, "database-rights", "database-sessions-rights")
        assert not found["database-rights"]["ok"] and "CREATEDB" in found["database-rights"]["cure"]
        assert not found["database-sessions-rights"]["ok"] and "GRANT pg_signal_backend" in found["database-sessions-rights"]["cure"]
        release("all", "1.3.0")
        record = program.upgrade(REFUSED)
        assert "create databases" in record["reason"]
    assert_serving(hosted, "1.2.3")


def test_a_server_that_cannot_prove_who_it_is_gets_no_password(program, server, hosted):
    """Another authority, another name; and without TLS only on somebody's word, who is told so."""
    (hosted.directory / "other.crt").write_text((server.root / "ca.crt").read_text())
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-out",
        hosted.directory / "other.crt", "-subj", "/CN=Another", "-days", "3")
    program.configure(("/ca.crt", "/other.crt"))
    refused = program("check")
    assert refused.code == REFUSED and "certificate verify failed" in refused.output, refused
    program.configure(("/other.crt", "/ca.crt"), (NAME, server.address))
    refused = program("check")
    assert refused.code == REFUSED and "does not match host name" in refused.output, refused
    program.configure((f"?sslrootcert={hosted.directory}/ca.crt", "?sslmode=require"))
    found = findings(program, "database-tls")
    assert not found["database-tls"]["ok"] and found["database-tls"]["advisory"] and "sslmode=verify-full" in found["database-tls"]["cure"]
    (hosted.directory / "other.crt").unlink()


def test_check_knows_who_else_is_there_and_what_a_variable_means_to_others(program, server, hosted):
    """A session on the server's own host, of somebody else; a service that a shell's own variable has brought up."""
    session = server.connect(DATABASE)
    found = findings(program, "database-sessions")["database-sessions"]
    assert not found["ok"] and "admin from 127.0.0.1" in found["sentence"], found
    session.close()
    assert findings(program, "database-sessions")["database-sessions"]["ok"]
    release("server", "1.2.3")
    run("docker", "compose", "up", "-d", "--wait", cwd=hosted.directory, env={**os.environ, "RELEASE": "1.2.3"}, timeout=120)
    record = program.upgrade(REFUSED)
    assert "clean shell" in record["reason"] and "/server:1.2.3" in record["reason"], record["reason"]
    hosted.compose("up", "-d", "--wait", timeout=120)
    assert program("check").code == DONE


def test_a_failover_in_the_window_is_not_held_against_a_good_release(program, server, hosted):
    release("all", "1.3.0")
    program.set("Duration", "20s")
    upgrade = program.start("upgrade", options=["--json"])
    assert upgrade.wait_for_phase("watch")
    hosted.wait_until_serving(60)
    server.stop("immediate")
    time.sleep(4)
    server.start()
    result = upgrade.wait()
    assert result.code == DONE and result.json["outcome"] == "upgraded", result
    assert program("rollback", "--yes", "--here").code == ROLLED_BACK


def test_a_good_release_and_back_again(program, server, hosted):
    before = take(hosted)
    release("all", "1.3.0")
    record = program.upgrade(DONE)
    assert record["outcome"] == "upgraded"
    assert_serving(hosted, "1.3.0")
    # A service that came later, and has its image from the line that goes back: with it.
    helper = "  helper:\n    <<: *shared\n    restart: always\n"
    hosted.compose_file.write_text(hosted.compose_file.read_text().replace("  worker:\n", helper + "  worker:\n"))
    hosted.compose("up", "-d", "--wait", timeout=120)
    assert hosted.version("helper") == "1.3.0"
    result = program("rollback", "--yes", "--here")
    assert result.code == ROLLED_BACK, result
    assert hosted.version("helper") == "1.2.3"
    run("docker", "rm", "-f", hosted.container("helper"))
    hosted.compose_file.write_text(hosted.compose_file.read_text().replace(helper, ""))
    text = hosted.compose_file.read_text()
    assert text.count(": was ${REGISTRY}/server:${RELEASE:-1}\n") == 1 and text.count(": was 127.0.0.1:5000/qaid/frontend:${FRONTEND:-1}\n") == 1
    assert fingerprint.differences(before, take(hosted), pinned=True, only=["database", "relations", "data", "volumes", "containers", "jobs"]) == []
    hosted.compose("up", "-d", "--wait", timeout=120)
    hosted.compose("pull", "-q")
    hosted.compose("up", "-d", "--wait", timeout=120)
    assert_serving(hosted, "1.2.3")
    # The variable names another release now: that is what is offered, and what comes in takes the pin away.
    environment = (hosted.directory / ".env").read_text()
    (hosted.directory / ".env").write_text(environment + "RELEASE=1.2.4\nFRONTEND=1.2.4\n")
    release("all", "1.2.3")
    record = program.upgrade(DONE)
    assert {service["service"]: service["to"]["version"] for service in record["services"] if service["service"] != "caddy"} == {
        "qaid-server": "1.2.4", "frontend": "1.2.4", "worker": "1.2.4"}
    assert_serving(hosted, "1.2.4")
    assert hosted.compose_file.read_text() == hosted.texts["compose.yaml"]
    assert program("rollback", "--yes", "--here").code == ROLLED_BACK
    (hosted.directory / ".env").write_text(environment)


def test_a_bad_release_is_rolled_back_and_the_servers_roles_are_told(program, server, hosted):
    before = take(hosted)
    release("all", "1.3.0-catastrophe")
    upgrade = program.start("upgrade", options=["--json"])
    assert upgrade.wait_for_phase("watch")
    server.sql("postgres", "ALTER ROLE stranger CREATEROLE")
    result = upgrade.wait()
    assert result.code == ROLLED_BACK, result
    record = result.json
    assert any("stranger" in note and "not the application's own" in note for note in record["notes"]), record["notes"]
    server.sql("postgres", "ALTER ROLE stranger NOCREATEROLE")
    assert fingerprint.differences(before, take(hosted), pinned=True, only=["database", "relations", "data", "volumes", "containers", "jobs"]) == []
    assert [name for name in databases(server) if "failed" in name] and not [name for name in databases(server) if "clone" in name]
    # The clone became the database: what is left of the snapshot is its dump, restored by programs of this host.
    server.sql(DATABASE, "DELETE FROM test_runs")
    result = program("rollback", record["snapshot"], "--yes", "--here")
    assert result.code == ROLLED_BACK, result
    assert fingerprint.differences(before, take(hosted), pinned=True, only=["database", "relations", "data", "volumes", "containers", "jobs"]) == []


def test_programs_of_an_image(program, server, hosted):
    """And the image's container does not stay."""
    program.configure(("\nUrl=", "\nPrograms=127.0.0.1:5000/qaid/postgres:15\nUrl="))
    run("docker", "pull", "-q", "127.0.0.1:5000/qaid/postgres:15")
    names = set(hosted.containers())
    assert program("snapshot").code == DONE
    assert "127.0.0.1:5000/qaid/postgres:15" in findings(program, "database-programs")["database-programs"]["sentence"]
    assert set(hosted.containers()) == names
    assert run("docker", "ps", "-aq", "--filter", "label=upgrade-watchdog.transaction").stdout == ""
    program.set("Programs", "127.0.0.1:5000/qaid/nothing:1")
    refused = program("check")
    assert refused.code == REFUSED and "docker pull 127.0.0.1:5000/qaid/nothing:1" in refused.output + refused.errors, refused


def test_programs_that_would_not_do_are_not_used(program, server, hosted, tmp_path):
    """An older pg_dump refuses the server; what a newer one has dumped, its own pg_restore cannot restore to an older server."""
    major = int(server.programs.parent.name)
    cases = [("9.6.24", "older than the server")] + ([("17.2 (Debian 17.2-1)", "does not get on with")] if major < 17 else [])
    for version, words in cases:
        script = tmp_path / "pg_dump"
        script.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
        script.chmod(0o755)
        hosted.make_config()
        program.configure(("\nUrl=", f"\nPrograms={tmp_path}\nUrl="))
        found = findings(program, "database-programs")["database-programs"]
        assert not found["ok"] and words in found["sentence"], found
    script.unlink()
    found = findings(program, "database-programs")["database-programs"]
    assert not found["ok"] and f"no pg_dump of PostgreSQL {major} or newer" in found["sentence"], found


@pytest.mark.parametrize("phase", ["undo-data", "backup", "freeze", "watch"])
def test_killed_and_recovered(program, server, hosted, phase):
    before = take(hosted)
    release("all", "1.3.0-login-500")
    upgrade = program.start("upgrade")
    assert upgrade.wait_for_phase(phase)
    upgrade.signal(signal.SIGKILL)
    upgrade.kill_all()
    result = program("recover")
    assert result.code in (ABORTED, ROLLED_BACK), result
    assert_serving(hosted, "1.2.3")
    assert fingerprint.differences(before, take(hosted), pinned=True, only=["database", "relations", "data", "volumes", "containers", "jobs"]) == []
    assert not server.sql("postgres", "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'upgrade-watchdog/%'")
    assert server.sql("postgres", "SELECT count(*) FROM pg_database WHERE NOT datallowconn AND datname LIKE 'Hosted%' AND datname !~ 'failed'")[0][0] == 0


def test_the_server_is_gone_in_the_middle(program, server, hosted):
    """Stopped while the new release is watched, and back after a while."""
    before = take(hosted)
    release("all", "1.3.0-login-500")
    upgrade = program.start("upgrade")
    assert upgrade.wait_for_phase("undo-stop")
    server.stop("immediate")
    try:
        upgrade.wait_for_phase("undo-data", timeout=3)
    except AssertionError:
        pass
    server.start()
    result = upgrade.wait()
    if result.code != ROLLED_BACK:
        result = program("recover")
    assert result.code == ROLLED_BACK, result
    assert fingerprint.differences(before, take(hosted), pinned=True, only=["database", "relations", "data", "volumes", "containers", "jobs"]) == []
    assert_serving(hosted, "1.2.3")
