"""The sample application itself: if it did not behave like a real one, the other tests would prove nothing."""

import time

import pytest

import fingerprint
from application import EMAIL, PASSWORD, release


def upgrade_by_hand(application, version):
    """What the vendor's page says; returns whether Compose was content."""
    release("all", version)
    application.compose("pull", "-q")
    return application.compose("up", "-d", "--wait", "--wait-timeout", "40", check=False, timeout=120).returncode == 0


def test_it_is_as_large_as_it_should_be(application):
    seen = fingerprint.summary(fingerprint.take(application))
    assert seen["rows"] >= application.rows
    assert seen["files"] == 4 * application.pictured_runs() + 2
    assert set(seen["versions"].values()) == {"1.2.3", "2.6.2", "15"}


def test_a_login_needs_the_right_password(application):
    for body, status in [({"email": EMAIL, "password": PASSWORD}, 200), ({"email": EMAIL, "password": "wrong"}, 401),
                         ({"email": "nobody@qaid.example", "password": PASSWORD}, 401), ({"email": EMAIL}, 400)]:
        assert application.request("POST", "/api/auth/login", body)[0] == status


def test_pages_need_a_token_and_show_what_is_stored(application):
    assert application.request("GET", "/api/projects")[0] == 401
    assert application.request("GET", "/api/projects", token="invented")[0] == 401
    token = application.login()
    status, projects = application.request("GET", "/api/projects", token=token)
    assert (status, len(projects), projects[0]["name"]) == (200, 25, "Website 1")
    status, shown = application.request("GET", "/api/test-runs/1", token=token)
    assert (status, shown["name"], len(shown["steps"])) == (200, "Nightly 1", 9)
    status, picture = application.request("GET", shown["steps"][0]["screenshot"])
    assert status == 200 and picture.startswith(b"\x89PNG")
    assert application.request("GET", "/api/test-runs/999999999", token=token)[0] == 404


def test_the_gateway_serves_the_frontend_too(application):
    status, page = application.request("GET", "/")
    assert status == 200 and b"/assets/app.js" in page
    assert application.request("GET", "/assets/app.js")[0] == 200


def test_a_write_is_stored_and_shown(application):
    token = application.login()
    status, made = application.request("POST", "/api/test-runs", {"project": 2, "name": "by hand", "steps": [{"description": "a"}]},
                                       token=token)
    assert status == 201
    assert application.request("GET", f"/api/test-runs/{made['id']}", token=token)[1]["name"] == "by hand"


def test_acknowledged_writes_survive_a_restart_of_the_server(application, writer):
    writer.wait_for(10)
    application.compose("restart", "qaid-server")
    application.wait_until_serving()
    writer.wait_for(10)
    writer.stop()
    assert writer.acknowledged and not writer.missing(writer.acknowledged)


def test_a_fingerprint_sees_the_smallest_change(application):
    before = fingerprint.take(application)
    assert fingerprint.differences(before, fingerprint.take(application)) == []
    with application.connect() as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE test_steps SET description = description || ' ' WHERE id = 77")
        cursor.execute("SELECT nextval('test_runs_id_seq')")
        cursor.execute("ALTER DATABASE qaid SET work_mem = '9MB'")
    connection.close()
    screenshot = application.data / "screenshots" / "run-00001-step-1.png"
    content = bytearray(screenshot.read_bytes())
    content[-1] ^= 1
    screenshot.write_bytes(content)
    (application.data / "exports" / "empty.csv").chmod(0o600)
    said = "\n".join(fingerprint.differences(before, fingerprint.take(application)))
    for part in ("test_steps", "test_runs_id_seq", "settings", "run-00001-step-1.png: sha256", "empty.csv: mode"):
        assert part in said


@pytest.mark.parametrize("version", ["1.2.4", "1.3.0", "2.0.0"])
def test_each_release_migrates_and_shows_the_same_test_runs(application, version):
    old = application.request("GET", "/api/test-runs/1", token=application.login())[1]
    assert upgrade_by_hand(application, version)
    assert application.request("GET", "/api/version")[1] == {"version": version}
    token = application.login()
    new = application.request("GET", "/api/test-runs/1", token=token)[1]
    assert (new["steps"], new["status"]) == (old["steps"], old["status"])
    for step in new["steps"][:4]:
        assert application.request("GET", step["screenshot"])[0] == 200
    assert application.request("POST", "/api/test-runs", {"project": 1, "name": "new", "steps": [{}]}, token=token)[0] == 201
    # Migrations ran once: another start has nothing to do.
    application.compose("restart", "qaid-server")
    application.wait_until_serving()
    log = application.compose("logs", "--no-color", "qaid-server").stdout
    assert log.count("applied") == {"1.2.4": 0, "1.3.0": 2, "2.0.0": 3}[version]


def test_the_old_release_cannot_live_with_the_new_schema(application):
    assert upgrade_by_hand(application, "1.3.0")
    release("all", "1.2.3")
    application.compose("pull", "-q")
    application.compose("up", "-d", "--no-deps", "qaid-server")
    time.sleep(3)
    assert application.version() == "1.2.3"
    assert application.request("GET", "/api/health")[0] == 500
    assert application.containers()["qaid-qaid-server-1"]["State"]["Health"]["Status"] != "healthy"
