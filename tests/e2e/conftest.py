"""What the end-to-end tests share: the application, the program as a person runs it, a client that writes, faults of the host.

Nothing here imitates anything: tests/run starts a real Docker Engine, registry, Compose and PostgreSQL in a machine of namespaces.
"""

import copy
import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "app")]

import application as sample  # noqa: E402
import fingerprint  # noqa: E402
from host import Host  # noqa: E402
from program import Program  # noqa: E402
from writer import Writer  # noqa: E402

ROWS = int(os.environ.get("SIZE", "200000"))


def pytest_configure(config):
    if os.environ.get("TESTS_CACHE") is None:
        pytest.exit("the end-to-end tests run inside `sudo tests/run e2e`", returncode=2)


def pytest_addoption(parser):
    parser.addoption("--sample", action="store_true", help="of the files with many cases of one kind, each so many-th only: what the check has time for")
    parser.addoption("--half", metavar="N/M", default="1/1", help="only each M-th test, from the N-th on")


SAMPLED = {"test_killed.py": 4, "test_input.py": 2, "test_notify.py": 3, "test_shapes.py": 2, "test_a_bad_release_is_rolled_back_to_the_last_byte": 3,
           "test_killed_and_recovered": 4}

# Long ones that have a sibling which shows nearly the same.
LEFT_OUT = ("test_a_migration_that_shows_progress_is_waited_for", "test_a_long_migration_is_waited_for",
            "test_a_gate_that_stays_shut_opens_at_the_end", "test_a_login_that_is_not_enough_is_a_refusal")


def sampled(items):
    """Each fourth of the cases of test_killed.py, and so on; all of what is not named, but for what is left out."""
    counts = dict.fromkeys(SAMPLED, -1)
    chosen = []
    for item in items:
        name = item.originalname if item.originalname in SAMPLED else item.path.name
        if name in SAMPLED:
            counts[name] += 1
        if item.originalname not in LEFT_OUT and (name not in SAMPLED or counts[name] % SAMPLED[name] == 0):
            chosen.append(item)
    return chosen


def pytest_collection_modifyitems(config, items):
    number, count = (int(part) for part in config.getoption("--half").split("/"))
    chosen = (sampled(items) if config.getoption("--sample") else items)[number - 1::count]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """The closing line once more, in a file: `tests/run check` repeats it at the very end."""
    counts = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    Path(os.environ["TESTS_CACHE"], "e2e.summary").write_text(
        f"e2e: {counts['passed']} passed, {counts['failed'] + counts['error']} failed, {counts['skipped']} skipped\n")


class Kept:
    """The one application of the session, and what it looked like when it was fresh."""

    def __init__(self):
        self.application = sample.Application("/srv", rows=ROWS)
        self.fresh = None
        self.now = None

    def reset(self):
        """Makes the application fresh; cheaply where the last test left it as it was, which is what a rollback promises."""
        application = self.application
        sample.release("all", "1.2.3")
        if self.fresh is None or not self.tidy():
            self.drop_state()
            application.up()
            self.fresh = self.now = fingerprint.take(application)
        application.make_config()
        return application

    def tidy(self):
        """Removes what upgrades leave behind by design; False where more than that is left."""
        application = self.application
        try:
            self.drop_state()
            application.compose_file.write_bytes(self.fresh["project"]["compose.yaml"]["bytes"].encode())
            if not self.same_containers():
                return False
            self.drop_pulled_images()
            application.wait_until_serving(2)
            self.drop_kept_databases()
            self.now = fingerprint.take(application)
            return not fingerprint.differences({**self.fresh, "containers": None}, {**self.now, "containers": None})
        except Exception:
            return False

    def drop_state(self):
        """All but the archives of images: whoever upgrades for the second time has those."""
        images = self.application.state_directory / "qaid" / "images"
        kept = self.application.root / "images"
        if images.is_dir() and not kept.exists():
            images.rename(kept)
        sample.run("rm", "-rf", self.application.state_directory, self.application.config_directory)
        if kept.is_dir():
            images.parent.mkdir(parents=True, mode=0o700)
            images.parent.parent.chmod(0o700)
            kept.rename(images)

    def drop_kept_databases(self):
        # Not `with connection`: that is a transaction, in which no database can be dropped.
        connection = self.application.connect("template1")
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', 'qaid')")
            for (name,) in cursor.fetchall():
                cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        connection.close()

    def same_containers(self):
        def facts(containers):
            return {name: (item["service"], item["image"], item["policy"]) for name, item in containers.items()}

        return facts(fingerprint.of_containers(self.application)) == facts(self.fresh["containers"])

    def drop_pulled_images(self):
        """So that a release has to be fetched when it is offered, as it has on a host."""
        used = {item["image"] for item in self.fresh["containers"].values()}
        listed = sample.run("docker", "images", "--no-trunc", "--format", "{{.ID}} {{.Repository}} {{.Tag}}").stdout.split("\n")
        for image, repository, tag in (line.split() for line in listed if line):
            ours = not repository.startswith("qaid/") and f"{repository}:{tag}" not in self.fresh["tags"]
            if ours and (image not in used or tag != "<none>"):
                sample.run("docker", "rmi", "-f", image if tag == "<none>" else f"{repository}:{tag}", check=False)


@pytest.fixture(scope="session")
def kept():
    return Kept()


@pytest.fixture(scope="session")
def host():
    return Host()


@pytest.fixture
def application(kept, host):
    """The sample application, fresh and running at 1.2.3; the registry offers 1.2.3."""
    host.restore()
    return kept.reset()


@pytest.fixture
def before(application, kept):
    """The fingerprint of the fresh application."""
    return copy.deepcopy(kept.now)


@pytest.fixture
def program(application):
    """The program, with the application's configuration (a short window) and state directory; whatever of it still runs dies with
    the test."""
    with Program(application) as running:
        running.set("Duration", "3s")
        running.set("StartTimeout", "60s")
        yield running


@pytest.fixture
def writer(application):
    """A client that writes through Caddy all the time and remembers what was acknowledged, and when."""
    with Writer(application) as running:
        yield running
