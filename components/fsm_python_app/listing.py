"""Files by the thousand, for people: the first few names, and how many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from fsm.system.characters import printable

SHOWN: Final = 5
"""Names in a message; the rest is counted."""

LISTED: Final = 1000
"""Names in a record, or in the journal."""

FoundT = TypeVar("FoundT")


def first(found: Iterator[FoundT], most: int) -> tuple[list[FoundT], int]:
    """The first few of what is found, and how many there are; the rest is in memory at no time."""
    some = list(islice(found, most))
    return some, len(some) + sum(1 for _ in found)


def shown(paths: Sequence[str], number: int) -> str:
    """The first few of so many names."""
    more = f" and {number - SHOWN} more" if number > SHOWN else ""
    return ", ".join(printable(path) for path in paths[:SHOWN]) + more
