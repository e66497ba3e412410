"""Bad input and a broken host: an exit code that tells a script, a sentence that tells a person, and nothing touched."""

import contextlib
import os
import shutil

import pytest

import fingerprint
from application import release, run
from program import CONFIGURATION, DONE, REFUSED, USAGE


@contextlib.contextmanager
def untouched(application):
    before = fingerprint.take(application)
    yield
    assert fingerprint.differences(before, fingerprint.take(application)) == []


@pytest.mark.parametrize("arguments", [["frobnicate"], [], ["upgrade"], ["upgrade", "qaid", "--no-such-option"], ["--config-dir"],
                                       ["rehearse", "qaid"], ["hold", "qaid"], ["init", "/srv/qaid"]])
def test_a_wrong_command_line(application, program, arguments):
    binary, options = program.arguments("status")[0], program.arguments("status")[1:5]
    result = run(binary, *([] if arguments == ["--config-dir"] else options), *arguments, check=False)
    assert result.returncode == USAGE, result
    assert result.stderr.strip() and not result.stdout
    assert len(result.stderr.splitlines()) <= 3, "a person wants one sentence, not a page"


@pytest.mark.parametrize("old, new, words", [
    ("[App]", "[App]\nColour=blue", ["Colour"]),
    ("[Watch]", "[Wach]", ["Wach"]),
    ("Duration=3s", "Duration=3 parsecs", ["Duration", "parsecs"]),
    ("Keep=3", "Keep=many", ["Keep", "many"]),
    ("Keep=3", "Keep=-1", ["Keep"]),
    ("Kind=logs", "Kind=oracle", ["Kind", "oracle"]),
    ("BaseUrl=http://127.0.0.1:8080", "BaseUrl=gopher://127.0.0.1", ["BaseUrl"]),
    ("Assert=(. | length) >= ($baseline | length)", "Assert=(. | length >=", ["Assert"]),
    ("Fail=(?i)migration failed|fatal:", "Fail=(unclosed", ["Fail"]),
    ("After=login\nRequest=GET /api/projects", "After=logout\nRequest=GET /api/projects", ["logout"]),
    ("Directory=/srv/qaid", "Directory=/srv/elsewhere", ["/srv/elsewhere"]),
    ("Data=data", "Data=no-such-directory", ["no-such-directory"]),
    ("Gate=caddy", "Gate=nginx", ["nginx"]),
    ("Keep=3", "Keep=3\nMinAge=3d", ["MinAge"]),
    ("[Watch]", "[Rehearsal]\nRehearsal=auto\n[Watch]", ["Rehearsal"]),
    ("[Watch]", "[Policy]\nWindow=02:00-05:00\n[Watch]", ["Policy"]),
    ("Keep=3", "Keep=3\nOffHost=s3://bucket/prefix", ["s3://"]),
    ("Keep=3", "Keep=3\x07", ["Keep"]),
    ("[App]", "[App", ["App"]),
])
def test_a_wrong_configuration(application, program, old, new, words):
    release("all", "1.3.0")
    program.configure((old, new))
    with untouched(application):
        for command in ("check", "upgrade"):
            result = program(command)
            assert result.code == CONFIGURATION, result
            said = result.output + result.errors
            assert str(application.config) in said, said
            for word in words:
                assert word in said, said


def test_a_line_of_a_wrong_configuration_is_named(application, program):
    text = application.config.read_text() + "\n[Probe late]\nKind=http\nRequest=GET /\nStatus=banana\n"
    application.config.write_text(text)
    line = len(text.splitlines())
    result = program("check")
    assert result.code == CONFIGURATION
    assert f"{application.config}:{line}:" in result.output + result.errors, result


def test_no_configuration(application, program):
    application.config.unlink()
    result = program("upgrade")
    assert result.code == CONFIGURATION and str(application.config) in result.errors + result.output, result


def test_credentials_that_cannot_be_used(application, program):
    release("all", "1.3.0")
    credential = application.config_directory / "credentials" / "qaid" / "probe-password"
    with untouched(application):
        credential.chmod(0o644)
        result = program("upgrade")
        assert result.code in (CONFIGURATION, REFUSED) and "probe-password" in result.output + result.errors, result
        credential.unlink()
        result = program("upgrade")
        assert result.code in (CONFIGURATION, REFUSED) and "probe-password" in result.output + result.errors, result


@pytest.mark.parametrize("text", ["services:\n  postgres: [unclosed\n", "", "services: 5\n", "\x00\x01"])
def test_a_compose_file_that_does_not_parse(application, program, text):
    release("all", "1.3.0")
    good = application.compose_file.read_bytes()
    application.compose_file.write_text(text)
    result = program("upgrade")
    assert result.code in (CONFIGURATION, REFUSED), result
    assert "compose" in (result.output + result.errors).lower()
    assert application.compose_file.read_text() == text
    application.compose_file.write_bytes(good)


def test_docker_that_does_not_run(application, program, host):
    host.stop_docker()
    for command in ("check", "upgrade", "probe"):
        result = program(command)
        assert result.code in (1, REFUSED), result
        assert "docker" in (result.output + result.errors).lower()
    host.start_docker()
    application.compose("up", "-d", "--wait", "--pull", "never", timeout=120)


def test_a_registry_that_is_down(application, program, host):
    release("all", "1.3.0")
    host.stop_registry()
    with untouched(application):
        result = program("upgrade")
        assert result.code in (1, REFUSED), result
        assert "127.0.0.1:5000" in result.output + result.errors
    host.start_registry()
    assert program.upgrade(DONE)["outcome"] == "upgraded"


def test_a_full_disk(application, program):
    """The state directory on a small file system of its own: refused where it is seen, aborted where it is met; never half an upgrade."""
    release("all", "1.3.0")
    image = application.root / "disk.img"
    run("truncate", "-s", "24M", image)
    run("mkfs.ext4", "-q", "-F", image)
    application.state_directory.mkdir(exist_ok=True)
    run("mount", "-o", "loop", image, application.state_directory)
    try:
        with untouched(application):
            result = program("upgrade")
            assert result.code in (1, REFUSED), result
            said = (result.output + result.errors).lower()
            assert "room" in said or "space" in said or "free" in said, result
    finally:
        run("umount", application.state_directory)
        image.unlink()


@pytest.mark.parametrize("part", ["dump", "tree", "snapshot.json"])
def test_a_snapshot_with_a_flipped_byte(application, before, program, part):
    made = program.json("snapshot", code=DONE)
    directory = program.state / "snapshots" / made["snapshot"]
    files = sorted((path for path in directory.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size > 200),
                   key=lambda path: path.stat().st_size)
    chosen = {"dump": [path for path in files if "dump" in path.name], "tree": [path for path in files if path.suffix == ".png"],
              "snapshot.json": [path for path in files if path.name == "snapshot.json"]}[part][-1]
    content = bytearray(chosen.read_bytes())
    content[len(content) // 2] ^= 0x20
    chosen.write_bytes(content)
    with untouched(application):
        result = program("rollback", made["snapshot"], "--yes")
        assert result.code not in (DONE, 5), result
        assert chosen.name in result.output + result.errors, result
    shutil.rmtree(directory, ignore_errors=True)
    assert os.path.isdir(program.state)
