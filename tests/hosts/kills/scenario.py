"""What a kill test needs to know of a component type: the interface of `python_app.py` and its siblings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tests.hosts.machine import Machine

LISTING = r"""
find "$@" -printf '%p %y %m %U %G %T@ %l\n' | sort
find "$@" -type f -print0 | sort -z | xargs -0 -r sha256sum
"""
"""For every file, directory and link: type, mode, owner, group, time and target; for every file the digest."""


class Scenario(ABC):
    """Something installed on a machine that is updated, and killed meanwhile.

    Attributes:
        name: of the scenario, as calls name it.
        title: what the report calls it.
        components: the components that one call updates; empty where no updater of ours is involved.
        set_name: of the set that they are, after an ``@``; empty where it is one component.
        docker: whether the machine has an engine of its own.
        command: the update.
        can_break: whether some of the releases are broken, so that the update has to go back by itself.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    components: ClassVar[tuple[str, ...]]
    set_name: ClassVar[str] = ""
    docker: ClassVar[bool] = False
    command: ClassVar[tuple[str, ...]]
    can_break: ClassVar[bool] = True

    @abstractmethod
    def prepare(self, host: Machine) -> None:
        """Make a new machine what it is before the first update: version 1.0.0 runs and is used."""

    @abstractmethod
    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """Publish a release.

        Args:
            host: the machine, whose source is on its own disk.
            version: newer than every one before.
            broken: whether it fails its check after the start.
        """

    @abstractmethod
    def installed(self, host: Machine) -> dict[str, str]:
        """For each part the version that its files, or its image, have."""

    @abstractmethod
    def answers(self, host: Machine) -> dict[str, str]:
        """For each part the version that answers; empty where nobody does."""

    @abstractmethod
    def preserved(self, host: Machine) -> str:
        """Everything that an update must leave alone, by name, mode, owner, time and digest."""

    def oddities(self, host: Machine) -> list[str]:
        """What else is wrong with a host that was updated, one sentence each."""
        return []

    def listing(self, host: Machine, folder: str, names: Sequence[str]) -> str:
        """`preserved` of names in a directory."""
        return host.run("sh", "-c", f'cd "{folder}" && set -- {" ".join(names)} && {LISTING}')


class Ours(Scenario):
    """A scenario with this updater.

    Attributes:
        config: tables of `fsm.toml`.
    """

    config: ClassVar[str]

    @abstractmethod
    def furnish(self, host: Machine) -> None:
        """Install the component and use it; the configuration is there."""

    def prepare(self, host: Machine) -> None:
        """See `Scenario.prepare`."""
        host.write("/etc/fsm/fsm.toml", self.config)
        self.furnish(host)
        host.run("fsm", "install-service")
