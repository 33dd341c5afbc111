"""Crashes of the resume itself, crashes without end, and a cancel instead of a resume."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pytest

from fsm.lifecycle import LIMIT
from tests.crash.crash_case import KILLED, CrashCase, Kill, Undisturbed, of_user
from tests.crash.crash_pool import CrashPool, some
from tests.crash.sample import FULL
from tests.crash.scenarios import SCENARIOS

pytestmark = [pytest.mark.crash, pytest.mark.needs_linux]

RESUMING: Final = ("resume.orphans_ended", "resume.written")
"""Points that only a resume comes to."""

SET_RESUMING: Final = ("set.resumed",)
"""The same, of a set."""

FIRST, SECOND = (5, 3) if FULL else (3, 2)
"""How many first crashes are tried in each scenario, and for each of them how many second ones, evenly spread."""

CANCELLED = 24 if FULL else 8
"""How many crashes are cancelled afterwards."""


def spots(trail: list[str], most: int) -> list[Kill]:
    """Some moments of a trail, as a point and how often it was reached by then."""
    moments = some(list(range(len(trail))), most)
    return [(trail[moment], trail[: moment + 1].count(trail[moment])) for moment in moments]


@pytest.mark.parametrize("name", [name for name, each in SCENARIOS.items() if each.only == ("",) or each.apps > 1])
def test_killed_again_while_resuming(crash_pool: CrashPool, name: str):
    """A resume that is killed is resumed like any run."""
    verb = SCENARIOS[name].verb
    resuming = (*RESUMING, *SET_RESUMING) if SCENARIOS[name].apps > 1 else RESUMING
    second: list[tuple[Kill, Kill]] = []

    def once(first: Kill, crash_case: CrashCase, wanted: Undisturbed) -> None:
        crash_case.ask(verb, first)
        trail = crash_case.finish()["trail"]
        found = [*spots(trail, SECOND), *((point, 1) for point in resuming if point in trail)]
        second.extend((first, again) for again in dict.fromkeys(found))

    def twice(first: Kill, again: Kill, crash_case: CrashCase, wanted: Undisturbed) -> None:
        crash_case.ask(verb, first)
        crash_case.finish(again)
        crash_case.finish()
        crash_case.judge(wanted)

    trail = crash_pool.undisturbed(name).trail
    crash_pool.try_all(name, [(str(first), partial(once, first)) for first in spots(trail, FIRST)])
    assert {again for _, (again, _) in second} >= set(resuming)
    crash_pool.try_all(
        name, [(f"{first}, then {again}", partial(twice, first, again)) for first, again in sorted(second)]
    )


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
def test_a_service_that_was_started_behind_a_runs_back(crash_pool: CrashPool, name: str, first: Kill, again: str):
    """As a boot, an engine or a person may have done: it is stopped before anything more is moved, kills or not."""

    def act(crash_case: CrashCase, wanted: Undisturbed) -> None:
        assert crash_case.ask(SCENARIOS[name].verb, first)["exit"] == KILLED
        crash_case.app_fixture.start()
        assert crash_case.finish((again, 1))["exit"] == KILLED
        crash_case.finish()
        crash_case.judge_journal()
        crash_case.judge_service(SCENARIOS[name].version)

    crash_pool.try_all(name, [(again, act)])


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("update-exchange", ("keep.synced", 1)),
        ("update-exchange", ("start_service.done", 1)),
        ("update-exchange", ("retire.renamed", 1)),
        ("broken-exchange", ("stop_service.undone", 1)),
        ("git-update", ("git.fetch.fetched", 1)),
        ("git-update", ("git.retire.recorded", 1)),
        ("git-broken", ("git.keep.dropped", 1)),
        ("commands", ("stop_service.undone", 1)),
        ("set", ("set.member_ended", 1)),
        ("set-broken", ("set.member_undone", 1)),
        ("set-broken", ("set.turned_back", 1)),
    ],
)
@pytest.mark.parametrize("again", ["", "service.started_again", "resume.kept_up"])
def test_a_service_that_a_boot_has_ended_runs_again(crash_pool: CrashPool, name: str, first: Kill, again: str):
    """Nobody else starts it, wherever the run was: before the stop, behind the start, or behind the way back."""

    def act(crash_case: CrashCase, wanted: Undisturbed) -> None:
        assert crash_case.ask(SCENARIOS[name].verb, first)["exit"] == KILLED
        crash_case.lose_power()
        if again and crash_case.finish((again, 1))["exit"] == KILLED:
            crash_case.lose_power()
        if crash_case.run is None or crash_case.run.in_progress:
            crash_case.finish()
        crash_case.judge_after_a_boot(wanted)

    crash_pool.try_all(name, [(again, act)])


@pytest.mark.parametrize("way", ["exchange", "renames", "copy"])
def test_kills_without_progress_roll_back(crash_pool: CrashPool, way: str):
    """A step that the updater never survives is given up, and the old version runs."""
    name = f"update-{way}"
    steps = crash_pool.undisturbed(name).trail.count("step.before_do")

    def act(step: int, crash_case: CrashCase, wanted: Undisturbed) -> None:
        assert crash_case.ask("update", ("step.before_do", step))["exit"] == KILLED
        for _ in range(LIMIT - 1):
            assert crash_case.ask("resume", ("step.before_do", 1))["exit"] == KILLED
        (result,) = crash_case.ask("resume")["results"]
        assert result["outcome"] in ("rolled_back", "refused")
        assert "no progress in 3 attempts at the step" in result["reason"]
        judge_as_before(crash_case, wanted.before)

    crash_pool.try_all(name, [(f"step {step}", partial(act, step)) for step in range(1, steps + 1)])


@pytest.mark.parametrize("step", [3, 7, 9])
def test_a_rollback_that_is_always_killed_needs_a_person_who_can_go_on(crash_pool: CrashPool, step: int):
    """It ends in `failed` with what is left to do; `fsm rollback` takes it up again. Also where each kill is a boot."""

    def act(crash_case: CrashCase, wanted: Undisturbed) -> None:
        assert crash_case.ask("update", ("step.before_undo", step))["exit"] == KILLED
        for _ in range(LIMIT - 1):
            crash_case.lose_power()
            assert crash_case.ask("resume", ("step.before_undo", 1))["exit"] == KILLED
        crash_case.lose_power()
        (result,) = crash_case.ask("resume")["results"]
        assert result["outcome"] == "failed"
        assert "not undone yet" in result["todo"]
        (result,) = crash_case.ask("rollback")["results"]
        assert result["outcome"] == "rolled_back"
        crash_case.judge_after_a_boot(wanted)

    crash_pool.try_all("broken-exchange", [("", act)])


@pytest.mark.parametrize(("name", "first"), [("update-exchange", ("keep.synced", 1)), ("set", ("keep.synced", 2))])
def test_cancelled_after_a_boot(crash_pool: CrashPool, name: str, first: Kill):
    """The old version runs again also where its service was never stopped by the run."""

    def act(crash_case: CrashCase, wanted: Undisturbed) -> None:
        assert crash_case.ask(SCENARIOS[name].verb, first)["exit"] == KILLED
        crash_case.lose_power()
        (result, *_) = crash_case.ask("cancel")["results"]
        assert result["outcome"] in ("rolled_back", "refused"), result
        crash_case.judge_service("1.0.0")

    crash_pool.try_all(name, [("", act)])


@pytest.mark.parametrize("way", ["exchange", "renames", "copy"])
def test_cancelled_after_a_crash(crash_pool: CrashPool, way: str):
    """A run that was killed can be rolled back instead of resumed, also when that is killed and tried again.

    Only what retention had removed by then stays removed, and all of it: half a backup is none. The directory of the
    backups goes with the last of them.
    """
    name = f"update-{way}"

    def act(first: Kill, crash_case: CrashCase, wanted: Undisturbed) -> None:
        crash_case.ask("update", first)
        crash_case.ask("cancel", ("step.after_undo", 2))
        crash_case.ask("cancel")
        if crash_case.run is None or crash_case.run.state == "done":
            return
        backups = ".app.fsm/backups"
        gone = next(
            (name for name in (backups, f"{backups}/0.9.0@1") if not (crash_case.app_fixture.root / name).exists()),
            None,
        )
        before = {name: about for name, about in wanted.before.items() if gone is None or not name.startswith(gone)}
        judge_as_before(crash_case, before)

    trail = crash_pool.undisturbed(name).trail
    crash_pool.try_all(name, [(str(first), partial(act, first)) for first in spots(trail, CANCELLED)])


def judge_as_before(crash_case: CrashCase, before: Mapping[str, Any]) -> None:
    """Assert that the host is what it was before the run."""
    crash_case.judge_service(crash_case.scenario.before)
    crash_case.compare(of_user(before))
