"""What looks bad and is not."""

import itertools
import json
import os
import random
import secrets
import sys
import threading
import time

from answers import drop_body


def one_restart(server):
    """The first start meets a database that does not let it in yet."""
    mark = "/var/tmp-first-start"
    if not os.path.exists(mark):
        open(mark, "w").close()
        server.log("database: connection refused, is the server running? giving up", "error")
        sys.exit(1)


def words(server):
    for line in ("error reporting is enabled", "retry policy: failed jobs are retried 3 times", "0 errors, 0 failed, 0 fatal",
                 "loaded plugin error-pages", "migration check: no failed migrations", "exception handler installed",
                 "panic button: off", "OutOfMemoryWatcher started"):
        server.log(line)


def deprecations(server):
    for number in range(40):
        print(f"(node:1) [DEP0{100 + number}] DeprecationWarning: Buffer() is deprecated due to security and usability issues.", file=sys.stderr)
    server.log("punycode is deprecated, this will be an error in a future version", "warning")


def flood(server):
    """Debugging was left on."""
    def write():
        for number in range(60000):
            print(f"debug request {number} took {number % 17} ms, cache miss ratio 0.{number % 100:02}", flush=number % 100 == 0)

    threading.Thread(target=write, daemon=True).start()


def json_differently(server):
    """Keys in another order, indented, another content type's parameters."""
    def answer(self, status, content, kind="application/json"):
        body = content if isinstance(content, bytes) else json.dumps(turned(content), indent=2, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", kind if kind.startswith("image/") else kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Powered-By", "qaid")
        self.end_headers()
        self.wfile.write(body)

    server.Handler.answer = answer


def turned(value):
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def more_fields(server):
    """New fields beside the old ones, outside and inside of what is listed."""
    projects, test_run, login = server.projects, server.test_run, server.login
    server.projects = lambda pool: [{**project, "archived": False, "labels": []} for project in projects(pool)]
    server.login = lambda *arguments: {**login(*arguments), "expiresIn": 86400, "refreshToken": secrets.token_hex(8)}

    def more(pool, number):
        run = test_run(pool, number)
        return {**run, "durationMs": 0, "steps": [{**step, "retries": 0} for step in run["steps"]]}

    server.test_run = more


def new_ids(server):
    """A number and a time of each request, other ones each time."""
    projects, test_run = server.projects, server.test_run
    server.projects = lambda pool: [{**project, "etag": secrets.token_hex(4), "seenAt": time.time()} for project in projects(pool)]
    server.test_run = lambda pool, number: {**test_run(pool, number), "requestId": secrets.token_hex(8), "generatedAt": time.time()}


def one_lost(server):
    """One single request fails, some seconds after the start: a worker was recycled."""
    counter = itertools.count(1)
    original = server.Handler.serve

    def serve(self, method):
        if self.path.startswith("/api/projects") and next(counter) == 6:
            raise RuntimeError("worker was recycled")
        return original(self, method)

    server.Handler.serve = serve


def one_slow(server):
    """One request takes three seconds: a collection of garbage."""
    counter = itertools.count(1)
    original = server.Handler.serve

    def serve(self, method):
        if self.path.startswith("/api/test-runs/") and next(counter) == 5:
            time.sleep(3)
        return original(self, method)

    server.Handler.serve = serve


def login_limit(server):
    """Five logins a minute for each user; more are told to wait."""
    times = []
    original = server.Handler.serve

    def serve(self, method):
        if self.path.startswith("/api/auth/login"):
            now = time.monotonic()
            times[:] = [when for when in times if now - when < 60]
            if len(times) >= 5:
                body = b'{"error": "too many logins"}'
                drop_body(self)
                self.send_response(429)
                self.send_header("Retry-After", str(int(61 - (now - times[0]))))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                return self.wfile.write(body)
            times.append(now)
        return original(self, method)

    server.Handler.serve = serve


def slow_start(server):
    """Warms its caches for eight seconds; meanwhile it answers 503 to all."""
    begun = time.monotonic()
    original = server.Handler.serve

    def serve(self, method):
        if time.monotonic() - begun < 8:
            drop_body(self)
            return self.answer(503, {"status": "warming up"})
        return original(self, method)

    server.Handler.serve = serve


def a_bit_slower(server):
    """Ten to forty milliseconds more for each request."""
    original = server.Handler.serve

    def serve(self, method):
        time.sleep(random.uniform(0.01, 0.04))
        return original(self, method)

    server.Handler.serve = serve
