"""A set: the Python app, the compose service and the checkout, updated together or not at all."""

from __future__ import annotations

from typing import ClassVar, Final

from tests.hosts.kills.container import Container
from tests.hosts.kills.git import GitCheckout
from tests.hosts.kills.python_app import PythonApp
from tests.hosts.kills.scenario import Ours
from tests.hosts.machine import Machine

_MEMBERS: Final[tuple[Ours, ...]] = (PythonApp(), Container(), GitCheckout())
_NAMES: Final = tuple(name for member in _MEMBERS for name in member.components)


class Product(Ours):
    """The set `product` of components `web`, `shop` and `app`, of which none depends on another."""

    name: ClassVar = "set"
    title: ClassVar = "set of all three"
    components: ClassVar = _NAMES
    set_name: ClassVar = "@product"
    docker: ClassVar = True
    command: ClassVar = ("fsm", "update", "--set", "product")
    config: ClassVar = "\n".join(
        [*(member.config for member in _MEMBERS), "[sets]", f"product = [{', '.join(map(repr, _NAMES))}]", ""]
    )

    def furnish(self, host: Machine) -> None:
        """Install and use each."""
        for member in _MEMBERS:
            member.furnish(host)

    def publish(self, host: Machine, version: str, *, broken: bool) -> None:
        """A release of each; of a broken one only one member is broken, each in its turn."""
        turn = int(version.split(".")[1]) % len(_MEMBERS)
        for number, member in enumerate(_MEMBERS):
            member.publish(host, version, broken=broken and number == turn)

    def installed(self, host: Machine) -> dict[str, str]:
        """Of all members."""
        return {name: version for member in _MEMBERS for name, version in member.installed(host).items()}

    def answers(self, host: Machine) -> dict[str, str]:
        """Of all members."""
        return {name: version for member in _MEMBERS for name, version in member.answers(host).items()}

    def preserved(self, host: Machine) -> str:
        """Of all members."""
        return "\n".join(member.preserved(host) for member in _MEMBERS)

    def oddities(self, host: Machine) -> list[str]:
        """Of all members."""
        return [odd for member in _MEMBERS for odd in member.oddities(host)]
