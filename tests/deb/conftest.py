"""One booted host a session, in which the package is built, without a network; each test finds what the one before it left."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "guest")]

from guest import CACHE, Guest  # noqa: E402
from inside import Application  # noqa: E402

SUITE = os.environ.get("SUITE", "bookworm")
KEPT = CACHE / "deb" / SUITE


def pytest_configure(config):
    if os.environ.get("TESTS_CACHE") is None:
        pytest.exit("the tests of the package run inside `sudo tests/run deb`", returncode=2)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    counts = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    KEPT.with_suffix(".summary").write_text(
        f"deb: {counts['passed']} passed, {counts['failed'] + counts['error']} failed, {counts['skipped']} skipped\n")


@pytest.fixture(scope="session")
def guest():
    host = Guest(SUITE)
    host.boot()
    yield host
    host.power_off()


class Package:
    """The package and a newer one, as files in the guest; what was built is kept outside of it."""

    def __init__(self, guest):
        self.guest = guest
        built = guest.run("env", f"DEB_BUILD_OPTIONS={os.environ.get('DEB_BUILD_OPTIONS', '')}", "/opt/tree/tests/deb/build", "/opt/tree", "/srv/deb",
                          check=False, timeout=1800)
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        (KEPT / "build.log").write_text(built.stdout + built.stderr)
        assert built.returncode == 0, (built.stdout + built.stderr)[-6000:]
        self.file, = self.files("upgrade-watchdog_*.deb")
        self.newer, = self.files("newer/upgrade-watchdog_*.deb")
        self.changes, = self.files("*.changes")
        for name in self.files("*.*"):
            shutil.copy(f"{guest.home}{name}", KEPT)

    def files(self, pattern):
        return self.guest.sh(f"find /srv/deb -path '/srv/deb/{pattern}' ! -path '/srv/deb/upgrade-watchdog-*' -type f", check=True).stdout.split()

    def apt(self, *arguments, **options):
        return self.guest.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", *arguments, **options)

    def install(self, file=None):
        return self.apt("install", "--no-install-recommends", file or self.file)

    def status(self):
        """As dpkg has it: "ii" installed, "rc" configuration left, "" nothing."""
        return self.guest.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "upgrade-watchdog", check=False).stdout.strip()

    def version(self):
        return self.guest.run("dpkg-query", "-W", "-f", "${Version}", "upgrade-watchdog").stdout


@pytest.fixture(scope="session")
def package(guest):
    return Package(guest)


@pytest.fixture(scope="session")
def qaid(guest, package):
    if package.status() != "ii":
        package.install()
    application = Application(guest, "qaid", 8080, "1")
    application.up()
    return application
