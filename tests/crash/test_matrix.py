"""The crash matrix: every scenario is killed with SIGKILL each time that it reaches a fault point, and then resumed.

A new process resumes; then the run must have ended as it would have ended undisturbed, the service must answer with
the version that the state says, and every file must be what it is after an undisturbed run: nothing lost, nothing
left over. ``FSM_CRASH_KEEP=1`` keeps the directories of the crash cases that failed.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import pytest

from tests.crash.crash_case import CrashCase, Undisturbed
from tests.crash.crash_pool import CrashPool, some
from tests.crash.sample import FULL, one_of
from tests.crash.scenarios import SCENARIOS, read_table

pytestmark = [pytest.mark.crash, pytest.mark.needs_linux]

PER_FILE: Final = frozenset({"files.copy.written", "files.mirror.entry", "files.remove_tree.removed"})
"""Points that are reached once for each file: they are killed at some of them, first and last included."""

SOME: Final = 6

SOME_OF_A_SET: Final = 14
"""A set comes to the journal with every step of each member; `tests/library/test_sets.py` tries many more in memory."""

FEW: Final = 3
"""Of the points that git checkouts share with all other types, and come to with each of their dozens of commands."""

CASES: Final = [(name, point) for name, points in read_table().items() for point in points]


@pytest.mark.parametrize(("name", "point"), CASES, ids=[f"{name}-{point}" for name, point in CASES])
def test_killed_and_resumed(crash_pool: CrashPool, name: str, point: str):
    """A run that is killed anywhere ends as if nothing had happened."""
    reached = crash_pool.undisturbed(name).trail.count(point)
    assert reached, f"{name} no longer comes to {point}: run `python -m tests.crash.record`"

    def kill(number: int, crash_case: CrashCase, wanted: Undisturbed) -> None:
        crash_case.ask(SCENARIOS[name].verb, (point, number))
        crash_case.finish()
        crash_case.judge(wanted)

    numbers = list(range(1, reached + 1))
    if point in PER_FILE:
        numbers = some(numbers, SOME)
    elif SCENARIOS[name].apps > 1:
        numbers = some(numbers, SOME_OF_A_SET)
    elif SCENARIOS[name].kind == "git" and not point.startswith(("git.", "step.")):
        numbers = some(numbers, FEW)
    if not FULL:
        numbers = one_of(numbers, f"{name}-{point}")
    crash_pool.try_all(name, [(f"{point}#{number}", partial(kill, number)) for number in numbers])
