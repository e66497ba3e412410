"""What the applications of other makers have in common: images made from Debian's packages and layers on them, an installation in a
directory of its own, a seeded copy of database and files that a fresh one starts from, and a visitor.
"""

import abc
import hashlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import engine
from application import run
from corpus import Application, Release

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("TESTS_CACHE", "/var/cache/upgrade-watchdog-tests"))
REGISTRY = "127.0.0.1:5000"

RELATIONS = """
SELECT c.oid::regclass::text, n.nspname || '.' || c.relname, c.relkind::text,
    (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull, ', ' ORDER BY attnum)
     FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
    (SELECT array_agg(quote_ident(attname) ORDER BY attnum)
     FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND NOT n.nspname || '.' || c.relname || '.' || attname = ANY(%s))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%%'
"""


@dataclass(frozen=True)
class Layered(Release):
    """A release, and the lines of a Dockerfile that make it out of the good new one."""

    layer: str = ""


def hash_of(*things):
    digest = hashlib.sha256()
    for thing in things:
        paths = [thing] if isinstance(thing, str) else sorted(path for path in thing.rglob("*") if path.is_file()) if thing.is_dir() else [thing]
        for path in paths:
            digest.update((path if isinstance(path, str) else f"{path.name} {path.read_text()}").encode())
    return digest.hexdigest()[:16]


class Installed(Application):
    """A subclass says what the images are made of, how a fresh installation is seeded, and what a stranger looks at."""

    image: str          # repository below the registry, of the service that is upgraded
    tag: str            # the floating one
    service: str        # of the Compose file
    database: str       # name of database and role
    old: str            # the release that runs at first, a tag too
    new: str
    arguments: dict     # the Dockerfile's, by old and new release; the file systems are tests/releases/filesystems'
    visitor_kind: type  # of Visitor
    volatile: tuple = ()            # tables, and columns of tables, that logins and look-ups write
    volatile_files: tuple = ()

    def place(self, root, port):
        self.root = Path(root)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.directory = self.root / self.name
        self.config_directory = self.root / "etc"
        self.state_directory = self.root / "state"
        self.config = self.config_directory / f"{self.name}.conf"
        self.visitor = self.visitor_kind(self)

    def visible(self, release):
        return self.visitor.sees_a_fault()

    # Images

    @classmethod
    def files(cls):
        return HERE / cls.name

    @classmethod
    def build(cls):
        """What is in the registry already, made from the same, stays."""
        stamp = CACHE / "filesystems" / f"{cls.name}.images.json"
        made = json.loads(stamp.read_text()) if stamp.is_file() else {}
        for tag, (wanted, make) in cls.images().items():
            if made.get(tag) != wanted:
                print(f"building {cls.name} {tag}", flush=True)
                make()
                made[tag] = wanted
                stamp.write_text(json.dumps(made))
        cls.forget_images()

    @classmethod
    def images(cls):
        """By tag: a hash of what the image is made from, and the function that makes it."""
        bases = {version: hash_of(cls.files() / "image", (CACHE / "filesystems" / f"{cls.name}-{version}.made").read_text(), *arguments)
                 for version, arguments in cls.arguments.items()}
        found = {version: (made, lambda version=version: cls.build_version(version)) for version, made in bases.items()}
        for release in cls.releases:
            found[release.name] = (hash_of(bases[cls.new], release.layer), lambda release=release: cls.build_release(release))
        return found

    @classmethod
    def build_version(cls, version):
        run("docker", "import", CACHE / "filesystems" / f"{cls.name}-{version}.tar", f"releases/{cls.name}-tree")
        cls.build_image(version, (cls.files() / "image" / "Dockerfile").read_text(), cls.files() / "image",
                        f"VERSION={version}", *cls.arguments[version])
        run("docker", "rmi", f"releases/{cls.name}-tree")

    @classmethod
    def build_release(cls, release):
        cls.build_image(release.name, f"FROM {REGISTRY}/{cls.image}:{cls.new}\n"
                        f"LABEL org.opencontainers.image.version={cls.new}\n{release.layer}\n", cls.files() / "image")

    @classmethod
    def build_image(cls, tag, dockerfile, context, *arguments):
        reference = f"{REGISTRY}/{cls.image}:{tag}"
        given = [part for argument in arguments for part in ("--build-arg", argument)]
        run("docker", "build", "-q", "-t", reference, *given, "-f", "-", context, stdin=None, input=dockerfile,
            env={**os.environ, "DOCKER_BUILDKIT": "0"})
        run("docker", "push", "-q", reference)

    @classmethod
    def forget_images(cls):
        """A release is to be fetched when it is offered."""
        found = run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={REGISTRY}/{cls.image}").stdout.split()
        kept = {f"{REGISTRY}/{cls.image}:{cls.old}"}
        for reference in set(found) - kept:
            run("docker", "rmi", "-f", reference, check=False)

    def offer(self, release):
        """A release of the table, a tag (the good new one has no more than its version for a name), or None: the old one."""
        engine.tag(self.image, getattr(release, "name", release) or self.old, self.tag)
        self.visitor = self.visitor_kind(self)

    # Compose, as a person types it

    def compose(self, *arguments, **options):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
        return run("docker", "compose", *arguments, cwd=self.directory, env=environment, **options)

    def address(self, service):
        """Of a service's running container; twins and one-off containers do not count."""
        return next((engine.address(container) for container in engine.containers(self.name)
                     if container["Labels"].get("com.docker.compose.service") == service
                     and container["Labels"].get("com.docker.compose.oneoff") != "True"), None)

    def volume(self, name):
        return Path(run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", f"{self.name}_{name}").stdout.strip())

    # The directory of an installation

    @staticmethod
    def write_secret(path, text):
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)

    def make_directory(self, environment):
        """The project's directory as its owner has it, without data; `environment` is what .env says."""
        for directory in (self.directory, self.config_directory):
            shutil.rmtree(directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        for path in self.project_files():
            shutil.copy(path, self.directory)
        self.write_secret(self.directory / ".env", "".join(f"{key}={value}\n" for key, value in environment.items()))
        credentials = self.config_directory / "credentials" / self.name
        credentials.mkdir(parents=True)
        text = (self.files() / f"{self.name}.conf").read_text()
        self.config.write_text(text.replace("@DIRECTORY@", str(self.directory)).replace("@PORT@", str(self.port)))
        for name, value in self.credentials().items():
            self.write_secret(credentials / name, value + "\n")

    def project_files(self):
        return sorted((self.files() / "project").iterdir())

    @abc.abstractmethod
    def credentials(self):
        """Of the probes, by name."""

    def environment(self):
        """What .env says beside secrets, which are kept with the seeded copy."""
        return {}

    def secrets(self):
        return {}

    def data_directories(self):
        """Below the project's directory, seeded with the database."""
        return ()

    @abc.abstractmethod
    def seed(self):
        """Fills the database, which runs, and the data directories."""

    def golden(self):
        made_from = hash_of(self.files() / "image", *self.project_files(), self.files() / "application.py", HERE.parent / "app" / "images" / "postgres")
        return CACHE / "seeded" / f"{self.name}-{made_from}"

    def up(self, root, port):
        self.place(root, port)
        self.down()
        shutil.rmtree(self.state_directory / self.name, ignore_errors=True)
        self.offer(None)
        golden = self.golden()
        if not golden.is_dir():
            self.make_golden(golden)
        self.make_directory({**json.loads((golden / "secrets").read_text()), **self.environment()})
        for name in self.data_directories():
            run("cp", "-a", golden / name, self.directory / name)
        self.compose("pull", "-q", timeout=300)
        self.compose("up", "--no-start", timeout=120)
        run("cp", "-a", f"{golden / 'pgdata'}/.", self.volume("pgdata"))
        self.compose("up", "-d", "--wait", timeout=300)

    def make_golden(self, golden):
        for old in golden.parent.glob(f"{self.name}-*"):
            shutil.rmtree(old)
        kept = {name: secrets.token_hex(16) for name in self.secrets()}
        self.make_directory({**kept, **self.environment()})
        for name in self.data_directories():
            (self.directory / name).mkdir()
        self.compose("pull", "-q", timeout=300)
        self.compose("up", "-d", "--wait", "postgres", timeout=120)
        self.seed()
        self.compose("stop", timeout=120)
        new = golden.with_name("new-" + golden.name)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        run("cp", "-a", self.volume("pgdata"), new / "pgdata")
        for name in self.data_directories():
            run("cp", "-a", self.directory / name, new / name)
        self.write_secret(new / "secrets", json.dumps(kept))
        run("sync", "-f", new)
        new.rename(golden)
        self.down()

    def down(self):
        if (self.directory / "compose.yaml").is_file():
            self.compose("kill", check=False)
            self.compose("down", "-v", "--remove-orphans", "-t", "0", timeout=120)

    # What it holds

    def password(self):
        for line in (self.directory / ".env").read_text().splitlines():
            key, _, value = line.partition("=")
            if key.endswith("_DB_PASSWORD"):
                return value
        raise RuntimeError(f"{self.directory}/.env names no database password")

    def connect(self):
        import psycopg2

        connection = psycopg2.connect(host=self.address("postgres"), user=self.database, password=self.password(), dbname=self.database,
                                      connect_timeout=10)
        connection.autocommit = True
        return connection

    def evidence(self):
        relations = {}
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute(RELATIONS, (list(self.volatile),))
            for quoted, name, kind, definition, columns in cursor.fetchall():
                content = None
                if kind == "r" and name not in self.volatile and columns:
                    cursor.execute(f"SELECT count(*), coalesce(sum(hashtextextended(row({', '.join(columns)})::text, 0)::numeric), 0)::text FROM {quoted}")
                    content = cursor.fetchone()
                relations[name] = (definition, content)
        connection.close()
        files = {}
        for name in self.data_directories():
            for path in sorted((self.directory / name).rglob("*")):
                place = str(path.relative_to(self.directory))
                if place.startswith(self.volatile_files):
                    continue
                facts = path.lstat()
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                files[place] = (facts.st_mode, facts.st_uid, facts.st_gid, content)
        return {"relations": relations, "files": files}
