"""An application in another shape than the sample's own: its database is on a server elsewhere, with TLS and a role that may little; three
Compose files, a profile, an anonymous volume."""

import re
import secrets
import shutil
from pathlib import Path

from application import Application, release, run

NAME = "db.example.test"
PORT = 6543
ROLE = "app"
DATABASE = "Hosted \"App\""

BASE = """x-shared: &shared
  image: &frontend 127.0.0.1:5000/qaid/frontend:${{FRONTEND:-1}}
  init: true
services:
  qaid-server:
    image: "${{REGISTRY}}/server:${{RELEASE:-1}}"
    environment:
      DATABASE_URL: postgresql://{role}:${{DATABASE_PASSWORD}}@{host}:{port}/{database}?sslmode=verify-full&sslrootcert=/ca.crt
    volumes:
      - ./data:/data
      - ./ca.crt:/ca.crt:ro
    healthcheck:
      test: ["CMD", "busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/api/health"]
      interval: 1s
      timeout: 3s
      retries: 5
      start_period: 60s
    restart: unless-stopped
  frontend:
    <<: *shared
    restart: always
  worker:
    <<: *shared
    profiles: ["jobs"]
"""

PRODUCTION = """services:
  qaid-server:
    extra_hosts:
      - "{host}:{address}"
  caddy:
    image: 127.0.0.1:5000/qaid/caddy:2
    ports:
      - "127.0.0.1:${{QAID_PORT}}:80"
    volumes:
      - caddy:/data
      - caddy:/config
    depends_on:
      qaid-server: {{condition: service_healthy}}
      frontend: {{condition: service_started}}
    restart: unless-stopped
volumes:
  caddy:
"""

LOCAL = """services:
  worker:
    command: ["busybox", "sh", "-c", "date >>/var/spool/jobs/starts; while :; do busybox sleep 5; done"]
    volumes:
      - /var/spool/jobs
    restart: on-failure:7
"""


class Server:
    """PostgreSQL of this machine's packages, outside of Docker, as its own system user: TLS and a password for whoever comes from elsewhere."""

    def __init__(self, root):
        self.root = Path(root)
        self.cluster = self.root / "cluster"
        self.password = secrets.token_hex(12)
        self.programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self.address = re.search(r"inet ([0-9.]+)", run("ip", "-4", "addr", "show", "docker0").stdout)[1]

    def as_postgres(self, *arguments):
        return run("setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *arguments, cwd="/")

    def make(self):
        self.root.mkdir(parents=True)
        shutil.chown(self.root, "postgres", "postgres")
        self.as_postgres(self.programs / "initdb", "-D", self.cluster, "-U", "admin", "-A", "trust", "--locale=C.UTF-8")
        self.make_certificates()
        (self.cluster / "pg_hba.conf").write_text("local all all trust\nhost all admin 127.0.0.1/32 trust\n"
                                                  "hostssl all all 0.0.0.0/0 scram-sha-256\n")
        with open(self.cluster / "postgresql.conf", "a") as settings:
            settings.write(f"listen_addresses = '*'\nport = {PORT}\nunix_socket_directories = '{self.root}'\nssl = on\n"
                           f"ssl_cert_file = '{self.root}/server.crt'\nssl_key_file = '{self.root}/server.key'\nfsync = on\n")
        self.start()
        quoted = DATABASE.replace('"', '""')
        self.sql("postgres", f"CREATE ROLE {ROLE} LOGIN PASSWORD '{self.password}'",
                 f"CREATE DATABASE \"{quoted}\" OWNER {ROLE}", "CREATE ROLE stranger", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")

    def make_certificates(self):
        """An authority of its own, and a certificate for the server's name that it signed."""
        def openssl(*arguments):
            run("openssl", *arguments, cwd=self.root)

        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj",
                "/CN=Test authority", "-days", "30")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj",
                f"/CN={NAME}")
        (self.root / "names").write_text(f"subjectAltName=DNS:{NAME}\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.crt", "-days", "30",
                "-extfile", "names")
        for name in ("server.key", "server.crt"):
            shutil.chown(self.root / name, "postgres", "postgres")
        (self.root / "server.key").chmod(0o600)

    def start(self):
        self.as_postgres(self.programs / "pg_ctl", "-D", self.cluster, "-w", "-l", self.root / "log", "start")

    def stop(self, mode="fast"):
        self.as_postgres(self.programs / "pg_ctl", "-D", self.cluster, "-w", "-m", mode, "stop")

    def connect(self, database):
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=PORT, user="admin", dbname=database, connect_timeout=10)
        connection.autocommit = True
        return connection

    def sql(self, database, *statements):
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()


class Known:
    """The server's name, known to this machine for as long as this is entered."""

    def __init__(self, address):
        self.address = address

    def __enter__(self):
        text = Path("/etc/hosts").read_text()
        Path("/run/machine/hosts").write_text(f"{text}\n{self.address} {NAME}\n")
        run("mount", "--bind", "/run/machine/hosts", "/etc/hosts")

    def __exit__(self, *_):
        run("umount", "/etc/hosts")


class External(Application):
    def __init__(self, root, server):
        super().__init__(root, port=8089, rows=2000, name="hosted")
        self.server = server
        self.texts = {}

    def make_directory(self):
        for directory in (self.directory, self.config_directory):
            shutil.rmtree(directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.write_files()
        shutil.copy(self.server.root / "ca.crt", self.directory / "ca.crt")
        self.write_environment()
        self.make_config()

    def write_files(self):
        words = {"role": ROLE, "host": NAME, "port": PORT, "address": self.server.address, "database": "Hosted%20%22App%22"}
        for name, text in (("compose.yaml", BASE), ("production.yaml", PRODUCTION), ("local.yaml", LOCAL.replace("{", "{{").replace("}", "}}"))):
            self.texts[name] = text.format(**words)
            (self.directory / name).write_text(self.texts[name])

    def write_environment(self):
        self.write_secret(self.directory / ".env", f"DATABASE_PASSWORD={self.server.password}\nQAID_PORT={self.port}\n"
                          "REGISTRY=127.0.0.1:5000/qaid\nCOMPOSE_FILE=compose.yaml:production.yaml:local.yaml\nCOMPOSE_PROFILES=jobs\n")

    def make_config(self):
        super().make_config()
        text = self.config.read_text()
        address = f"postgresql://{ROLE}@{NAME}:{PORT}/Hosted%20%22App%22?sslrootcert={self.directory}/ca.crt"
        text = re.sub(r"(?s)\[Database\].*?\n\n", f"[Database]\nUrl={address}\n\n", text)
        text = text.replace("Ignore=volume:caddy-data\nIgnore=volume:caddy-config\n", "Data=worker:/var/spool/jobs\nIgnore=volume:caddy\n")
        self.config.write_text(text)
        self.write_secret(self.config_directory / "credentials" / self.name / "database-password", self.server.password + "\n")

    def up(self, version="1.2.3"):
        self.make_directory()
        self.make_data()
        release("all", version)
        self.compose("pull", "-q")
        self.compose("up", "-d", "--wait", timeout=180)
        connection = self.connect(DATABASE)
        with connection.cursor() as cursor:
            rows = self.seed_statements().split("BEGIN;")[1].split("COMMENT ON DATABASE")[0]
            quoted = DATABASE.replace('"', '""')
            cursor.execute(f"SET ROLE {ROLE}; {rows}")
            cursor.execute(f"ALTER DATABASE \"{quoted}\" SET work_mem = '8MB'")
        connection.close()

    def connect(self, database="qaid", **options):
        return self.server.connect(DATABASE if database == "qaid" else database)
