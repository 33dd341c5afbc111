"""check and plan: what they print, and how they exit."""

from __future__ import annotations

import json
import re

import pytest

from fsm.cli import plan
from fsm.engine.report import UpdateResult
from tests.unit.cli.conftest import Line, interrupted

# check


def test_check_says_what_is_available(updated: Line):
    """With both versions, the reason, and the first lines of the release notes."""
    ended = updated("check")
    assert ended.code == 0
    assert ended.out.startswith(
        "app: 1.0.0 -> 1.1.0 is available (1.1.0 is newer than the installed 1.0.0; checked now)"
    )
    assert "    Answers faster.\n" in ended.out


@pytest.mark.parametrize(
    ("block", "word"), [(("hold", "app", "--why", "a fair"), "held"), (("pin", "app", "1.0.0"), "pinned")]
)
def test_what_an_update_does_not_install_is_not_available(updated: Line, block: tuple[str, ...], word: str):
    """No exit code 10, no "is available", and no "(new)"; plan and update name the same reason."""
    assert updated("check", "--exit-code").code == 10
    assert "1.1.0 (new)" in updated("status").out
    assert updated(*block).code == 0
    checked = updated("check", "--exit-code", "--force")
    assert checked.code == 0
    assert "is available" not in checked.out
    for _ in range(2):  # through the façade, and at a glance
        assert f"1.1.0 ({word})" in updated("status").out
    assert updated("plan", "--json").results[0]["blocked"] == word
    assert updated("update", "--json").results[0]["blocked"] == word


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
    updated.app_fixture.publish("1.2.0")
    assert re.search(r"1\.0\.0 -> 1\.1\.0 is available \(.*; checked \d+ s ago\)", updated("check").out)
    assert "1.0.0 -> 1.2.0 is available" in updated("check", "--force").out


def test_one_component_whose_check_fails_stops_no_other(updated: Line):
    """The exit code says that one failed, the output which and why."""
    other = {"type": "directory", "allow_unsigned": True, "path": str(updated.app_fixture.root / "nowhere")}
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
    line.path.write_text(f'[fsm]\nstate_dir = "{line.app_fixture.state}"\n')
    assert line("check")[:2] == (0, "no component has a source\n")


def test_check_of_something_new_and_long_notes(line: Line):
    """An unknown version is said to be unknown; notes are cut, with a hint."""
    folder = line.app_fixture.publish("1.0.0").parent
    (folder / "release.json").write_text(json.dumps({"notes": "\n".join(f"line {n}" for n in range(20))}))
    out = line("check").out
    assert "app: unknown -> 1.0.0 is available" in out
    assert f"  the installed version is unknown: nothing is installed at {line.app_fixture.live}" in out
    assert "    line 11\n    (8 more lines, see --json)\n" in out


# plan


def test_plan_shows_steps_costs_and_the_way_back(updated: Line):
    """Numbers, phases, downtime, downloads, disk, what is preserved, how it is undone."""
    ended = updated("plan")
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert lines[0].startswith("app: 1.0.0 -> 1.1.0, ")
    begin, end = lines.index("     ---- downtime begins ----"), lines.index("     ---- downtime ends ----")
    assert "stop the service" in lines[begin + 1]
    assert "undo: start the service" in lines[begin + 1]
    assert "start the service" in lines[end - 1]
    assert lines[1].startswith("   1 backing_up ")
    assert any(text.startswith("download: app-1.1.0.tar.gz (") for text in lines)
    assert any(text.startswith("disk: up to ") for text in lines)
    assert "preserved: .env, data/, config/*.local" in lines
    assert lines[-1] == "nothing was changed"
    assert updated.app_fixture.version() == "1.0.0"
    assert updated("history").out == "no runs yet\n"


def test_a_dry_run_is_a_plan(updated: Line):
    """`update --dry-run` prints the same, and in JSON the plan is whole."""
    assert updated("update", "--dry-run").out == updated("plan").out
    (result,) = updated("plan", "--json").results
    assert result["outcome"] == "planned"
    assert (result["from_version"], result["to_version"]) == ("1.0.0", "1.1.0")
    assert [step["name"] for step in result["plan"]["steps"]][:3] == ["keep", "download", "unpack"]
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
        "fsm: cannot update 2 components to 1.0.0: --version works with one component; name one\n",
    )


@pytest.mark.processes
def test_a_plan_says_that_a_run_comes_first(updated: Line):
    """The plan is not what an update would do now."""
    interrupted(updated)
    out = updated("plan").out
    assert "note: run 1 is in progress; an update would continue that run instead" in out


def test_a_broken_journal_is_no_refusal(updated: Line):
    """What needs a person has its own exit code, also from a plan."""
    updated.app_fixture.state.mkdir()
    (updated.app_fixture.state / "journal.db").write_bytes(b"no database" * 1000)
    ended = updated("plan")
    assert ended.code == 40
    assert "fsm doctor --set-aside-journal" in ended.err
