"""Kind=sql against a real PostgreSQL in a container, without a transaction around it."""

import re
import subprocess
import time

import pytest
from test_probes import PROJECT, bench, docker, inspect, wait_until  # noqa: F401

IMAGE = "127.0.0.1:5000/qaid/postgres:15"
DATABASE = f"{PROJECT}-db-1"


def labels(service):
    return [part for label in (f"project={PROJECT}", f"service={service}", "oneoff=False") for part in ("--label", f"com.docker.compose.{label}")]


def psql(sql, database="app"):
    return docker("exec", DATABASE, "psql", "-U", "app", "-d", database, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql)


@pytest.fixture
def database(bench):  # noqa: F811
    docker("run", "-d", "--name", DATABASE, "--network", PROJECT, "--network-alias", "db", *labels("db"), "-e", "POSTGRES_USER=app",
           "-e", "POSTGRES_PASSWORD=s3cret pw", "-e", "POSTGRES_DB=app", IMAGE, "postgres", "-c", "max_connections=12")
    bench.expected.append({"service": "db", "is_database": True})
    # The server that makes the cluster listens on no address.
    wait_until(lambda: subprocess.run(["docker", "exec", DATABASE, "pg_isready", "-q", "-h", "127.0.0.1"]).returncode == 0, 40)
    psql("CREATE TABLE projects (id int, name text, settings jsonb); INSERT INTO projects VALUES (1, 'one', '{\"a\": [1]}'), (2, 'two', NULL)")
    return bench


def test_answers_are_typed_and_judged(database):
    credentials = database.directory / "credentials" / "app"
    credentials.mkdir(parents=True, mode=0o700)
    (credentials / "wanted").write_text("two' OR true --")
    (credentials / "wanted").chmod(0o600)
    database.configure("""
        [Probe count]
        Kind=sql
        Query=SELECT count(*) FROM projects;
        Assert=. >= $baseline
        Capture=count=.
        [Probe rows]
        Kind=sql
        Query=SELECT * FROM projects ORDER BY id
        Assert=.[0].settings.a == [1] and .[1].settings == null
        Same=map(.name)
        Match=two
        NoMatch=three
        [Probe after]
        Kind=sql
        After=count
        Query=SELECT name FROM projects WHERE id = %{count} AND name <> %{wanted}
        Assert=. == "two"
        [Probe clean]
        Kind=sql
        Query=SELECT count(*) = 2 FROM projects
        [Probe clock]
        Kind=sql
        Query=SELECT id, clock_timestamp() AS now FROM projects
        Same=.
        [Probe only-clock]
        Kind=sql
        Query=SELECT clock_timestamp()
        Same=.
    """)
    first = database.look(is_baseline=True, stays=True, since=0)
    assert {name: report["result"] for name, report in first.items()} == dict.fromkeys(first, "pass"), first
    assert first["count"]["sentence"] == 'the query on "app" gave 2'
    assert first["rows"]["sentence"] == 'the query on "app" gave 2 rows'
    second = database.look(is_baseline=True, settles=True, since=0)
    assert second["only-clock"]["result"] == "unknown" and "another value in each look" in second["only-clock"]["sentence"]
    assert second["clock"]["result"] == "pass"
    assert "now" in str(database.answer["baseline"]["probes"]["clock"]["answer"]["volatile"])
    later = database.look()
    assert {name: report["result"] for name, report in later.items() if name != "only-clock"} == dict.fromkeys(set(later) - {"only-clock"}, "pass"), later
    psql("DELETE FROM projects WHERE id = 2")
    lost = database.look()
    assert "Assert=. >= $baseline does not hold: 1 >= 2" in lost["count"]["sentence"]
    assert lost["clean"]["sentence"] == 'the query on "app" gave false'
    assert lost["clock"]["sentence"].endswith("[0].id was 1, is not there") or "was a list of 2, is a list of 1" in lost["clock"]["sentence"]
    psql("UPDATE projects SET name = 'eins'; INSERT INTO projects VALUES (2, 'two', NULL)")
    assert database.look()["rows"]["result"] == "fail"


def test_errors_of_the_release_fail_and_trouble_of_the_host_is_unknown(database):
    psql("CREATE ROLE qaid; GRANT SELECT ON projects TO qaid")
    database.configure("""
        [Probe it]
        Kind=sql
        Query=SELECT count(*) FROM projects
        Role=qaid
        Timeout=2s
    """)
    assert database.look(is_baseline=True, since=0)["it"]["result"] == "pass"

    def look():
        report = database.look()["it"]
        return report["result"], report["sentence"]

    psql("REVOKE SELECT ON projects FROM qaid")
    result, words = look()
    assert result == "fail" and "permission denied for table projects" in words
    psql("GRANT SELECT ON projects TO qaid; ALTER TABLE projects RENAME TO gone")
    result, words = look()
    assert result == "fail" and 'relation "projects" does not exist' in words
    psql("ALTER TABLE gone RENAME TO projects")
    # a migration that holds its lock
    locker = subprocess.Popen(["docker", "exec", "-i", DATABASE, "psql", "-U", "app", "-d", "app", "-qX"], stdin=subprocess.PIPE, text=True)
    locker.stdin.write("BEGIN; LOCK TABLE projects;\n")
    locker.stdin.flush()
    wait_until(lambda: psql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'projects'::regclass") == "1")
    assert look() == ("fail", 'the query on "app": was not answered in time')
    locker.stdin.close()
    locker.wait()
    # fenced, as between quiesce and switch
    psql("ALTER DATABASE app ALLOW_CONNECTIONS false", "postgres")
    result, words = look()
    assert result == "unknown" and "not currently accepting connections" in words
    psql("ALTER DATABASE app ALLOW_CONNECTIONS true", "postgres")
    psql("ALTER DATABASE app RENAME TO other", "postgres")
    result, words = look()
    assert result == "fail" and 'database "app" does not exist' in words
    psql("ALTER DATABASE other RENAME TO app", "postgres")
    assert look()[0] == "pass"
    docker("pause", DATABASE)
    assert look()[0] == "unknown"
    docker("unpause", DATABASE)
    docker("kill", DATABASE)
    assert look() == ("unknown", 'the query on "app": the database\'s service "db" does not run')


@pytest.mark.parametrize("whose, result", [("web", "fail"), ("elsewhere", "unknown")])
def test_a_server_without_a_session_left_is_judged_by_who_holds_them(database, whose, result):
    database.configure("""
        [Probe it]
        Kind=sql
        Query=SELECT 1
    """)
    assert database.look()["it"]["result"] == "pass"
    # as a pool does, each tries again when it is refused
    one = "while :; do PGPASSWORD='s3cret pw' psql -h db -U app -d app -c 'SELECT pg_sleep(1000)'; sleep 0.3; done"
    leak = f"for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do {one} & done; wait"
    owner = labels("web") if whose == "web" else []
    name = f"{PROJECT}-{whose}-1"
    docker("run", "-d", "--name", name, "--network", PROJECT, *owner, "--entrypoint", "bash", IMAGE, "-c", leak)
    try:
        report = wait_until(lambda: (found := database.look()["it"])["result"] != "pass" and found)
        assert report["result"] == result, report
        # one that is being refused counts for a moment too
        counted = r"1\d of 1\d" if whose == "web" else r"0 of 1\d"
        assert re.search(rf"; {counted} sessions are the application's", report["sentence"]), report
        assert ('the service "web"' in report["sentence"]) == (whose == "web")
    finally:
        docker("rm", "-f", name)


def test_a_query_that_gives_too_much_is_unknown_and_nothing_is_ever_written(database):
    database.configure("""
        [Probe many]
        Kind=sql
        Query=SELECT generate_series(1, 100000000)
        [Probe big]
        Kind=sql
        Query=SELECT repeat('x', 10000) FROM generate_series(1, 2000)
        [Probe writes]
        Kind=sql
        Query=WITH gone AS (DELETE FROM projects RETURNING id) SELECT count(*) FROM gone
    """)
    begin = time.monotonic()
    probes = database.look()
    assert time.monotonic() - begin < 30
    assert (probes["many"]["result"], probes["big"]["result"], probes["writes"]["result"]) == ("unknown", "unknown", "fail"), probes
    assert "more than 10000 rows" in probes["many"]["sentence"] and "more than 8 MiB" in probes["big"]["sentence"]
    assert psql("SELECT count(*) FROM projects") == "2"
