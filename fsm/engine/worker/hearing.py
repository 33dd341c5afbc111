"""Who wants to hear what a worker says while it works."""

from __future__ import annotations

from typing import Protocol

from fsm.system.shell import Child


class Hearing(Protocol):
    """Who wants to hear what a worker says during a call."""

    def started(self, child: Child) -> None:
        """A child was started; it is known as the user's own."""

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """How far the call is."""

    def wrote(self, output: bytes) -> None:
        """Output of the worker and of its children."""


class Deaf:
    """Hears nothing, for questions: what only looks starts nothing that a resume would have to end."""

    def started(self, child: Child) -> None:
        """See `Hearing.started`."""

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """See `Hearing.progress`."""

    def wrote(self, output: bytes) -> None:
        """See `Hearing.wrote`."""
