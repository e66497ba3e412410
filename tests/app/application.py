"""The sample application as a person has it: a directory with a Compose file, .env and data/, seeded, and running.

Used by tests/app/up, by the demo and by the end-to-end tests.
"""

import hashlib
import json
import os
import secrets
import shutil
import struct
import subprocess
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("TESTS_CACHE", "/var/cache/upgrade-watchdog-tests"))
REGISTRY = "127.0.0.1:5000"
IMAGES = f"{REGISTRY}/qaid"
EMAIL = "probe@qaid.example"
PASSWORD = "Prüfung & \"more\" %7"
STEPS_PER_RUN = 9
SCREENSHOTS_PER_RUN = 4

SEED = r"""
BEGIN;
INSERT INTO users (email, name, password_salt, password_hash)
    VALUES ('{email}', 'Probe', decode('{salt}', 'hex'), decode('{hash}', 'hex'));
INSERT INTO users (email, name, password_salt, password_hash)
    SELECT 'person' || n || '@qaid.example', 'Person ' || n, decode(md5(n::text), 'hex'), sha256(n::text::bytea)
    FROM generate_series(2, 40) n;
INSERT INTO projects (name, slug, base_url)
    SELECT 'Website ' || n, 'website-' || n, 'https://site-' || n || '.example/' FROM generate_series(1, 25) n;
INSERT INTO test_runs (project_id, title, status, started_at)
    SELECT 1 + n % 25, 'Nightly ' || n, (ARRAY['passed', 'passed', 'passed', 'failed'])[1 + n % 4],
        timestamptz '2026-01-01' + n * interval '7 minutes'
    FROM generate_series(1, {runs}) n;
INSERT INTO test_steps (test_run_id, position, description, status, screenshot)
    SELECT r, p, 'step ' || p || ' of run ' || r || ': ' || md5((r * 31 + p)::text),
        CASE WHEN r % 4 = 3 AND p = {steps} THEN 'failed' ELSE 'passed' END,
        CASE WHEN r <= {pictured} AND p <= {pictures} THEN 'run-' || lpad(r::text, 5, '0') || '-step-' || p || '.png' END
    FROM generate_series(1, {runs}) r, generate_series(1, {steps}) p;
COMMENT ON DATABASE qaid IS 'the sample application''s';
ALTER DATABASE qaid SET work_mem = '8MB';
ALTER DATABASE qaid SET statement_timeout = '10min';
CREATE ROLE reporting LOGIN PASSWORD 'reporting';
GRANT CONNECT ON DATABASE qaid TO reporting;
GRANT SELECT ON projects, test_runs TO reporting;
COMMIT;
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
"""


def run(*arguments, check=True, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def picture(number, width=48, height=32):
    """A real PNG, another one for each number."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    noise = b"".join(hashlib.sha256(b"%d.%d" % (number, block)).digest() for block in range(height * width * 3 // 32 + 1))
    rows = b"".join(b"\0" + noise[row * width * 3:(row + 1) * width * 3] for row in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def release(image, version, tag="1"):
    """Publishes a version or VERSION-FAULT of an image under its floating tag; image "all" is server and frontend."""
    run(HERE / "release", image, version, tag)


class Application:
    """One instance in its own directory, project and port. `root` also holds the configuration and the state directory."""

    def __init__(self, root, port=8080, rows=200_000, name="qaid", tag="1", health_interval="1s"):
        self.root = Path(root)
        self.health_interval = health_interval
        self.name = name
        self.tag = tag
        self.port = port
        self.rows = rows
        self.directory = self.root / name
        self.config_directory = self.root / "etc"
        self.state_directory = self.root / "state"
        self.config = self.config_directory / f"{name}.conf"
        self.compose_file = self.directory / "compose.yaml"
        self.data = self.directory / "data"
        self.url = f"http://127.0.0.1:{port}"

    # The directory and what is in it

    def make_directory(self):
        """Everything but the containers and volumes, as fresh as a new installation."""
        for directory in (self.directory, self.config_directory):
            shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(HERE / "template", self.directory)
        if self.tag != "1":
            text = self.compose_file.read_text()
            self.compose_file.write_text(text.replace("/server:1 ", f"/server:{self.tag} ").replace("/frontend:1\n", f"/frontend:{self.tag}\n"))
        self.password = secrets.token_hex(12)
        self.write_environment()
        self.make_config()

    def write_environment(self):
        self.write_secret(self.directory / ".env", f"POSTGRES_PASSWORD={self.password}\nQAID_PORT={self.port}\n"
                          f"QAID_HEALTH_INTERVAL={self.health_interval}\n")

    def make_config(self):
        credentials = self.config_directory / "credentials" / self.name
        credentials.mkdir(parents=True, exist_ok=True)
        text = (HERE / "qaid.conf").read_text()
        self.config.write_text(text.replace("@DIRECTORY@", str(self.directory)).replace("@PORT@", str(self.port)))
        self.write_secret(credentials / "probe-email", EMAIL + "\n")
        self.write_secret(credentials / "probe-password", PASSWORD + "\n")

    @staticmethod
    def write_secret(path, text):
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)

    def make_data(self):
        directory = self.data / "screenshots"
        directory.mkdir(parents=True)
        for number in range(self.pictured_runs() * SCREENSHOTS_PER_RUN):
            run_number, step = divmod(number, SCREENSHOTS_PER_RUN)
            (directory / f"run-{run_number + 1:05}-step-{step + 1}.png").write_bytes(picture(number))
        (self.data / "notes with ümlaut.txt").write_text("kept by the user, not by the program\n")
        os.symlink("screenshots", self.data / "latest")
        (self.data / "exports").mkdir(mode=0o750)
        (self.data / "exports" / "empty.csv").touch(mode=0o640)

    def runs(self):
        return max(self.rows // (STEPS_PER_RUN + 1), 1)

    def pictured_runs(self):
        return min(50, self.runs())

    # Compose, as a person types it

    def compose(self, *arguments, **options):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
        return run("docker", "compose", *arguments, cwd=self.directory, env=environment, **options)

    def container(self, service):
        """The ID of a service's container, running or not; twins and one-off containers do not count."""
        found = run("docker", "ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.name}",
                    "--filter", f"label=com.docker.compose.service={service}",
                    "--filter", "label=com.docker.compose.oneoff=False").stdout.split()
        if len(found) != 1:
            raise RuntimeError(f"service {service} has {len(found)} containers")
        return found[0]

    def containers(self):
        """What `docker inspect` says of every container of the project, by name."""
        found = run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}").stdout.split()
        inspected = json.loads(run("docker", "inspect", *found).stdout) if found else []
        return {item["Name"].lstrip("/"): item for item in inspected}

    def version(self, service="qaid-server"):
        return json.loads(run("docker", "inspect", self.container(service)).stdout)[0]["Config"]["Labels"].get(
            "org.opencontainers.image.version")

    # Up and down

    def seed_statements(self):
        salt = b"0123456789abcdef"
        hashed = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=1 << 12, r=8, p=1, dklen=32)
        return SEED.format(email=EMAIL, salt=salt.hex(), hash=hashed.hex(), runs=self.runs(), steps=STEPS_PER_RUN,
                           pictured=self.pictured_runs(), pictures=SCREENSHOTS_PER_RUN)

    def golden(self):
        """The directory that keeps a seeded database cluster and data/ of this size for the next time."""
        made_from = [self.seed_statements(), *(path.read_text() for path in sorted(HERE.glob("images/**/schema.py"))),
                     *(path.read_text() for path in sorted(HERE.glob("images/postgres/*"))), Path(__file__).read_text()]
        return CACHE / "seeded" / f"{self.rows}-{hashlib.sha256(''.join(made_from).encode()).hexdigest()[:16]}"

    def volume(self, name):
        return Path(run("docker", "volume", "inspect", "-f", "{{.Mountpoint}}", f"{self.name}_{name}").stdout.strip())

    def seed(self):
        """Makes the golden copy: an empty 1.2.3 is started, filled, stopped, and its volume copied away."""
        golden = self.golden()
        for old in golden.parent.glob(f"{self.rows}-*"):
            shutil.rmtree(old)
        self.make_directory()
        self.data.mkdir()
        (self.data / "screenshots").mkdir()
        release("all", "1.2.3", self.tag)
        self.compose("pull", "-q", "--ignore-pull-failures")
        self.compose("up", "-d", "--wait", timeout=180)
        self.compose("exec", "-T", "postgres", "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-U", "qaid", "-d", "qaid",
                     stdin=None, input=self.seed_statements(), timeout=600)
        self.compose("stop", timeout=120)
        shutil.rmtree(self.data)
        self.make_data()
        golden.mkdir(parents=True)
        run("cp", "-a", self.volume("pgdata"), golden / "new")
        run("cp", "-a", self.data, golden / "data")
        self.write_secret(golden / "password", self.password)
        run("sync", "-f", golden)
        (golden / "new").rename(golden / "pgdata")
        self.down()

    def up(self, version="1.2.3"):
        """A fresh, seeded, running application at a release; the floating tags are left at that release."""
        golden = self.golden()
        if not (golden / "pgdata").is_dir():
            self.seed()
        self.down()
        run("find", self.state_directory, "-mindepth", "2", "-maxdepth", "2", "-not", "-name", "images", "-exec", "rm", "-rf", "{}", "+",
            check=False)
        self.make_directory()
        run("cp", "-a", golden / "data", self.data)
        self.password = (golden / "password").read_text()
        self.write_environment()
        release("all", version, self.tag)
        self.compose("pull", "-q")
        self.compose("up", "--no-start")
        run("cp", "-a", f"{golden / 'pgdata'}/.", self.volume("pgdata"))
        self.start()

    def start(self):
        """Starts the created containers in order, without Compose's own pauses, until all are healthy."""
        containers = {service: self.container(service) for service in ("postgres", "frontend", "qaid-server", "caddy")}
        run("docker", "start", containers["postgres"], containers["frontend"])
        run("docker", "exec", containers["postgres"], "timeout", "60", "sh", "-c",
            "until pg_isready -q -h 127.0.0.1 -U qaid -d qaid; do sleep 0.1; done")
        run("docker", "start", containers["qaid-server"], containers["caddy"])
        end = time.monotonic() + 60
        while True:
            health = run("docker", "inspect", "-f", "{{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}", *containers.values()).stdout.split()
            if health == ["healthy"] * 4:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"the application is not healthy within 60 s: {dict(zip(containers, health))}")
            time.sleep(0.1)

    def down(self):
        if self.compose_file.is_file():
            self.compose("kill", check=False)
            self.compose("down", "-v", "--remove-orphans", "-t", "0", timeout=120)

    # Its database, as its owner

    def database_address(self):
        networks = json.loads(run("docker", "inspect", self.container("postgres")).stdout)[0]["NetworkSettings"]["Networks"]
        return next(iter(networks.values()))["IPAddress"]

    def connect(self, database="qaid", **options):
        import psycopg2

        connection = psycopg2.connect(host=self.database_address(), user="qaid", password=self.password, dbname=database,
                                      connect_timeout=10, **options)
        connection.autocommit = True
        return connection

    # Its users

    def request(self, method, path, body=None, token=None, timeout=10):
        """Status and body (decoded JSON where it is JSON) of a request through Caddy; status 0: no answer."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        asked = urllib.request.Request(self.url + path, method=method, headers=headers,
                                       data=json.dumps(body).encode() if body is not None else None)
        try:
            with urllib.request.urlopen(asked, timeout=timeout) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        except OSError as error:
            return 0, str(error)
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content

    def login(self):
        status, answer = self.request("POST", "/api/auth/login", {"email": EMAIL, "password": PASSWORD})
        if status != 200:
            raise RuntimeError(f"login answered {status}: {answer}")
        return answer["token"]

    def wait_until_serving(self, seconds=60):
        end = time.monotonic() + seconds
        while self.request("GET", "/api/health")[0] != 200:
            if time.monotonic() > end:
                raise RuntimeError(f"the application does not answer within {seconds} s")
            time.sleep(0.1)
