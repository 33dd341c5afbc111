"""Crashes of the resume itself, crashes without end, and a cancel instead of a resume."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pytest

from fsm.lifecycle import LIMIT
from tests.crash.cell import KILLED, Cell, Kill, Undisturbed, of_user
from tests.crash.scenarios import SCENARIOS
from tests.crash.yard import Yard, some

pytestmark = [pytest.mark.crash, pytest.mark.needs_linux]

RESUMING: Final = ("resume.orphans_ended", "resume.written")
"""Points that only a resume comes to."""

FIRST, SECOND = 5, 3
"""How many first crashes are tried in each scenario, and for each of them how many second ones, evenly spread."""


def spots(trail: list[str], most: int) -> list[Kill]:
    """Some moments of a trail, as a point and how often it was reached by then."""
    moments = some(list(range(len(trail))), most)
    return [(trail[moment], trail[: moment + 1].count(trail[moment])) for moment in moments]


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.only == ("",)])
def test_killed_again_while_resuming(yard: Yard, name: str):
    """A resume that is killed is resumed like any run."""
    verb = SCENARIOS[name].verb
    second: list[tuple[Kill, Kill]] = []

    def once(first: Kill, cell: Cell, wanted: Undisturbed) -> None:
        cell.ask(verb, first)
        trail = cell.finish()["trail"]
        found = [*spots(trail, SECOND), *((point, 1) for point in RESUMING if point in trail)]
        second.extend((first, again) for again in dict.fromkeys(found))

    def twice(first: Kill, again: Kill, cell: Cell, wanted: Undisturbed) -> None:
        cell.ask(verb, first)
        cell.finish(again)
        cell.finish()
        cell.judge(wanted)

    trail = yard.undisturbed(name).trail
    yard.try_all(name, [(str(first), partial(once, first)) for first in spots(trail, FIRST)])
    assert {again for _, (again, _) in second} >= set(RESUMING)
    yard.try_all(name, [(f"{first}, then {again}", partial(twice, first, again)) for first, again in sorted(second)])


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("update-exchange", ("carry_over.copied", 1)),
        ("update-copy", ("copy_in.begun", 1)),
        ("broken-exchange", ("exchange.done", 2)),
        ("rollback-fails-exchange", ("exchange.done", 2)),
    ],
)
@pytest.mark.parametrize("again", ["service.stopped", "stop_service.kept", "resume.kept_down"])
def test_a_service_that_was_started_behind_a_runs_back(yard: Yard, name: str, first: Kill, again: str):
    """As a boot, an engine or a person may have done: it is stopped before anything more is moved, kills or not."""

    def act(cell: Cell, wanted: Undisturbed) -> None:
        assert cell.ask(SCENARIOS[name].verb, first)["exit"] == KILLED
        cell.bed.start()
        assert cell.finish((again, 1))["exit"] == KILLED
        cell.finish()
        cell.judge_journal()
        cell.judge_service(SCENARIOS[name].version)

    yard.try_all(name, [(again, act)])


@pytest.mark.parametrize("way", ["exchange", "renames", "copy"])
def test_kills_without_progress_roll_back(yard: Yard, way: str):
    """A step that the updater never survives is given up, and the old version runs."""
    name = f"update-{way}"
    steps = yard.undisturbed(name).trail.count("step.before_do")

    def act(step: int, cell: Cell, wanted: Undisturbed) -> None:
        assert cell.ask("update", ("step.before_do", step))["exit"] == KILLED
        for _ in range(LIMIT - 1):
            assert cell.ask("resume", ("step.before_do", 1))["exit"] == KILLED
        (result,) = cell.ask("resume")["results"]
        assert result["outcome"] in ("rolled_back", "refused")
        assert "killed 3 times" in result["reason"]
        judge_as_before(cell, wanted.before)

    yard.try_all(name, [(f"step {step}", partial(act, step)) for step in range(1, steps + 1)])


def test_a_rollback_that_is_always_killed_needs_a_person_who_can_go_on(yard: Yard):
    """It ends in `failed` with what is left to do; `fsm rollback` takes it up again."""

    def act(cell: Cell, wanted: Undisturbed) -> None:
        assert cell.ask("update", ("step.before_undo", 3))["exit"] == KILLED
        for _ in range(LIMIT - 1):
            assert cell.ask("resume", ("step.before_undo", 1))["exit"] == KILLED
        (result,) = cell.ask("resume")["results"]
        assert result["outcome"] == "failed"
        assert "not undone yet" in result["todo"]
        (result,) = cell.ask("rollback")["results"]
        assert result["outcome"] == "rolled_back"
        cell.judge(wanted)

    yard.try_all("broken-exchange", [("", act)])


@pytest.mark.parametrize("way", ["exchange", "renames", "copy"])
def test_cancelled_after_a_crash(yard: Yard, way: str):
    """A run that was killed can be rolled back instead of resumed, also when that is killed and tried again.

    Only what retention had removed by then stays removed, and all of it: half a backup is none.
    """
    name = f"update-{way}"

    def act(first: Kill, cell: Cell, wanted: Undisturbed) -> None:
        cell.ask("update", first)
        cell.ask("cancel", ("step.after_undo", 2))
        cell.ask("cancel")
        if cell.run is None or cell.run.state == "done":
            return
        gone = ".app.fsm/backups/0.9.0@1"
        kept = (cell.bed.root / gone).exists()
        before = {name: about for name, about in wanted.before.items() if kept or not name.startswith(gone)}
        judge_as_before(cell, before)

    trail = yard.undisturbed(name).trail
    yard.try_all(name, [(str(first), partial(act, first)) for first in spots(trail, 24)])


def judge_as_before(cell: Cell, before: Mapping[str, Any]) -> None:
    """Assert that the host is what it was before the run."""
    cell.judge_service(cell.scenario.before)
    cell.compare(of_user(before))
