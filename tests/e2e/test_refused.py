"""P7: a run that is refused touches nothing. Each case is a host or an application on which an upgrade would break a promise."""

import contextlib

import pytest

import fingerprint
from application import release
from program import REFUSED

# What the probes' own logins write is theirs.
PARTS = ["relations", "database", "roles", "data", "project", "containers", "tags"]


@contextlib.contextmanager
def untouched(application):
    before = fingerprint.take(application)
    yield
    assert fingerprint.differences(before, fingerprint.take(application), only=PARTS) == []


def refuse(program, *words):
    """check and upgrade both refuse, and say why in words that name the trouble."""
    checked = program("check")
    assert checked.code == REFUSED, checked
    record = program.upgrade(REFUSED)
    for word in words:
        assert word in record["reason"], record["reason"]
        assert word in checked.output + checked.errors, checked
    assert program.record() is None


def sql(application, statement, database="qaid"):
    connection = application.connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def test_a_baseline_that_fails(application, program):
    release("all", "1.3.0")
    program.configure(("Request=GET /api/test-runs/1\n", "Request=GET /api/test-runs/999999999\nStatus=200\n"))
    with untouched(application):
        record = program.upgrade(REFUSED)
        assert record["failed_probe"] == "test-run"
        assert program("probe").code == 5


def test_a_writable_mount_in_none_of_the_lists(application, program):
    release("all", "1.3.0")
    program.configure(("Ignore=volume:caddy-config\n", ""))
    with untouched(application):
        refuse(program, "caddy-config")


@pytest.mark.parametrize("data, words", [
    ("volume:pgdata", "Data=volume:pgdata is the database's own files"),
    ("compose.yaml", "Data=compose.yaml is a file of the project"),
])
def test_data_that_is_not_the_applications_alone(application, program, data, words):
    """A rollback would take it away under the running server, or take a pin back that must hold."""
    release("all", "1.3.0")
    program.configure(("Data=data\n", f"Data=data\nData={data}\n"))
    with untouched(application):
        refuse(program, words)
        made = program("snapshot")
        assert made.code == 1, made
        assert words in made.output + made.errors


def test_a_prepared_transaction(application, program):
    release("all", "1.3.0")
    connection = application.connect()
    connection.autocommit = False
    connection.tpc_begin("forgotten")
    connection.cursor().execute("CREATE TABLE forgotten (i int)")
    connection.tpc_prepare()
    connection.close()
    try:
        with untouched(application):
            refuse(program, "prepared")
    finally:
        sql(application, "ROLLBACK PREPARED 'forgotten'")


def test_a_server_that_does_not_sync(application, program):
    release("all", "1.3.0")
    sql(application, "ALTER SYSTEM SET fsync = off")
    sql(application, "SELECT pg_reload_conf()")
    try:
        with untouched(application):
            refuse(program, "fsync")
    finally:
        sql(application, "ALTER SYSTEM RESET fsync")
        sql(application, "SELECT pg_reload_conf()")


def test_a_freeze_that_would_take_too_long(application, program):
    release("all", "1.3.0")
    program.configure(("Keep=3", "Keep=3\nMaxFreeze=1ms"))
    with untouched(application):
        refuse(program, "MaxFreeze")


def test_a_database_service_that_is_down(application, program):
    release("all", "1.3.0")
    application.compose("stop", "postgres")
    try:
        before = fingerprint.take(application, database=False)
        refuse(program, "postgres")
        assert fingerprint.differences(before, fingerprint.take(application, database=False)) == []
    finally:
        application.compose("start", "postgres")
        application.wait_until_serving()


@pytest.mark.parametrize("key, value", [("Name", "nowhere"), ("User", "nobody"), ("Service", "mysql")])
def test_a_database_that_is_not_there(application, program, key, value):
    release("all", "1.3.0")
    old = {"Name": "qaid", "User": "qaid", "Service": "postgres"}[key]
    program.configure((f"{key}={old}\n", f"{key}={value}\n"))
    with untouched(application):
        checked = program("check")
        assert checked.code in (3, 4), checked
        assert value in checked.output + checked.errors
        result = program("upgrade")
        assert result.code == checked.code, result
        assert value in result.output + result.errors


def test_an_address_that_leads_to_a_service_of_the_project(application, program):
    """It would be stopped with the others, and be what everything waits for."""
    release("all", "1.3.0")
    address = f"postgresql://qaid@{application.database_address()}/qaid?sslmode=disable"
    program.configure(("Service=postgres\nName=qaid\nUser=qaid\n", f"Url={address}\n"), ("Ignore=volume:caddy-data\n", "Ignore=volume:caddy-data\nIgnore=volume:pgdata\n"))
    application.write_secret(application.config_directory / "credentials" / application.name / "database-password", application.password)
    with untouched(application):
        refuse(program, "a container of this very project")
