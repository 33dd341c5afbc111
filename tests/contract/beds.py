"""A test bed for every component type: what the contract suite needs to try an adapter on a real host.

Who writes an adapter adds an entry to `BEDS`; without one the suite fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from fsm.adapter import Registry
from fsm.updater import Updater
from tests.bed import Bed


class ComponentBed(Protocol):
    """A component of one type, installed and running, with a good and a bad release published."""

    name: str

    def updater(self, registry: Registry | None = None) -> Updater:
        """A new updater, as a new process would make it."""

    def live(self) -> Path:
        """The component's own tree."""

    def whole(self, version: str) -> bool:
        """Whether that version is installed and answers."""

    def break_release(self) -> None:
        """Publish a release that is newer than the good one and does not work."""

    def close(self) -> None:
        """End what runs."""


class PythonAppBed:
    """A Python app with 1.0.0 installed and 1.1.0 published."""

    def __init__(self, root: Path) -> None:
        self._bed = Bed(root)
        self.name: str = self._bed.name
        self._bed.publish("1.0.0")
        self._bed.install("1.0.0")
        self._bed.furnish()
        self._bed.start()
        self._bed.publish("1.1.0")

    def updater(self, registry: Registry | None = None) -> Updater:
        """See `ComponentBed.updater`."""
        return self._bed.updater(registry=registry)

    def live(self) -> Path:
        """See `ComponentBed.live`."""
        return self._bed.live

    def whole(self, version: str) -> bool:
        """See `ComponentBed.whole`."""
        return self._bed.answer() == version == self._bed.version()

    def break_release(self) -> None:
        """See `ComponentBed.break_release`."""
        self._bed.publish("1.2.0", "CRASHES")

    def close(self) -> None:
        """See `ComponentBed.close`."""
        self._bed.kill()


BEDS: Final[dict[str, Callable[[Path], ComponentBed]]] = {"python_app": PythonAppBed}
