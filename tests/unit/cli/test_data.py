"""`fsm rollback` and `fsm data`, as people see them: what becomes of their files, said before it happens."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from tests.unit.cli.conftest import Line

pytestmark = pytest.mark.processes

FIRST = "data: 1 preserved file changed since 1.0.0 was replaced (6 B now): data/log"


@pytest.fixture
def worked(updated: Line) -> Line:
    """1.1.0 is installed, and people have worked with it."""
    log = updated.app_fixture.live / "data/log"
    log.parent.mkdir()
    log.write_text("then\n")
    assert updated("update").code == 0
    log.write_text("today\n")
    return updated


def log_of(line: Line) -> str:
    """What the one file says that people changed."""
    return (line.app_fixture.live / "data/log").read_text()


def test_without_a_terminal_it_is_refused_in_one_line(worked: Line):
    """The line says what to write; nothing was changed."""
    ended = worked("rollback")
    assert ended.code == 20
    (said,) = ended.out.splitlines()
    assert "1 preserved file changed since it was replaced" in said
    assert "`fsm rollback app --to 1.0.0 --data keep`" in said
    assert worked.app_fixture.version() == "1.1.0"


def test_a_dry_run_says_which_and_where(worked: Line):
    """Undecided, or with a choice; as JSON, too."""
    ended = worked("rollback", "--dry-run")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert FIRST in lines
    assert "data: nobody said what becomes of them: --data keep or --data restore" in lines
    assert lines[-1] == "nothing was changed"
    lines = worked("rollback", "--dry-run", "--data", "restore").out.splitlines()
    tree = worked.app_fixture.work / "backups/1.1.0@RUN/tree"
    then = "data: they go back to what they were then; the newer ones are"
    assert f"{then} kept in {tree} (said by the call)" in lines
    (result,) = worked("rollback", "--dry-run", "--data", "keep", "--json").results
    assert (result["kind"], result["outcome"]) == ("rollback", "planned")
    assert result["plan"]["data"] == {
        "choice": "keep",
        "said_by": "call",
        "changed": 1,
        "size": 6,
        "names": ["data/log"],
        "kept_in": str(worked.app_fixture.work / "data/{run}/files"),
    }
    assert worked.app_fixture.version() == "1.1.0"


def test_there_and_back_again(worked: Line):
    """The result and `show` name the place, `data list` has it, `bring-back` takes it from there."""
    ended = worked("rollback", "--data", "restore")
    assert ended.code == 0, ended
    assert "`fsm data app bring-back 2` brings them back" in ended.out
    assert log_of(worked) == "then\n"
    shown = worked("show", "2").out.splitlines()
    assert FIRST in shown
    tree = str(worked.app_fixture.work / "backups/1.1.0@2/tree")
    assert any(line.startswith("data: they go back") and tree in line for line in shown)
    header, row = worked("data", "app", "list").out.splitlines()
    assert header.split()[0] == "RUN"
    assert row.split()[:2] == ["2", "1.1.0"]
    assert row.endswith(tree)
    ended = worked("data", "app", "bring-back", "2")
    assert ended.code == 0, ended
    assert ended.out.startswith("app: earlier preserved files brought back in ")
    assert log_of(worked) == "today\n"
    assert any("brought back; those that were there" in line for line in worked("show", "3").out.splitlines())
    assert "files brought back" in worked("status").out


def test_wrong_words(worked: Line):
    """Usage errors with the way out, and a refusal that names what there is."""
    assert worked("data", "app", "bring-back").code == 2
    assert worked("data", "app", "list", "2").code == 2
    assert worked("data", "nobody", "list").code == 2
    ended = worked("data", "app", "bring-back", "77")
    assert ended.code == 20
    assert "is of runs: 1" in ended.out
    (ended_json,) = worked("data", "app", "list", "--json").results
    assert (ended_json["id"], ended_json["why"], ended_json["files"]) == ("1", "version", 1)


@pytest.mark.needs_linux
@pytest.mark.parametrize(("answer", "log"), [("keep", "today\n"), ("restore", "then\n")])
def test_on_a_terminal_it_asks(worked: Line, answer: str, log: str):
    """What changed is said first, and the answer is obeyed."""
    main, side = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "fsm", "--config", str(worked.path), "rollback"],
        stdin=side,
        stdout=subprocess.PIPE,
        stderr=side,
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(side)
    screen, until = b"", time.monotonic() + 60
    while b"restore those from then?" not in screen and time.monotonic() < until:
        if select.select([main], [], [], 1.0)[0]:
            screen += os.read(main, 4096)
    assert FIRST.encode() in screen
    os.write(main, answer.encode() + b"\n")
    out, _ = child.communicate(timeout=60)
    os.close(main)
    assert child.returncode == 0, out
    assert log_of(worked) == log
    assert worked.app_fixture.version() == "1.0.0"
