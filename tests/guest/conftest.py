"""One booted host a session, with the program installed and two running applications: each test leaves them upgraded or as they were,
and says by the releases it offers what it wants next."""

import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from guest import CACHE, Guest  # noqa: E402
from inside import Application  # noqa: E402

SUITE = os.environ.get("SUITE", "bookworm")


def pytest_configure(config):
    if os.environ.get("TESTS_CACHE") is None:
        pytest.exit("the tests on booted hosts run inside `sudo tests/run guest`", returncode=2)


def pytest_addoption(parser):
    parser.addoption("--sample", action="store_true", help="what the check has time for: the night and the morning, and of the rest a part by suite")
    parser.addoption("--all", action="store_true", help="also what takes a boot of its own each: a reboot in every phase")


# Every file on one suite at least; files, and tests of theirs where not all.
SAMPLES = {
    "bookworm": ("test_install", "test_night", "test_outcomes", "test_a_refusal_is_written", "test_metrics_that_cannot", "test_a_rollback_at_night",
                 "test_a_restart_loop", "test_a_full_disk", "test_a_configuration_that", "test_a_stopped_main_process"),
    "trixie": ("test_install", "test_night", "test_outcomes", "test_credentials", "test_an_upgrade_typed",
               "test_a_power_cut"),
}


def pytest_collection_modifyitems(config, items):
    """What takes long has its own command, and is not counted as left out of the other."""
    if not config.getoption("--all"):
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    if config.getoption("--sample"):
        items[:] = [item for item in items if item.path.stem in SAMPLES[SUITE] or item.name.startswith(SAMPLES[SUITE])]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """The closing line once more, in a file: `tests/run check` repeats it at the very end."""
    counts = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    (CACHE / "guest" / f"{SUITE}.summary").write_text(
        f"guest: {counts['passed']} passed, {counts['failed'] + counts['error']} failed, {counts['skipped']} skipped\n")


@pytest.fixture(scope="session")
def guest():
    host = Guest(SUITE)
    host.boot()
    host.install()
    host.run("systemctl", "enable", "--now", "upgrade-watchdog-recover.timer")  # as each application's timer does
    yield host
    host.power_off()


def prepared(guest, name, port, tag):
    application = Application(guest, name, port, tag)
    application.up()
    return application


@pytest.fixture(scope="session")
def qaid(guest):
    return prepared(guest, "qaid", 8080, "1")


@pytest.fixture(scope="session")
def crm(guest):
    return prepared(guest, "crm", 8090, "stable")


@pytest.fixture(scope="session")
def ghost(guest):
    """An application whose database does not run: its upgrades are refused, which takes a moment and no containers."""
    application = Application(guest, "ghost", 8099, "1")
    guest.write("/srv/ghost/compose.yaml", "services:\n  postgres:\n    image: nothing\n")
    guest.write("/etc/upgrade-watchdog/ghost.conf", "[App]\nDirectory=/srv/ghost\n[Database]\nService=postgres\nName=ghost\nUser=ghost\n"
                "[Probe containers]\nKind=containers\n")
    guest.run("chmod", "700", "/etc/upgrade-watchdog")
    return application
