"""How long the versions that updates replaced stay on the host: configured alike in every component type."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from fsm.adapter import StepContext
from fsm.kit.layout import BackupRecord
from fsm.model import Model

RecordT = TypeVar("RecordT", bound=BackupRecord)


class Retention(Model):
    """How long old versions are kept.

    Attributes:
        count: at least so many, whatever their age.
        days: all that are younger.
    """

    count: Annotated[int, Field(ge=1)] = 3
    days: Annotated[float, Field(ge=0)] = 7.0

    def expired(self, kept: Iterable[tuple[Path, RecordT]], ctx: StepContext) -> list[tuple[Path, RecordT]]:
        """What may go: beyond the newest, and older than some days; never what this run replaced.

        A run that waits for the others of its set may still go back, which takes what it replaced out of the backups:
        as long as that is so, it does not count.

        Args:
            kept: the versions with their places, newest first.
            ctx: the context of the step that asks.
        """
        limit = datetime.now(UTC) - timedelta(days=self.days)
        return [
            (path, record)
            for path, record in list(kept)[self.count + ctx.provisional :]
            if record.run != ctx.run_id and datetime.fromisoformat(record.made_at) < limit
        ]
