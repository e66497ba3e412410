"""Somebody is told when a person is needed, and only then; and whether he can be told changes nothing else."""

import subprocess

from application import release
from hooks import Hooks
from program import CONFIGURATION, DONE, REFUSED, ROLLED_BACK

SECRET = "a-topic-that-nobody-may-know"


def told_by(program, port, more=""):
    """[Notify] with an address that holds a secret, and a ping."""
    credentials = program.application.config_directory / "credentials" / program.application.name
    (credentials / "topic").write_text(SECRET)
    (credentials / "topic").chmod(0o600)
    program.configure(append=f"\n[Notify]\nUrl=http://127.0.0.1:{port}/told/%{{topic}}\nPing=http://127.0.0.1:{port}/ping/1\n{more}")


def spooled(program):
    return sorted(path.name for path in (program.state / "spool").glob("*.json"))


def test_a_rollback_is_told_once_and_says_what_a_person_needs(application, program):
    release("all", "1.3.0-login-500")
    log = application.root / "told"
    with Hooks() as hooks:
        told_by(program, hooks.port, f"Command=/bin/sh -c 'cat >>{log}'\n")
        record = program.upgrade(ROLLED_BACK)
        assert hooks.pings() == ["/ping/1/start", "/ping/1/fail"]
        (message,) = hooks.messages()
        assert spooled(program) == []
        assert program("notify").code == DONE
        assert len(hooks.messages()) == 1
    assert message["subject"].startswith("qaid was rolled back: login: ")
    assert (message["kind"], message["urgency"], message["outcome"], message["failed_probe"]) == ("rolled-back", "warning", "rolled-back", "login")
    assert message["transaction"] == record
    text = message["text"]
    for words in ("500", "1.2.3 → 1.3.0", "The old release is up again", "not tried again", "Nothing tonight"):
        assert words in text, text
    assert log.read_text() == f"{message['subject']}\n\n{text}"
    # the one command to look further works as it stands there
    command = message["command"].split()
    assert command[0] == "upgrade-watchdog"
    assert record["reason"] in program(command[1], *command[3:]).output


def test_a_good_upgrade_and_a_night_without_news_are_no_message(application, program):
    release("all", "1.3.0")
    with Hooks() as hooks:
        told_by(program, hooks.port)
        program.upgrade(DONE)
        program.upgrade(DONE)
        assert hooks.messages() == []
        assert hooks.pings() == ["/ping/1/start", "/ping/1"] * 2


def test_who_cannot_be_reached_is_told_later_and_nothing_else_changes(application, program):
    release("all", "1.3.0-login-500")
    with Hooks() as hooks:
        port = hooks.port
    told_by(program, port)
    result = program("upgrade")
    assert result.code == ROLLED_BACK, result
    assert "could not be asked" in result.errors
    assert len(spooled(program)) == 1  # the ping of the beginning is not made up for
    application.wait_until_serving()
    assert program("notify").code == 1
    assert "1 message could not be sent yet" in program("status").output
    with Hooks(port) as hooks:
        assert program("notify").code == DONE
        assert [message["kind"] for message in hooks.messages()] == ["rolled-back"]
    assert spooled(program) == []


def test_the_third_refusal_in_a_row_is_told(application, program):
    release("all", "1.3.0")
    program.configure(("Ignore=volume:caddy-config\n", ""))
    with Hooks() as hooks:
        told_by(program, hooks.port)
        for night in range(4):
            program.upgrade(REFUSED)
            assert len(hooks.messages()) == (night >= 2)
        assert "caddy-config" in hooks.messages()[0]["text"]
        assert "upgrade-watchdog check qaid" in hooks.messages()[0]["text"]


def test_a_known_bad_release_is_not_told_night_after_night(application, program):
    release("all", "1.3.0-login-500")
    with Hooks() as hooks:
        told_by(program, hooks.port)
        program.upgrade(ROLLED_BACK)
        for _ in range(4):
            assert program.upgrade(REFUSED)["known_bad"]
        assert [message["kind"] for message in hooks.messages()] == ["rolled-back"]


def test_a_test_message_says_of_each_way_whether_it_arrived(application, program):
    with Hooks() as hooks:
        told_by(program, hooks.port, "Command=/bin/sh -c 'echo nobody is at home >&2; exit 1'\n")
        result = program("notify", "--test")
        assert result.code == 1
        rows = program.json("notify", "--test", code=1)
    assert [row["sent"] for row in rows] == [True, False, True]
    assert "nobody is at home" in rows[1]["reason"] and "nobody is at home" in result.output
    assert len(hooks.messages()) == 2 and hooks.messages()[0]["kind"] == "test"
    assert spooled(program) == []


def test_a_message_says_that_the_configuration_has_become_wrong(application, program):
    """To whom it is told stood in the one that was right."""
    release("all", "1.3.0-login-500")
    with Hooks() as hooks:
        port = hooks.port
    told_by(program, port)
    assert program("upgrade").code == ROLLED_BACK
    program.configure(append="Nonsense=1\n")
    assert program("upgrade").code == CONFIGURATION
    assert program("notify", "--test").code == CONFIGURATION
    with Hooks(port) as hooks:
        assert program("notify").code == DONE
        assert len(hooks.messages()) == 1


def test_no_secret_of_an_address_is_shown_or_kept(application, program):
    release("all", "1.3.0-login-500")
    told_by(program, 1)
    results = [program("upgrade"), program("notify"), program("notify", "--test"), program("notify", "--test", options=["--json"])]
    assert [result.code for result in results] == [ROLLED_BACK, 1, 1, 1]
    for result in results:
        assert SECRET not in result.output + result.errors
    found = subprocess.run(["grep", "-rl", SECRET, program.state], capture_output=True, text=True).stdout
    assert found == ""
