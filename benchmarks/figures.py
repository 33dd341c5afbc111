"""What a benchmark yields: samples, and figures with their limits."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Samples = Sequence[float]
"""Seconds, one number for each repetition."""


@dataclass(frozen=True)
class Figure:
    """One line of a table.

    Attributes:
        what: what was measured.
        ours: the measured time, for people.
        against: what it is compared with, and its time; empty where the limit is a time.
        value: the number that the limit is about.
        unit: ``×`` for a ratio, ``ms`` or ``s`` for a time, ``MB`` (10^6 bytes) for memory, or what is counted.
        limit: None where the figure is only told.
        sense: whether `value` may be at most, or must be at least, the limit.
    """

    what: str
    ours: str
    against: str
    value: float
    unit: Literal["×", "ms", "s", "MB", "requests"]
    limit: float | None = None
    sense: Literal["at most", "at least"] = "at most"

    @property
    def ok(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        if self.limit is None:
            return None
        return self.value <= self.limit if self.sense == "at most" else self.value >= self.limit


def ratio(
    what: str,
    ours: Samples,
    peer: str,
    theirs: Samples,
    limit: float | None = None,
    sense: Literal["at most", "at least"] = "at most",
) -> Figure:
    """How many times as long ours takes ("at most"), or how many times as long theirs does ("at least")."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    found = mine / other if sense == "at most" else other / mine
    return Figure(what, spread(ours), f"{peer}: {spread(theirs)}", found, "×", limit, sense)


def duration(what: str, ours: Samples, *, under_ms: float | None = None, against: str = "") -> Figure:
    """A time that has a fixed limit in milliseconds, or none."""
    median = statistics.median(ours)
    if under_ms is None and median >= 1:
        return Figure(what, spread(ours), against, median, "s")
    return Figure(what, spread(ours), against, median * 1e3, "ms", under_ms)


def spread(samples: Samples) -> str:
    """The median, and between which values half of the repetitions lie."""
    if len(samples) < 4:
        return seconds(statistics.median(samples))
    low, _, high = statistics.quantiles(samples, n=4)
    return f"{seconds(statistics.median(samples))} ({seconds(low)} – {seconds(high)})"


def seconds(value: float) -> str:
    """A time with a unit that suits it, three digits."""
    scale, unit = (1.0, "s") if value >= 1 else (1e3, "ms") if value >= 1e-3 else (1e6, "µs")
    number = value * scale
    return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2}f} {unit}"


def interleaved(cases: Mapping[str, Callable[[], float]], rounds: int, *, warm: bool = True) -> dict[str, list[float]]:
    """Let the cases take turns, so that whatever else the machine does hits all of them alike.

    Args:
        cases: each does its thing once and returns its seconds.
        rounds: how often each counts.
        warm: whether each is called once before it counts.

    Returns:
        The seconds of each case, in order.
    """
    found: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values() if warm else ():
        case()
    for _ in range(rounds):
        for name, case in cases.items():
            found[name].append(case())
    return found


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """`work` as a case: its wall time."""

    def case() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return case
