"""The sample of the crash matrix that `make test` takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain, islice, zip_longest
from random import Random
from typing import Final

FULL: Final = os.environ.get("FSM_CRASH") == "full"
"""Whether everything is tried (`make crash`)."""

SEED: Final = os.environ.get("FSM_CRASH_SEED", "")
"""What the sample depends on; `tests/conftest.py` sets it where nobody has."""

SHARES: Final = {
    "test_killed_again_while_resuming": 2,
    "test_a_service_that_was_started_behind_a_runs_back": 3,
    "test_a_service_that_a_boot_has_ended_runs_again": 9,
    "test_kills_without_progress_roll_back": 1,
    "test_a_rollback_that_is_always_killed_needs_a_person_who_can_go_on": 1,
    "test_cancelled_after_a_crash": 1,
}
"""How many cases of each test belong to a sample; of the matrix it is one for each point, of all others all."""

UNDISTURBED: Final = frozenset(
    {"test_the_table_is_what_the_code_passes", "test_an_undisturbed_run_keeps_what_users_wrote"}
)
"""Tests of each scenario by itself: a sample has those of the scenarios that the matrix needs anyway."""


def chosen(test: str, cases: Mapping[str, str], seed: str = SEED) -> set[str]:
    """The names of the cases of a test that are in the sample.

    Args:
        cases: for the name of each case the fault point that it is about, or nothing.
    """
    names = sorted(cases)
    Random(f"{seed} {test}").shuffle(names)
    if test in SHARES:
        return _spread(names, SHARES[test])
    # Scenarios one after another, each for the points that those before it do not come to: to make one ready takes as
    # long as some crashes in it. So none is made ready for points that the others come to as well.
    points: dict[str, dict[str, str]] = {}
    for name in names:
        points.setdefault(scenario(name, cases[name]), {}).setdefault(cases[name] or name, name)
    for one in list(points):
        if points[one].keys() <= {point for other in points if other != one for point in points[other]}:
            del points[one]
    first: dict[str, str] = {}
    for own in points.values():
        for point, name in own.items():
            first.setdefault(point, name)
    return set(first.values())


def _spread(names: list[str], count: int) -> set[str]:
    """So many of the names, from one kind of case after another: from ``test[a-...]`` and ``test[b-...]`` in turns."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(name.partition("[")[2].partition("-")[0], []).append(name)
    turns = chain.from_iterable(zip_longest(*kinds.values()))
    return set(islice(filter(None, turns), count))


def scenario(name: str, point: str) -> str:
    """The scenario of a case, by the case's name: ``test[<scenario>-<point>]``."""
    return name.partition("[")[2].removesuffix(f"-{point}]") if point else name


def one_of(numbers: list[int], case: str, seed: str = SEED) -> list[int]:
    """One of the times that a case comes to its point."""
    return [Random(f"{seed} {case}").choice(numbers)]
