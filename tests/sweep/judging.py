"""What must be true after a run was struck: how commands end, what they say, and what is left on the host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from fnmatch import fnmatch
from typing import Any, Final

from fsm.cli.codes import Code
from fsm.engine.journal import SET, Journal, Run
from fsm.lifecycle import State
from tests.app_fixture import AppFixture
from tests.crash.crash_case import KILLED, CrashCase, Undisturbed, listing
from tests.crash.scenarios import SCENARIOS
from tests.git_fixture import GitFixture
from tests.pair import Pair
from tests.sweep.cli_forge import CliForge, Heard
from tests.sweep.notifier import ERRORS

_ENDS: Final = frozenset({Code.DONE, Code.REFUSED, Code.ROLLED_BACK, Code.FAILED, Code.INTERRUPTED})

_NEXT: Final = "1.2.0"

_OWN: Final = ("*.fsm", "*.fsm/*", "*.fsm-tmp-*", "state", "state/*", "kept/*", "app/.git/*")
_KEPT: Final = ("*.fsm/aside*", "*.fsm/backups/*/*", "*.fsm/envs/*", "kept/*", "state/logs*", "*/__pycache__*")

_NUMBERS: Final = re.compile(r"(?<=/)[\w.-]+@\d+|(?<=kept/)\d+|(?<=saved/)\d+")

_QUOTED: Final = re.compile(r"its log ends with: .*")
"""The last words of a service that does not run: a broken release's may be a traceback."""

_TRIES: Final = 3
"""Commands in peace after which nothing may be in progress any more: where nothing was begun, one begins it."""


def said(heard: Sequence[Heard]) -> None:
    """Assert that every command ended in a documented way, and blames nobody's code."""
    for one in heard:
        killed = one.fault is not None and one.fault.mode not in ERRORS and one.struck
        assert one.code in _ENDS or (killed and one.code == KILLED), f"ended with {one.code}"
        assert "Traceback" not in _QUOTED.sub("", one.said), "a traceback"
        assert " bug" not in one.said, "a bug"


def ended(case: CrashCase, forge: CliForge, wanted: Undisturbed) -> bool:
    """Go on in peace until nothing is in progress, and assert that the host is whole.

    Who is killed, and goes on, ends as if nothing had been. Who meets an error may turn back, and may leave something
    of the updater's own for the next run to remove.

    Returns:
        Whether it has come to its end, and not gone back.
    """
    run = _finished(case, forge)
    said(forge.heard)
    as_wanted = run.state == case.scenario.outcome
    if as_wanted and _only_killed(forge.heard):
        case.judge_after_a_boot(wanted)
        return run.state == State.DONE
    turned_back = run.state in (State.IDLE, State.ROLLED_BACK) and not _only_killed(forge.heard)
    if not (run.state is State.FAILED and _gone_back(case, run)):
        assert as_wanted or turned_back, f"ended as {run.state}: {run.reason}"
        case.judge_journal(run.state)
    version = case.scenario.version if as_wanted else case.scenario.before
    case.judge_service(version)
    _same(_of_people(listing(case.app_fixture.root)), _of_people(wanted.after if as_wanted else wanted.before))
    return run.state == State.DONE


def _finished(case: CrashCase, forge: CliForge) -> Run:
    """What an operator's timer does, and where the updater asks for a person what the person does."""
    for _ in range(_TRIES):
        if case.run is not None and not case.run.in_progress:
            break
        case.finish()
    run = case.run
    if run is not None and run.state is State.FAILED:
        assert run.todo, "nobody says what to do"
        for name in _failed(case, run):
            forge.perform(case.app_fixture.root, case.name, ("rollback", name))
        run = case.run
    assert run is not None, "nothing was ever begun"
    return run


def _failed(case: CrashCase, run: Run) -> list[str]:
    """The components of a failed run that a person has to roll back: its own, or the members of a set that failed."""
    with Journal(case.app_fixture.state / "journal.db", readonly=True) as journal:
        own = journal.members(run.id) if run.kind == SET else [run]
    return [each.component for each in own if each.state is State.FAILED]


def _gone_back(case: CrashCase, run: Run) -> bool:
    """Whether a set that failed has gone back after all: its own run stays what it was."""
    with Journal(case.app_fixture.state / "journal.db", readonly=True) as journal:
        assert journal.verify()[0] == []
        return run.kind == SET and {each.state for each in journal.members(run.id)} == {State.ROLLED_BACK}


def _only_killed(heard: Sequence[Heard]) -> bool:
    """Whether no command has met an error, or has seen one of its children die."""
    return all(one.code == KILLED or not one.struck for one in heard)


def _of_people(found: Mapping[str, Any]) -> dict[str, Any]:
    """A listing without what is the updater's or git's own."""
    return {name: about for name, about in found.items() if not any(fnmatch(name, own) for own in _OWN)}


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    lost, stray = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    both = found.keys() & wanted.keys()
    differ = {name: (found[name], wanted[name]) for name in both if found[name] != wanted[name]}
    assert (lost, stray, differ) == ([], [], {}), f"lost {lost}, stray {stray}, different {differ}"


def one_more(case: CrashCase, forge: CliForge) -> set[str]:
    """Assert that the next release can be installed; what there is then, without what is numbered by runs."""
    fixture, scenario = case.app_fixture, SCENARIOS[case.name]
    scenario.publish(fixture, _NEXT)
    names = ("--set", Pair.set_name) if scenario.apps > 1 else (AppFixture.name,)
    forge.perform(fixture.root, case.name, ("update", "--force", *names))
    said(forge.heard)
    assert forge.heard[-1].code == Code.DONE, "the next update does not work"
    case.judge_service(_NEXT)
    if isinstance(fixture, GitFixture):
        assert fixture.is_clean(_NEXT), "git finds something"
    return {_NUMBERS.sub("#", name) for name in listing(fixture.root) if not any(fnmatch(name, one) for one in _KEPT)}


def no_litter(found: Set[str], done: Set[str], never_begun: Set[str], *, went: bool) -> None:
    """Assert that a host has after one more update what it has where nothing failed before.

    Args:
        found: the names of what is there.
        done: of what is there if the struck command had done its work.
        never_begun: the same, if it was never given. What goes back has come as far as it came: it may leave some of
            what git keeps of a submodule.
        went: whether the struck command has installed its release.
    """
    least, most = (done, done) if went else (done & never_begun, done | never_begun)
    lost, stray = sorted(least - found), sorted(found - most)
    assert (lost, stray) == ([], []), f"after one more update: lost {lost}, stray {stray}"
