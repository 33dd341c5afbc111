"""check, plan, update, resume, rollback, cancel: what they print, and how they exit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.cli import plan
from fsm.locks import ComponentLock
from fsm.report import UpdateResult
from tests.unit.cli.conftest import Line

FAILS = {"type": "command", "argv": ["/bin/false"]}


def _interrupted(line: Line, at: str = "unpack") -> None:
    """Kill an update at a step, as a power cut would."""
    script = (
        "import os, signal\nfrom fsm.updater import Updater\nfrom pathlib import Path\n"
        "def kill(event):\n"
        f"    if event.kind == 'step' and event.step == {at!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Updater.from_config(Path({str(line.path)!r}), observers=[kill]).update('app')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -9


# check


def test_check_says_what_is_available(updated: Line):
    """With both versions, the reason, and the first lines of the release notes."""
    ended = updated("check")
    assert ended.code == 0
    assert ended.out.startswith(
        "app: 1.0.0 -> 1.1.0 is available (1.1.0 is newer than the installed 1.0.0; checked now)"
    )
    assert "    Answers faster.\n" in ended.out


def test_check_exit_code(updated: Line):
    """10 only where somebody asked for it."""
    assert updated("check", "app", "--exit-code").code == 10
    assert updated("check", "--exit-code", "--json").results[0]["target"] == "1.1.0"
    assert updated("update").code == 0
    ended = updated("check", "--exit-code")
    assert (ended.code, ended.out[:40]) == (0, "app: 1.1.0 is the newest release (checke")


def test_check_believes_a_young_answer_unless_forced(updated: Line):
    """`--force` asks the source again."""
    updated("check")
    updated.bed.publish("1.2.0")
    assert re.search(r"1\.0\.0 -> 1\.1\.0 is available \(.*; checked \d+ s ago\)", updated("check").out)
    assert "1.0.0 -> 1.2.0 is available" in updated("check", "--force").out


def test_one_component_whose_check_fails_stops_no_other(updated: Line):
    """The exit code says that one failed, the output which and why."""
    other = {"type": "directory", "path": str(updated.bed.root / "nowhere")}
    updated.configure(lib=updated.another("lib", source=other), bare=updated.another("bare", source=None))
    ended = updated("check", "--exit-code")
    assert ended.code == 20
    assert "app: 1.0.0 -> 1.1.0 is available" in ended.out
    assert "lib: the check failed: cannot " in ended.out
    assert "bare" not in ended.out
    assert updated("check", "lib").code == 20
    assert updated("check", "bare").code == 2


def test_check_with_nothing_to_check(line: Line):
    """No source, no check."""
    line.path.write_text(f'[fsm]\nstate_dir = "{line.bed.state}"\n')
    assert line("check")[:2] == (0, "no component has a source\n")


def test_check_of_something_new_and_long_notes(line: Line):
    """An unknown version is said to be unknown; notes are cut, with a hint."""
    folder = line.bed.publish("1.0.0").parent
    (folder / "release.json").write_text(json.dumps({"notes": "\n".join(f"line {n}" for n in range(20))}))
    out = line("check").out
    assert "app: unknown -> 1.0.0 is available" in out
    assert f"  the installed version is unknown: nothing is installed at {line.bed.live}" in out
    assert "    line 11\n    (8 more lines, see --json)\n" in out


# plan


def test_plan_shows_steps_costs_and_the_way_back(updated: Line):
    """Numbers, phases, downtime, downloads, disk, what is preserved, how it is undone."""
    ended = updated("plan")
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert lines[0].startswith("app: 1.0.0 -> 1.1.0, ")
    begin, end = lines.index("     ---- the downtime begins ----"), lines.index("     ---- the downtime ends ----")
    assert "stop the service" in lines[begin + 1]
    assert "undo: start the service" in lines[begin + 1]
    assert "start the service" in lines[end - 1]
    assert lines[1].startswith("   1 backing_up ")
    assert any(text.startswith("download: app-1.1.0.tar.gz (") for text in lines)
    assert any(text.startswith("disk: up to ") for text in lines)
    assert "preserved: .env, data/, config/*.local" in lines
    assert lines[-1] == "nothing was changed"
    assert updated.bed.version() == "1.0.0"
    assert updated("history").out == "there are no runs yet\n"


def test_a_dry_run_is_a_plan(updated: Line):
    """`update --dry-run` prints the same, and in JSON the plan is whole."""
    assert updated("update", "--dry-run").out == updated("plan").out
    (result,) = updated("plan", "--json").results
    assert result["outcome"] == "planned"
    assert (result["from_version"], result["to_version"]) == ("1.0.0", "1.1.0")
    assert [step["name"] for step in result["plan"]["steps"]][:3] == ["backup", "download", "unpack"]
    assert updated("history", "--json").results == []


def test_a_plan_where_there_is_nothing_to_do(updated: Line):
    """Up to date is no error, a refusal is one."""
    updated("update")
    assert updated("plan")[:2] == (0, "app: up to date (1.1.0 is the newest release)\n")
    ended = updated("plan", "--version", "9.9")
    assert ended.code == 20
    assert "the source has no release 9.9" in ended.out
    assert updated("plan", "--json", "--version", "9.9").results[0]["outcome"] == "refused"


def test_a_plan_without_downtime(updated: Line):
    """As other component types may have."""
    (result,) = updated("plan", "--json").results
    steps = [{**step, "downtime": None} for step in result["plan"]["steps"][:3]]
    quiet = {**result["plan"], "steps": steps, "preserved": []}
    lines = list(plan._lines(UpdateResult.model_validate_json(json.dumps({**result, "plan": quiet}))))
    assert "downtime: none" in lines
    assert not [text for text in lines if text.startswith("preserved") or "----" in text]


def test_plans_of_several_components(updated: Line):
    """All or some; one after the other; a version goes with one only."""
    updated.configure(lib=updated.another("lib"))
    out = updated("plan", "--all").out
    assert out.index("app: 1.0.0 -> 1.1.0") < out.index("\n\nlib: unknown -> 1.1.0")
    assert "lib" not in updated("plan", "app").out
    ended = updated("plan", "--all", "--version", "1.0.0")
    assert (ended.code, ended.err) == (
        2,
        "fsm: cannot bring 2 components to 1.0.0: --version goes with one component; name one\n",
    )


def test_a_plan_says_that_a_run_comes_first(updated: Line):
    """The plan is not what an update would do now."""
    _interrupted(updated)
    out = updated("plan").out
    assert "note: run 1 is in progress: an update now would continue that one instead" in out


def test_a_broken_journal_is_no_refusal(updated: Line):
    """What needs a person has its own exit code, also from a plan."""
    updated.bed.state.mkdir()
    (updated.bed.state / "journal.db").write_bytes(b"no database" * 1000)
    ended = updated("plan")
    assert ended.code == 40
    assert "fsm doctor --set-aside-journal" in ended.err


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
    assert updated.bed.version() == "1.1.0"
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
    assert updated.bed.version() == "1.0.0"
    ended = updated("update", "--version", "not a version")
    assert ended.code == 2


def test_which_component(updated: Line):
    """With several, they must be named; the error lists them."""
    updated.configure(lib=updated.another("lib"))
    ended = updated("update")
    assert ended.code == 2
    assert ended.err == (
        "fsm: which component?: several are configured: app, lib; name one or more of them, or use --all\n"
    )
    assert updated("update", "--all", "app").code == 2
    assert updated("update", "apo").err.endswith('did you mean "app"?\n')
    assert updated("rollback").err.startswith("fsm: which component?: configured are: app, lib")
    updated.path.write_text("")
    assert updated("update").err.startswith("fsm: there is nothing to work on: no component is configured")


def test_update_of_all_and_the_worst_code(updated: Line):
    """One that is rolled back decides, the others are updated."""
    updated.configure(lib=updated.another("lib"), bad=updated.another("bad", post_checks=[FAILS]))
    ended = updated("update", "--all", "--jobs", "2", "--json")
    outcomes = {result["component"]: result["outcome"] for result in ended.results}
    assert outcomes == {"app": "done", "lib": "done", "bad": "rolled_back"}
    assert ended.code == 30


def test_a_rolled_back_update(updated: Line):
    """30, the reason, and what the operator can do; the same release is not tried again by itself."""
    updated.configure(app=updated.another("x", install_path=str(updated.bed.live), post_checks=[FAILS]))
    ended = updated("update")
    assert ended.code == 30
    assert ended.out.startswith("app: rolled back, 1.0.0 runs: ")
    assert "failed: " in ended.err
    assert "undo: " in ended.err
    again = updated("update")
    assert again.code == 20
    assert "--force" in again.out
    assert updated("update", "--force").code == 30


def test_a_component_that_another_updater_works_on(updated: Line):
    """50, with who holds it since when."""
    with ComponentLock(updated.bed.state, "app"):
        ended = updated("update")
        assert updated("resume").code == 0
        assert updated("rollback").code == 50
    assert ended.code == 50
    assert "busy: another updater does: process" in ended.out


def test_a_failed_rollback_needs_a_person(updated: Line):
    """40; `fsm rollback` takes it up again once the cause is mended."""
    wall, up = updated.bed.root / "wall", updated.bed.root / "up"
    service = {
        "manager": "command",
        "start": ["/bin/sh", "-c", f"test ! -e {wall} && touch {up}"],
        "stop": ["/bin/rm", str(up)],
        "status": ["/bin/sh", "-c", f"test -e {up}"],
    }
    check = {"type": "command", "argv": ["/bin/sh", "-c", f"touch {wall}; exit 1"]}
    up.touch()
    live = str(updated.bed.live)
    updated.configure(app=updated.another("x", install_path=live, post_checks=[check], service=service))
    ended = updated("update")
    assert ended.code == 40
    assert ended.out.startswith("app: FAILED, a person is needed: ")
    status = updated("status").out
    assert re.search(r"app: FAILED \d+ s ago: ", status)
    assert "`fsm rollback app` goes on with that" in status
    wall.unlink()
    ended = updated("rollback")
    assert (ended.code, updated.bed.version()) == (0, "1.0.0")


# resume


def test_resume_continues_what_was_killed(updated: Line):
    """By name or all; where nothing is in progress that is said, and no error."""
    _interrupted(updated)
    assert updated("resume", "nobody").code == 2
    ended = updated("resume")
    assert ended.code == 0
    assert ended.out.startswith("app: updated 1.0.0 -> 1.1.0")
    assert updated("resume")[:2] == (0, "nothing is in progress\n")
    assert updated("resume", "app", "--json").results == []


def test_an_update_continues_an_interrupted_run(updated: Line):
    """Instead of beginning another one."""
    _interrupted(updated)
    assert updated("update", "app").code == 0
    assert [run["run"] for run in updated("history", "--json").results] == [1]


def test_a_run_that_this_version_cannot_continue_stops_no_other(updated: Line):
    """Named, it is an error; among others, a result."""
    _interrupted(updated)
    updated.configure(lib=updated.another("lib"))
    journal = updated.bed.state / "journal.db"
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
    assert updated.bed.version() == "1.0.0"
    assert updated("update").code == 20
    assert updated("rollback", "--to", "7.0").code == 20
    assert updated("rollback", "--to", "1.1.0", "--json").results[0]["outcome"] == "done"
    assert updated.bed.version() == "1.1.0"


@pytest.mark.parametrize("command", ["rollback", "cancel"])
def test_what_was_in_progress_is_rolled_back(command: str, updated: Line):
    """That is what was asked for, so the exit code is 0."""
    _interrupted(updated, at="verify")
    ended = updated(command)
    assert ended.code == 0
    assert ended.out.startswith("app: rolled back, 1.0.0 runs: ")
    assert updated.bed.version() == "1.0.0"


def test_cancel_where_nothing_is_in_progress(updated: Line):
    """A usage error with the way out."""
    ended = updated("cancel")
    assert ended.code == 2
    assert "`fsm rollback` undoes a finished update" in ended.err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_cancel_of_a_run_that_another_process_drives(options: tuple[str, ...], updated: Line, tmp_path: Path):
    """Asked, but not ended in time: busy, and not told to resume."""
    _interrupted(updated)
    with ComponentLock(updated.bed.state, "app"):
        ended = updated("cancel", "--timeout", "0.1", *options)
    assert ended.code == 50
    if options:
        assert ended.results[0]["outcome"] == "interrupted"
    else:
        assert ended.out.startswith("app: not rolled back yet: process ")
    assert "fsm resume" not in ended.err
