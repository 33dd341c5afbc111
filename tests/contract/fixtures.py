"""A test fixture for every component type: what the contract suite needs to try an adapter on a real host.

Who writes an adapter adds an entry to `FIXTURES`; without one the suite fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from fsm.adapter import Registry
from fsm.system import inventory
from fsm.system.inventory import Inventory
from fsm.updater import Updater
from tests.app_fixture import AppFixture
from tests.git_fixture import GitFixture


class ComponentFixture(Protocol):
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


class PythonAppFixture:
    """A Python app with 1.0.0 installed and 1.1.0 published."""

    name: str = AppFixture.name
    stopping: Final = "service.stopping"

    def __init__(self, root: Path) -> None:
        self._app = AppFixture(root)
        self._app.publish("1.0.0")
        self._app.install("1.0.0")
        self._app.furnish()
        self._app.start()
        self._app.publish("1.1.0")

    def updater(self, registry: Registry | None = None) -> Updater:
        """See `ComponentFixture.updater`."""
        return self._app.updater(registry=registry)

    def live(self) -> Path:
        """See `ComponentFixture.live`."""
        return self._app.live

    def inventory(self) -> Inventory:
        """See `ComponentFixture.inventory`."""
        return inventory.take(self._app.live)

    def whole(self, version: str) -> bool:
        """See `ComponentFixture.whole`."""
        return self._app.answer() == version == self._app.version()

    def break_release(self) -> None:
        """See `ComponentFixture.break_release`."""
        self._app.publish("1.2.0", "CRASHES")

    def unplug(self) -> None:
        """See `ComponentFixture.unplug`."""
        self._app.releases.rename(self._app.root / "unplugged")

    def close(self) -> None:
        """See `ComponentFixture.close`."""
        self._app.kill()


class GitCheckoutFixture(PythonAppFixture):
    """The same app as a git checkout. What git keeps for itself below ``.git`` is not compared, but asked of git."""

    def __init__(self, root: Path) -> None:
        self._app: GitFixture = GitFixture(root)
        self._app.publish("1.0.0")
        self._app.install("1.0.0")
        self._app.furnish()
        self._app.start()
        self._app.publish("1.1.0")

    def inventory(self) -> Inventory:
        """See `ComponentFixture.inventory`."""
        return self._app.inventory()

    def whole(self, version: str) -> bool:
        """See `ComponentFixture.whole`."""
        return super().whole(version) and self._app.is_clean(version)


def container(root: Path) -> ComponentFixture:
    """A compose service with 1.0.0 running and 1.1.0 published."""
    # An engine is looked for when a test needs one.
    from tests.compose import ComposeFixture

    app_fixture = ComposeFixture(root)
    app_fixture.start("1.0.0")
    app_fixture.publish("1.1.0")
    return app_fixture


FIXTURES: Final[dict[str, Callable[[Path], ComponentFixture]]] = {
    "python_app": PythonAppFixture,
    "container": container,
    "git": GitCheckoutFixture,
}

NEEDS: Final[dict[str, tuple[str, ...]]] = {"container": ("needs_docker",)}
"""Markers of the tests of a type; without what they name, its tests are skipped with the reason."""
