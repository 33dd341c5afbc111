"""update, resume, rollback, cancel: what they print, and how they exit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.engine.locks import ComponentLock
from tests.lock_holder import locked_elsewhere
from tests.unit.cli.conftest import FAILS, Line, interrupted

# update


def test_update_prints_steps_and_the_result(updated: Line):
    """Steps to standard error, the headline to standard output."""
    ended = updated("update")
    assert ended.code == 0
    assert ended.out.startswith("app: updated 1.0.0 -> 1.1.0 in ")
    steps = ended.err.splitlines()
    assert steps[0] == "app checking"
    assert steps[1].startswith("app [1/")
    assert "download and check the artifact" in ended.err
    assert updated.app_fixture.version() == "1.1.0"
    assert updated("update")[:2] == (0, "app: up to date (1.1.0 is the newest release)\n")


def test_update_in_json(updated: Line):
    """Standard output has nothing but the document."""
    (result,) = updated("update", "app", "--json").results
    assert result["outcome"] == "done"
    assert result["run"] == 1
    assert {step["status"] for step in result["steps"]} == {"done"}


def test_update_to_a_version(updated: Line):
    """Also to an older one."""
    assert updated("update", "--version", "1.1.0").code == 0
    assert updated("update", "--version", "1.0.0").code == 0
    assert updated.app_fixture.version() == "1.0.0"
    ended = updated("update", "--version", "not a version")
    assert ended.code == 2


def test_which_component(updated: Line):
    """With several, they must be named; the error lists them."""
    updated.configure(lib=updated.another("lib"))
    ended = updated("update")
    assert ended.code == 2
    assert ended.err == (
        "fsm: no component is named: several are configured: app, lib; name one or more, or use --all\n"
    )
    assert updated("update", "--all", "app").code == 2
    assert updated("update", "apo").err.endswith('did you mean "app"?\n')
    assert updated("rollback").err.startswith("fsm: no component is named: the configured ones are: app, lib")
    updated.path.write_text("")
    assert updated("update").err.startswith("fsm: there is nothing to do: no component is configured")


@pytest.mark.processes
def test_update_of_all_and_the_worst_code(updated: Line):
    """One that is rolled back decides, the others are updated."""
    updated.configure(lib=updated.another("lib"), bad=updated.another("bad", post_checks=[FAILS]))
    ended = updated("update", "--all", "--jobs", "2", "--json")
    outcomes = {result["component"]: result["outcome"] for result in ended.results}
    assert outcomes == {"app": "done", "lib": "done", "bad": "rolled_back"}
    assert ended.code == 30


@pytest.mark.processes
def test_a_rolled_back_update(updated: Line):
    """30, the reason, and what the operator can do; the same release is not tried again by itself."""
    updated.configure(app=updated.another("x", install_path=str(updated.app_fixture.live), post_checks=[FAILS]))
    ended = updated("update")
    assert ended.code == 30
    assert ended.out.startswith("app: rolled back, 1.0.0 is running: ")
    assert "failed: " in ended.err
    assert "undo: " in ended.err
    again = updated("update")
    assert again.code == 20
    assert "--force" in again.out
    assert updated("update", "--force").code == 30


@pytest.mark.processes
def test_a_component_that_another_updater_works_on(updated: Line):
    """50, with who holds it since when."""
    with locked_elsewhere(updated.app_fixture.state, "app") as pid:
        ended = updated("update")
        assert updated("resume").code == 0
        assert updated("rollback").code == 50
    assert ended.code == 50
    assert f"busy: another updater is working on it: process {pid} (" in ended.out


@pytest.mark.processes
def test_a_failed_rollback_needs_a_person(updated: Line):
    """40; `fsm rollback` takes it up again once the cause is mended."""
    wall, up = updated.app_fixture.root / "wall", updated.app_fixture.root / "up"
    service = {
        "manager": "command",
        "start": ["/bin/sh", "-c", f"test ! -e {wall} && touch {up}"],
        "stop": ["/bin/rm", str(up)],
        "status": ["/bin/sh", "-c", f"test -e {up}"],
    }
    check = {"type": "command", "argv": ["/bin/sh", "-c", f"touch {wall}; exit 1"]}
    up.touch()
    live = str(updated.app_fixture.live)
    updated.configure(app=updated.another("x", install_path=live, post_checks=[check], service=service))
    ended = updated("update")
    assert ended.code == 40
    assert ended.out.startswith("app: FAILED, needs attention: ")
    status = updated("status").out
    assert re.search(r"app: FAILED \d+ s ago: ", status)
    assert "continue with `fsm rollback app`" in status
    wall.unlink()
    ended = updated("rollback")
    assert (ended.code, updated.app_fixture.version()) == (0, "1.0.0")


# resume


@pytest.mark.processes
def test_resume_continues_what_was_killed(updated: Line):
    """By name or all; where nothing is in progress that is said, and no error."""
    interrupted(updated)
    assert updated("resume", "nobody").code == 2
    ended = updated("resume")
    assert ended.code == 0
    assert ended.out.startswith("app: updated 1.0.0 -> 1.1.0")
    assert updated("resume")[:2] == (0, "nothing is in progress\n")
    assert updated("resume", "app", "--json").results == []


@pytest.mark.processes
def test_an_update_continues_an_interrupted_run(updated: Line):
    """Instead of beginning another one."""
    interrupted(updated)
    assert updated("update", "app").code == 0
    assert [run["run"] for run in updated("history", "--json").results] == [1]


@pytest.mark.processes
def test_a_run_that_this_version_cannot_continue_stops_no_other(updated: Line):
    """Named, it is an error; among others, a result."""
    interrupted(updated)
    updated.configure(lib=updated.another("lib"))
    journal = updated.app_fixture.state / "journal.db"
    script = (
        f"import apsw; db = apsw.Connection({str(journal)!r});"
        ' db.execute("update plan set text = replace(text, \'\\"unpack\\"\', \'\\"unwrap\\"\')")'
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    ended = updated("resume")
    assert ended.code == 40
    assert "its plan has a step 'unwrap'" in ended.out
    named = updated("resume", "app")
    assert (named.code, named.out) == (40, "")
    assert "its plan has a step 'unwrap'" in named.err


# rollback and cancel


def test_rollback_to_the_version_before(updated: Line):
    """0, and a hold, so that the next update does not install the same release again."""
    updated("update")
    ended = updated("rollback", "app")
    assert ended.code == 0
    assert ended.out.startswith("app: rolled back 1.1.0 -> 1.0.0")
    assert updated.app_fixture.version() == "1.0.0"
    assert updated("update").code == 20
    assert updated("rollback", "--to", "7.0").code == 20
    assert updated("rollback", "--to", "1.1.0", "--json").results[0]["outcome"] == "done"
    assert updated.app_fixture.version() == "1.1.0"


@pytest.mark.processes
@pytest.mark.parametrize("command", ["rollback", "cancel"])
def test_what_was_in_progress_is_rolled_back(command: str, updated: Line):
    """That is what was asked for, so the exit code is 0."""
    interrupted(updated, at="verify")
    ended = updated(command)
    assert ended.code == 0
    assert ended.out.startswith("app: rolled back, 1.0.0 is running: ")
    assert updated.app_fixture.version() == "1.0.0"


def test_cancel_where_nothing_is_in_progress(updated: Line):
    """A usage error with the way out."""
    ended = updated("cancel")
    assert ended.code == 2
    assert "`fsm rollback` undoes a finished update" in ended.err


@pytest.mark.processes
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_cancel_of_a_run_that_another_process_drives(options: tuple[str, ...], updated: Line, tmp_path: Path):
    """Asked, but not ended in time: busy, and not told to resume."""
    interrupted(updated)
    with ComponentLock(updated.app_fixture.state, "app"):
        ended = updated("cancel", "--timeout", "0.1", *options)
    assert ended.code == 50
    if options:
        assert ended.results[0]["outcome"] == "interrupted"
    else:
        assert ended.out.startswith("app: not rolled back yet: process ")
    assert "fsm resume" not in ended.err


@pytest.mark.parametrize("command", ["resume", "install-service"])
@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "-1"])
def test_within_a_time_that_nobody_can_wait(line: Line, command: str, seconds: str):
    """Neither a timer nor a unit of systemd understands it."""
    ended = line(command, "--within", seconds)
    assert ended.code == 2
    assert "invalid value for '--within'" in ended.err
