"""The sample of the crash matrix that `make test` takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from random import Random
from typing import Final

FULL: Final = os.environ.get("FSM_CRASH") == "full"
"""Whether everything is tried (`make crash`)."""

SEED: Final = os.environ.get("FSM_CRASH_SEED", "")
"""What the sample depends on; `tests/conftest.py` sets it where nobody has."""

SHARES: Final = {
    "test_killed_again_while_resuming": 3,
    "test_a_service_that_was_started_behind_a_runs_back": 3,
    "test_kills_without_progress_roll_back": 1,
    "test_cancelled_after_a_crash": 1,
}
"""How many cases of each test belong to a sample; of the matrix it is one for each point, of all others all."""


def chosen(test: str, cases: Mapping[str, str], seed: str = SEED) -> set[str]:
    """The names of the cases of a test that are in the sample.

    Args:
        cases: for the name of each case the fault point that it is about, or nothing.
    """
    if test in SHARES:
        return set(Random(f"{seed} {test}").sample(sorted(cases), min(SHARES[test], len(cases))))
    names = sorted(cases)
    Random(f"{seed} {test}").shuffle(names)
    # Scenarios one after another, each for the points that those before it do not come to: to make one ready takes as
    # long as some crashes in it.
    rank: dict[str, int] = {}
    for name in names:
        rank.setdefault(scenario(name, cases[name]), len(rank))
    names.sort(key=lambda name: rank[scenario(name, cases[name])])
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(cases[name] or name, name)
    return set(first.values())


def scenario(name: str, point: str) -> str:
    """The scenario of a case, by the case's name: ``test[<scenario>-<point>]``."""
    return name.partition("[")[2].removesuffix(f"-{point}]") if point else name


def one_of(numbers: list[int], case: str, seed: str = SEED) -> list[int]:
    """One of the times that a case comes to its point."""
    return [Random(f"{seed} {case}").choice(numbers)]
