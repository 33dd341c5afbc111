"""The sample of the crash matrix that `make test` takes."""

from __future__ import annotations

import os
from collections import defaultdict
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
    by_point: defaultdict[str, list[str]] = defaultdict(list)
    for name, point in sorted(cases.items()):
        by_point[point or name].append(name)
    return {Random(f"{seed} {point}").choice(names) for point, names in by_point.items()}


def one_of(numbers: list[int], case: str, seed: str = SEED) -> list[int]:
    """One of the times that a case comes to its point."""
    return [Random(f"{seed} {case}").choice(numbers)]
