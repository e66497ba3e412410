"""What becomes slow, or runs out of something."""

import itertools
import os
import threading
import time

import psycopg2


def before_each(server, action):
    original = server.Handler.serve

    def serve(self, method):
        if "/api/health" not in self.path:
            action()
        return original(self, method)

    server.Handler.serve = serve


def slow(server):
    """An index is gone: what took ten milliseconds takes two seconds."""
    before_each(server, lambda: time.sleep(2))


def slow_list(server):
    original = server.projects

    def projects(pool):
        time.sleep(1.5)
        return original(pool)

    server.projects = projects


def slow_now_and_then(server):
    """Each sixth request waits for something that does not come in time."""
    counter = itertools.count(1)
    before_each(server, lambda: time.sleep(15) if next(counter) % 6 == 0 else None)


def memory_leak(server):
    """Twenty megabytes a second, from five seconds after the start."""
    kept = []

    def leak():
        time.sleep(5)
        while True:
            kept.append(bytearray(os.urandom(1 << 20)) * 4)
            time.sleep(0.2)

    threading.Thread(target=leak, daemon=True).start()


def descriptor_leak(server):
    kept = []
    before_each(server, lambda: kept.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(3)))


def temporary_files(server):
    """Each request leaves a file in /tmp."""
    counter = itertools.count(1)

    def leave():
        with open(f"/tmp/upload-{next(counter)}", "wb") as file:
            file.write(bytes(256 << 10))

    before_each(server, leave)


def connection_leak(server):
    """Connections of the pool are not given back by requests for details."""
    original = server.test_run

    def test_run(pool, number):
        pool.free.get(timeout=10)
        return original(pool, number)

    server.test_run = test_run


def connection_storm(server):
    """A pool of a hundred and twenty, opened at the start: the database has a hundred places."""
    kept = []
    original = server.schema.migrate

    def migrate(*arguments):
        original(*arguments)
        url = os.environ["DATABASE_URL"]
        for _ in range(120):
            kept.append(psycopg2.connect(url, connect_timeout=3, application_name="qaid-server pool"))

    server.schema.migrate = migrate


def pool_runs_dry(server):
    """A job of its own takes one connection after the other, and keeps it."""
    class Pool(server.Pool):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            threading.Thread(target=self.take, daemon=True).start()

        def take(self):
            time.sleep(4)
            while True:
                self.free.get()
                time.sleep(0.7)

    server.Pool = Pool
