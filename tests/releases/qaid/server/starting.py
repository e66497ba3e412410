"""What goes wrong before the first request."""

import sys
import threading
import time

import psycopg2


def missing_setting(server):
    server.log("Error: SESSION_SECRET must be set", "error")
    sys.exit(1)


def other_port(server):
    """Listens where nobody asks, and says so."""
    elsewhere(server, "0.0.0.0", 3001)


def loopback_only(server):
    """Its own health check, inside the container, is content."""
    elsewhere(server, "127.0.0.1", 8080)


def elsewhere(server, host, port):
    class Elsewhere(server.Server):
        def __init__(self, _, handler):
            super().__init__((host, port), handler)

    server.Server = Elsewhere


def lock_wait(server):
    """The migration waits for a lock that another session of the same program holds."""
    original = server.schema.migrate

    def migrate(connection, *arguments):
        other = psycopg2.connect(connection.dsn, password=password_of(server), application_name="qaid-server scheduler")
        other.cursor().execute("LOCK TABLE test_steps IN ACCESS SHARE MODE")
        original(connection, *arguments)
        other.close()

    server.schema.migrate = migrate


def password_of(server):
    return server.os.environ["DATABASE_URL"].split(":", 2)[2].split("@")[0]


def endless_migration(server):
    """Makes progress for ever: each pass finds as much to do as the one before."""
    def migrate(connection, release, *_):
        count = 0
        while True:
            count += 100
            server.log(f"migration 3-split: {count} rows converted")
            time.sleep(0.5)

    server.schema.migrate = migrate


def dies_now_and_then(server):
    """A worker's exception takes the whole process down, eight seconds after each start."""
    def die():
        time.sleep(8)
        server.log("TypeError: cannot unpack non-iterable NoneType object", "error")
        server.os._exit(1)

    threading.Thread(target=die, daemon=True).start()


def deadlocked(server):
    """Listens, accepts, and never answers."""
    server.Handler.serve = lambda self, method: time.sleep(3600)
