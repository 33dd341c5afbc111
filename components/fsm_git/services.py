"""The services of a checkout: started in their order, stopped in reverse."""

from __future__ import annotations

from typing import ClassVar

from fsm import kit
from fsm.adapter import Target
from fsm.kit import ServiceUnit
from fsm_git.spec import GitCheckoutSpec


def of(target: Target, spec: GitCheckoutSpec) -> tuple[ServiceUnit, ...]:
    """The configured services, as they run now."""
    named = spec.services.items()
    return tuple(ServiceUnit.look(f"{target.name}.{name}", service, target) for name, service in named)


class StopService(kit.StopService):
    """Stop the services; undone by starting those that ran before."""

    title: ClassVar[str] = "stop the services"
    undo_title: ClassVar[str] = "start the services"


class StartService(kit.StartService):
    """Start the services; undone by stopping them."""

    title: ClassVar[str] = "start the services"
    undo_title: ClassVar[str] = "stop the services"
