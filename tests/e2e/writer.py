"""A user who creates test runs through Caddy without a pause."""

import threading
import time


class Write:
    """One acknowledged write: when it was sent and when the answer came (CLOCK_MONOTONIC, seconds), which number it got."""

    def __init__(self, sent, acknowledged, number, name):
        self.sent = sent
        self.acknowledged = acknowledged
        self.number = number
        self.name = name


class Writer:
    def __init__(self, application, pause=0.02):
        self.application = application
        self.pause = pause
        self.acknowledged = []
        self.refused = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.token = self.application.login()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._ended.set()
        self._thread.join(timeout=30)

    def _run(self):
        count = 0
        while not self._ended.is_set():
            count += 1
            name = f"written {count} of {id(self)}"
            sent = time.monotonic()
            status, answer = self.application.request(
                "POST", "/api/test-runs", {"project": 1, "name": name, "steps": [{"description": "one"}]}, token=self.token, timeout=5)
            if status == 201:
                self.acknowledged.append(Write(sent, time.monotonic(), answer["id"], name))
            else:
                self.refused += 1
                if status == 401:  # a rollback brings back the database of before; the session stays known there
                    self._login()
            self._ended.wait(self.pause)

    def _login(self):
        try:
            self.token = self.application.login()
        except RuntimeError:
            pass

    def wait_for(self, count, seconds=30):
        """Until so many more writes are acknowledged."""
        wanted = len(self.acknowledged) + count
        end = time.monotonic() + seconds
        while len(self.acknowledged) < wanted:
            if time.monotonic() > end:
                raise AssertionError(f"{count} writes were not acknowledged within {seconds} s ({self.refused} refused)")
            time.sleep(0.02)

    def missing(self, writes):
        """Those of the writes that the database does not have (any release's schema)."""
        with self.application.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_jsonb(r) FROM test_runs r WHERE id >= %s", (min((write.number for write in writes), default=0),))
            rows = {row[0]["id"]: row[0].get("title", row[0].get("name")) for row in cursor}
        connection.close()
        return [write for write in writes if rows.get(write.number) != write.name]
