"""Which of the versions that are kept may go: the same for every component type that keeps them by number and age."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar


class Record(Protocol):
    """What is asked of the record of a version that is kept."""

    @property
    def run(self) -> int:
        """The run that replaced it."""

    @property
    def made_at(self) -> str:
        """When; ISO 8601 with an offset."""


RecordT = TypeVar("RecordT", bound=Record)


def expired(
    kept: Iterable[tuple[Path, RecordT]], count: int, days: float, *, keep_run: int, provisional: bool
) -> list[tuple[Path, RecordT]]:
    """What may go: beyond the newest, and older than some days; never what this run replaced.

    Args:
        kept: the versions with their places, newest first.
        count: so many stay, whatever their age.
        days: all that are younger stay.
        keep_run: this run.
        provisional: whether it may still go back with its set, which takes what it replaced out of them: as long as
            that is so, it does not count.
    """
    limit = datetime.now(UTC) - timedelta(days=days)
    return [
        (path, record)
        for path, record in list(kept)[count + provisional :]
        if record.run != keep_run and datetime.fromisoformat(record.made_at) < limit
    ]
