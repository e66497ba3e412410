"""A registry that wants a login: what `docker login` left is used, and where that is not enough the run is refused and touches nothing."""

import base64
import ctypes
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import fingerprint
from application import CACHE, REGISTRY, release, run
from ends import assert_serving
from program import DONE, REFUSED
from test_secrets import Listener, readable_by_others

LOGIN_REGISTRY = "127.0.0.1:5001"
USER = "puller"
SECRET = "r%gistry pässword+/"
WRONG = "another pässword"
PARTS = ["relations", "database", "roles", "data", "project", "containers", "tags"]


def hashed(password):
    """As htpasswd -B does it; Python's own module is gone from newer versions."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return crypt(password.encode(), b"$2b$04$" + b"abcdefghijklmnopqrstuu").decode()


@pytest.fixture
def login_registry():
    """The same store as the machine's registry, behind htpasswd."""
    home = Path("/run/machine/login-registry")
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "htpasswd").write_text(f"{USER}:{hashed(SECRET)}\n")
    (home / "registry.yml").write_text(
        "version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {CACHE}/registry}}}}\n"
        f"auth: {{htpasswd: {{realm: tests, path: {home}/htpasswd}}}}\nhttp: {{addr: '{LOGIN_REGISTRY}'}}\n")
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", home / "registry.yml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 20
        while answers() != 401:
            assert time.monotonic() < end and process.poll() is None, (home / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def answers():
    try:
        return urllib.request.urlopen(f"http://{LOGIN_REGISTRY}/v2/", timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


class Logins:
    """A directory as `docker login` leaves it, and a credential helper in a PATH of its own."""

    def __init__(self, root):
        self.directory = root / "docker"
        self.programs = root / "programs"
        for directory in (self.directory, self.programs):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
        self.environment = {"DOCKER_CONFIG": str(self.directory), "PATH": f"{self.programs}:{os.environ['PATH']}"}

    def put(self, value):
        path = self.directory / "config.json"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(value))

    def in_file(self, password):
        self.put({"auths": {LOGIN_REGISTRY: {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}}})

    def in_helper(self, script):
        """The helper has the password from a file, as a real one has it from its key ring."""
        self.put({"auths": {LOGIN_REGISTRY: {}}, "credHelpers": {LOGIN_REGISTRY: "vault"}})
        (self.programs / "answer.json").write_text(json.dumps({"ServerURL": LOGIN_REGISTRY, "Username": USER, "Secret": SECRET}))
        helper = self.programs / "docker-credential-vault"
        helper.write_text(f"#!/bin/sh\nread -r server || [ -n \"$server\" ]\n"
                          f"[ \"$1 $server\" = 'get {LOGIN_REGISTRY}' ] || exit 9\n"
                          f"echo asked >>{self.programs}/asked\n{script}\n")
        helper.chmod(0o755)

    def give_by_helper(self):
        self.in_helper(f"cat {self.programs}/answer.json")


@pytest.fixture
def logins(application, login_registry):
    return Logins(application.root / "logins")


def pull_by_hand(application, logins, check=True):
    environment = {**{key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}, **logins.environment}
    return run("docker", "compose", "pull", "-q", "qaid-server", cwd=application.directory, env=environment, check=check)


def move_behind_login(application, logins):
    """The server's image comes from the registry that wants a login, from now on."""
    text = application.compose_file.read_text()
    assert f"{REGISTRY}/qaid/server:1" in text
    application.compose_file.write_text(text.replace(f"{REGISTRY}/qaid/server:1", f"{LOGIN_REGISTRY}/qaid/server:1"))
    logins.in_file(SECRET)
    pull_by_hand(application, logins)
    application.compose("up", "-d", timeout=120)
    application.wait_until_serving()


def test_a_login_that_is_not_enough_is_a_refusal(application, program, logins):
    def nothing():
        logins.put({})

    def another_registry():
        logins.put({"auths": {"registry.example": {"auth": base64.b64encode(b"a:b").decode()}}})

    def wrong():
        logins.in_file(WRONG)

    whole = (nothing, wrong)  # the others are planned alone: it is the same question to the registry
    cases = [
        (nothing, ("none for it is known from", str(logins.directory), f"docker login {LOGIN_REGISTRY}")),
        (another_registry, ("none for it is known from", f"docker login {LOGIN_REGISTRY}")),
        (wrong, ("did not accept the login", str(logins.directory), f"docker login {LOGIN_REGISTRY}")),
        (lambda: logins.in_helper("echo 'credentials not found in native keychain'; exit 1"), ("none for it is known",)),
        (lambda: logins.in_helper("echo 'the vault is locked'; exit 1"), ("credential helper", "the vault is locked")),
        (lambda: logins.put({"credsStore": "gone"}), ("docker-credential-gone", "not in PATH")),
    ]
    move_behind_login(application, logins)
    release("all", "1.3.0")
    before = fingerprint.take(application)
    results = []
    with Listener([SECRET, WRONG]) as listener:
        for prepare, words in cases:
            prepare()
            plan = program("plan", options=["--json"], environment=logins.environment)
            assert plan.code == REFUSED, plan
            assert not [word for word in words if word not in plan.json["reason"]], plan
            results.append(plan)
            if prepare not in whole:
                continue
            results.append(program("upgrade", options=["--json"], environment=logins.environment))
            assert results[-1].code == REFUSED and results[-1].json["reason"] == plan.json["reason"], results[-1]
            assert program.record() is None
    assert fingerprint.differences(before, fingerprint.take(application), only=PARTS) == []
    assert_no_secret(program, listener, results)


def test_a_login_in_the_file_and_one_in_a_credential_helper(application, program, logins):
    move_behind_login(application, logins)
    results = []
    with Listener([SECRET]) as listener:
        for version, login in (("1.2.4", lambda: logins.in_file(SECRET)), ("1.3.0", logins.give_by_helper)):
            release("all", version)
            login()
            results.append(program("plan", environment=logins.environment))
            assert results[-1].code == DONE and version in results[-1].output, results[-1]
            results.append(program("upgrade", options=["--json"], environment=logins.environment))
            assert results[-1].code == DONE and results[-1].json["outcome"] == "upgraded", results[-1]
            assert_serving(application, version)
            pull_by_hand(application, logins)
        for command in ("status", "history", "report"):
            results.append(program(command, options=["--json"]))
    assert "asked" in (logins.programs / "asked").read_text(), "the helper was not asked"
    assert_no_secret(program, listener, results)
    logins.put({})
    assert pull_by_hand(application, logins, check=False).returncode != 0, "the registry wants no login: the test showed nothing"


def assert_no_secret(program, listener, results):
    encoded = [base64.b64encode(f"{USER}:{password}".encode()).decode() for password in (SECRET, WRONG)]
    secrets = [SECRET, WRONG, *encoded]
    assert listener.seen == set()
    for result in results:
        assert not [secret for secret in secrets if secret in result.output + result.errors], result
    for path in [*program.state.rglob("*"), *readable_by_others(program.state)]:
        if path.is_file() and not path.is_symlink() and not {"snapshots", "quarantine", "images"} & set(path.parts):
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], path
