"""qaid-server: logins, projects, test runs with their steps and screenshots, over HTTP and PostgreSQL."""

import contextlib
import hashlib
import hmac
import json
import os
import queue
import re
import secrets
import signal
import sys
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

import faults
import schema

RELEASE = os.environ["QAID_RELEASE"]
DATA = os.environ.get("QAID_DATA", "/data")
QUERIES = schema.QUERIES[schema.RELEASES[RELEASE]]
STARTED = time.monotonic()
BODY_LIMIT = 1 << 20


def log(text, level="info"):
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    print(f"{now}Z {level} {text}", flush=True)


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Pool:
    """At most so many connections, made when needed, thrown away when one fails."""

    def __init__(self, url, size):
        self.url = url
        self.free = queue.LifoQueue()
        for _ in range(size):
            self.free.put(None)

    @contextlib.contextmanager
    def cursor(self):
        connection = self.free.get(timeout=10)
        try:
            if connection is None or connection.closed:
                connection = psycopg2.connect(self.url, connect_timeout=3, application_name="qaid-server")
            with connection, connection.cursor() as cursor:
                yield cursor
        except psycopg2.OperationalError:
            if connection is not None:
                connection.close()
            connection = None
            raise
        finally:
            self.free.put(connection)


def password_hash(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 12, r=8, p=1, dklen=32)


def login(pool, asked):
    if "login-500" in faults.FAULTS:
        raise RuntimeError("TypeError: user.roles is not iterable")
    email, password = asked.get("email"), asked.get("password")
    if not isinstance(email, str) or not isinstance(password, str):
        raise Refused(400, "email and password are needed")
    with pool.cursor() as cursor:
        cursor.execute("SELECT id, name, password_salt, password_hash FROM users WHERE email = %s", (email,))
        row = cursor.fetchone()
        if not row or not hmac.compare_digest(password_hash(password, bytes(row[2])), bytes(row[3])):
            raise Refused(401, "email or password is wrong")
        token = secrets.token_urlsafe(32)
        cursor.execute("INSERT INTO sessions VALUES (%s, %s, now(), now() + interval '1 day')",
                       (hashlib.sha256(token.encode()).digest(), row[0]))
    return {"token": token, "user": {"id": row[0], "name": row[1]}}


def projects(pool):
    with pool.cursor() as cursor:
        cursor.execute(QUERIES["projects"])
        return [{"id": row[0], "name": row[1], "baseUrl": row[2], "runs": row[4]} for row in cursor]


def test_runs(pool):
    with pool.cursor() as cursor:
        cursor.execute(QUERIES["runs"], (50,))
        return [{"id": row[0], "project": row[1], "name": row[2], "status": row[3]} for row in cursor]


def steps_of(cursor, number):
    cursor.execute(QUERIES["steps"], (number,))
    return cursor.fetchall()


def test_run(pool, number):
    with pool.cursor() as cursor:
        cursor.execute(QUERIES["run"], (number,))
        row = cursor.fetchone()
        if not row:
            raise Refused(404, f"no test run {number}")
        if "broken-page" in faults.FAULTS:
            raise RuntimeError("KeyError: 'selector'")
        steps = [{"position": step[0], "description": step[1], "status": step[2],
                  "screenshot": f"/screenshots/{number}/{step[0]}.png" if step[3] else None}
                 for step in steps_of(cursor, number)]
    return {"id": row[0], "project": row[1], "name": row[2], "status": row[3], "steps": steps}


def add_test_run(pool, asked):
    project, name, steps = asked.get("project"), asked.get("name"), asked.get("steps", [])
    if not isinstance(project, int) or not isinstance(name, str) or not isinstance(steps, list):
        raise Refused(400, "project, name and steps are needed")
    with pool.cursor() as cursor:
        cursor.execute("SELECT 1 FROM projects WHERE id = %s", (project,))
        if not cursor.fetchone():
            raise Refused(404, f"no project {project}")
        cursor.execute(QUERIES["add_run"], (project, name, "passed"))
        number = cursor.fetchone()[0]
        for position, step in enumerate(steps, 1):
            values = (position, str(step.get("description", "")), str(step.get("status", "passed")))
            cursor.execute(QUERIES["add_step"], (number, *values) if schema.RELEASES[RELEASE] < 5 else (*values, number))
    log(f"test run {number} created")
    return {"id": number}


def screenshot(pool, number, position):
    with pool.cursor() as cursor:
        path = next((step[3] for step in steps_of(cursor, number) if step[0] == position), None)
    if not path:
        raise Refused(404, "no such screenshot")
    try:
        with open(os.path.join(DATA, "screenshots", path), "rb") as file:
            image = file.read()
    except FileNotFoundError:
        raise Refused(404, f"screenshot {path} is missing") from None
    if not image.startswith(b"\x89PNG"):
        raise RuntimeError(f"screenshot {path} is no picture")
    return image


def health(pool):
    with pool.cursor() as cursor:
        cursor.execute(QUERIES["health"])
        cursor.fetchone()
    return {"status": "ok"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "qaid-server"
    sys_version = ""
    timeout = 60

    def log_message(self, *_):
        pass

    def answer(self, status, content, kind="application/json"):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        size = int(self.headers.get("Content-Length", "0"))
        if size > BODY_LIMIT:
            self.close_connection = True
            raise Refused(413, "too large")
        try:
            asked = json.loads(self.rfile.read(size) or b"null")
        except ValueError:
            raise Refused(400, "not JSON") from None
        if not isinstance(asked, dict):
            raise Refused(400, "a JSON object is needed")
        return asked

    def authorize(self):
        match = re.fullmatch(r"Bearer (\S+)", self.headers.get("Authorization", ""))
        if not match:
            raise Refused(401, "a token is needed")
        with self.server.pool.cursor() as cursor:
            cursor.execute("SELECT 1 FROM sessions WHERE token_hash = %s AND expires_at > now()",
                           (hashlib.sha256(match[1].encode()).digest(),))
            if not cursor.fetchone():
                raise Refused(401, "the token is unknown or over")

    def serve(self, method):
        pool = self.server.pool
        path = self.path.split("?")[0]
        asked = self.body() if method == "POST" else None
        if path == "/api/health":
            return self.answer(200, health(pool))
        if path == "/api/version":
            return self.answer(200, {"version": RELEASE})
        if "late-failure" in faults.FAULTS and time.monotonic() - STARTED > 15:
            raise RuntimeError("out of file descriptors")
        if (method, path) == ("POST", "/api/auth/login"):
            return self.answer(200, login(pool, asked))
        match = re.fullmatch(r"/screenshots/(\d+)/(\d+)\.png", path)
        if match and method == "GET":
            return self.answer(200, screenshot(pool, int(match[1]), int(match[2])), "image/png")
        self.authorize()
        if (method, path) == ("GET", "/api/projects"):
            return self.answer(200, projects(pool))
        if (method, path) == ("GET", "/api/test-runs"):
            return self.answer(200, test_runs(pool))
        if (method, path) == ("POST", "/api/test-runs"):
            return self.answer(201, add_test_run(pool, asked))
        match = re.fullmatch(r"/api/test-runs/(\d+)", path)
        if match and method == "GET":
            return self.answer(200, test_run(pool, int(match[1])))
        raise Refused(404, "not found")

    def handle_any(self, method):
        with self.server.under_way:
            self.handle_one(method)

    def handle_one(self, method):
        try:
            self.serve(method)
        except Refused as refused:
            self.answer(refused.status, {"error": str(refused)})
        except (psycopg2.OperationalError, queue.Empty) as error:
            log(f"database: {str(error).splitlines()[0] if str(error) else 'no connection free'}", "error")
            self.answer(503, {"error": "the database cannot be reached"})
        except BrokenPipeError:
            self.close_connection = True
        except Exception as error:  # what a web framework does with what nobody caught
            log(f"{method} {self.path}: {' '.join(str(error).split())}", "error")
            self.answer(500, {"error": "internal error"})

    def do_GET(self):
        self.handle_any("GET")

    def do_POST(self):
        self.handle_any("POST")


class UnderWay:
    """Counts the requests that are being answered."""

    def __init__(self):
        self.count = 0
        self.condition = threading.Condition()

    def __enter__(self):
        with self.condition:
            self.count += 1

    def __exit__(self, *_):
        with self.condition:
            self.count -= 1
            self.condition.notify_all()

    def wait_for_none(self, seconds):
        with self.condition:
            self.condition.wait_for(lambda: self.count == 0, seconds)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log(f"qaid-server {RELEASE} starting")
    faults.before_migration(log)
    url = os.environ["DATABASE_URL"]
    try:
        connection = psycopg2.connect(url, connect_timeout=5, application_name="qaid-server migrations")
        schema.migrate(connection, RELEASE, DATA, log)
        with connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO server_starts (version) VALUES (%s)", (RELEASE,))
        faults.after_migration(connection, DATA, log)
        connection.close()
    except psycopg2.Error as error:
        log(f"migration failed: {' '.join(str(error).split())}", "error")
        sys.exit(1)

    server = Server(("0.0.0.0", 8080), Handler)
    server.pool = Pool(url, 8)
    server.under_way = UnderWay()
    # shutdown() waits for serve_forever(), which runs in this very thread.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    log("listening on port 8080")
    server.serve_forever(poll_interval=0.2)
    server.under_way.wait_for_none(5)
    log("stopped")
    os._exit(0)  # the gateway's idle connections are not waited for


if __name__ == "__main__":
    main()
