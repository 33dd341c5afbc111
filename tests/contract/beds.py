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

    @property
    def name(self) -> str:
        """The component's name."""

    @property
    def stopping(self) -> str:
        """The fault point at which the old version stops to be what runs, or what is to run."""

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

    def unplug(self) -> None:
        """Take away everything that an update comes from."""

    def close(self) -> None:
        """End what runs."""


class PythonAppBed:
    """A Python app with 1.0.0 installed and 1.1.0 published."""

    name: str = Bed.name
    stopping: Final = "service.stopping"

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

    def unplug(self) -> None:
        """See `ComponentBed.unplug`."""
        self._bed.releases.rename(self._bed.root / "unplugged")

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


def container(root: Path) -> ComponentBed:
    """A compose service with 1.0.0 running and 1.1.0 published."""
    # An engine is looked for when a test needs one.
    from tests.compose import ComposeBed

    bed = ComposeBed(root)
    bed.start("1.0.0")
    bed.publish("1.1.0")
    return bed


BEDS: Final[dict[str, Callable[[Path], ComponentBed]]] = {
    "python_app": PythonAppBed,
    "container": container,
    "git": GitCheckoutBed,
}

NEEDS: Final[dict[str, tuple[str, ...]]] = {"container": ("needs_docker",)}
"""Markers of the tests of a type; without what they name, its tests are skipped with the reason."""
