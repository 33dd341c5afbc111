"""A test bed for every component type: what the contract suite needs to try an adapter on a real host.

Who writes an adapter adds an entry to `BEDS`; without one the suite fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from fsm import inventory
from fsm.adapter import Registry
from fsm.inventory import Inventory
from fsm.updater import Updater
from tests.bed import Bed
from tests.gitbed import GitBed


class ComponentBed(Protocol):
    """A component of one type, installed and running, with a good and a bad release published."""

    name: str

    def updater(self, registry: Registry | None = None) -> Updater:
        """A new updater, as a new process would make it."""

    def live(self) -> Path:
        """The component's own tree."""

    def inventory(self) -> Inventory:
        """What is in it, as far as an undo brings it back to the byte."""

    def whole(self, version: str) -> bool:
        """Whether that version is installed and answers."""

    def break_release(self) -> None:
        """Publish a release that is newer than the good one and does not work."""

    def close(self) -> None:
        """End what runs."""


class PythonAppBed:
    """A Python app with 1.0.0 installed and 1.1.0 published."""

    name: str = Bed.name

    def __init__(self, root: Path) -> None:
        self._bed = Bed(root)
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

    def inventory(self) -> Inventory:
        """See `ComponentBed.inventory`."""
        return inventory.take(self._bed.live)

    def whole(self, version: str) -> bool:
        """See `ComponentBed.whole`."""
        return self._bed.answer() == version == self._bed.version()

    def break_release(self) -> None:
        """See `ComponentBed.break_release`."""
        self._bed.publish("1.2.0", "CRASHES")

    def close(self) -> None:
        """See `ComponentBed.close`."""
        self._bed.kill()


class GitCheckoutBed(PythonAppBed):
    """The same app as a git checkout. What git keeps for itself below ``.git`` is not compared, but asked of git."""

    def __init__(self, root: Path) -> None:
        self._bed: GitBed = GitBed(root)
        self._bed.publish("1.0.0")
        self._bed.install("1.0.0")
        self._bed.furnish()
        self._bed.start()
        self._bed.publish("1.1.0")

    def inventory(self) -> Inventory:
        """See `ComponentBed.inventory`."""
        return self._bed.inventory()

    def whole(self, version: str) -> bool:
        """See `ComponentBed.whole`."""
        return super().whole(version) and self._bed.is_clean(version)


BEDS: Final[dict[str, Callable[[Path], ComponentBed]]] = {"python_app": PythonAppBed, "git": GitCheckoutBed}
