"""The two ends that promise P1 allows, checked in full."""

import time

import fingerprint
from application import run

OURS = "upgrade-watchdog"


def assert_serving(application, version):
    """The application is up at this version, as a user sees it."""
    application.wait_until_serving(30)
    assert application.request("GET", "/api/version")[1] == {"version": version}
    token = application.login()
    status, projects = application.request("GET", "/api/projects", token=token)
    assert status == 200 and len(projects) == 25
    status, shown = application.request("GET", "/api/test-runs/1", token=token)
    assert status == 200 and len(shown["steps"]) == 9
    for step in shown["steps"]:
        if step["screenshot"]:
            assert application.request("GET", step["screenshot"])[0] == 200


def assert_nothing_of_ours(application, before):
    """No container, volume, tag or fence of the program stands about; policies are the user's; no database accepts nobody but what is kept."""
    containers = fingerprint.of_containers(application)
    assert containers.keys() == before["containers"].keys()
    for name, container in containers.items():
        assert container["policy"] == before["containers"][name]["policy"], name
        assert container["runs"], name
    left = run("docker", "ps", "-aq", "--filter", f"label={OURS}").stdout.split()
    assert not left, f"containers of the program are left: {left}"
    assert fingerprint.of_volumes() == before["volumes"], "volumes were left behind, or are gone"
    with application.connect("template1") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datallowconn FROM pg_database WHERE datname = 'qaid'")
        assert cursor.fetchone() == (True,)
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'upgrade-watchdog/%'")
        assert cursor.fetchone() == (0,)
    connection.close()


def assert_old(application, before, ignore=fingerprint.VOLATILE):
    """The old release is up with everything as it was; only image scalars in the Compose file may be pinned."""
    after = settled(application)
    assert fingerprint.differences(before, after, ignore=ignore, only=["database", "roles", "relations", "data"]) == []
    assert fingerprint.differences(before, after, only=["project"], pinned=True) == []
    for name, container in before["containers"].items():
        assert after["containers"][name]["image"] == container["image"], f"{name} runs another image"
    for reference, image in before["tags"].items():
        assert after["tags"].get(reference) == image, f"{reference} names another image"
    assert_nothing_of_ours(application, before)
    assert_serving(application, "1.2.3")


def assert_new(application, before, version="1.3.0"):
    """The new release is up and verified, and the Compose file is the user's own."""
    after = settled(application)
    assert fingerprint.differences(before, after, only=["project"]) == []
    for container in after["containers"].values():
        if container["service"] in ("qaid-server", "frontend"):
            assert container["version"] == version
    assert_nothing_of_ours(application, before)
    assert_serving(application, version)


def assert_one_of_two_ends(application, before, version="1.3.0"):
    """Which one: "old" or "new"."""
    application.wait_until_serving(60)
    now = application.request("GET", "/api/version")[1].get("version")
    if now == version:
        assert_new(application, before, version)
        return "new"
    assert_old(application, before)
    return "old"


def settled(application):
    """The fingerprint once no container is between two states any more."""
    end = time.monotonic() + 15
    while True:
        taken = fingerprint.take(application)
        if all(container["runs"] for container in taken["containers"].values()) or time.monotonic() > end:
            return taken
        time.sleep(0.2)
