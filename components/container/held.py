"""A port that the engine holds for a container that is gone; only the engine's restart frees it.

When the power fails while the engine gives a container its network, the engine may find at the next boot the ports of
an endpoint whose container it no longer knows, and take them as given away for good ("port is already allocated";
Docker 20.10, https://github.com/moby/moby/issues/20486). Removing the container or its network does not help (both
tried), and no other container can have the port. That is no foreign program on the port, which the engine calls
"address already in use": it is the engine's own book, and no running container stands behind the entry.

The restart is taken only where it takes nothing else down for good: every other container that runs must be one that
the engine itself starts again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from components.container.facts import Container
from components.container.stack import Stack
from fsm import faults
from fsm.adapter import StepContext
from fsm.errors import StepFailed
from fsm.services.systemctl import Systemctl

_BOOKED: Final = "already allocated"
"""In the engine's error where its own book of ports refuses, and not the system."""

_COMES_BACK: Final = ("always", "unless-stopped")


class Freed(NamedTuple):
    """What became of it.

    Attributes:
        ports: those that were found held, ``127.0.0.1:8080/tcp``.
        why_not: why the engine was not restarted; empty where it was.
    """

    ports: tuple[str, ...]
    why_not: str = ""

    @property
    def note(self) -> str:
        """For people, when it worked."""
        return f"restarted the Docker engine: it held {', '.join(self.ports)} for a container that is gone"

    @property
    def complaint(self) -> str:
        """Why it did not; empty where it is not about held ports."""
        if not self.ports or not self.why_not:
            return ""
        held = f"the Docker engine holds {', '.join(self.ports)} for a container that is gone"
        return f"{held}, and {self.why_not}; `systemctl restart docker` frees it"


def held_ports(refused: list[Container], running: list[Container]) -> tuple[str, ...]:
    """The ports that the engine refuses to containers although no running one has them."""
    taken = {port for each in running for port in each.published}
    wanted = {port for each in refused if _BOOKED in each.error and not each.running for port in each.wanted_ports}
    return tuple(sorted(wanted - taken))


def free_ports(stack: Stack, ctx: StepContext) -> Freed:
    """Restart the engine where it holds ports that the services need for containers that are gone."""
    refused = [each for each in stack.containers() if _BOOKED in each.error]
    running = stack.docker.running() if refused else []
    ports = held_ports(refused, running)
    if not ports:
        return Freed(())
    why_not = _forbidden(stack, running) or _restart(stack, ctx)
    return Freed(ports, why_not)


def _forbidden(stack: Stack, running: list[Container]) -> str:
    """Why the engine must not be restarted; empty where it may be."""
    if not stack.engine_unit:
        return "engine_unit does not let the updater restart it"
    if not stack.docker.is_local:
        return "it runs on another host"
    ours = {each.id for each in stack.containers()}
    lost = [each.name for each in running if each.id not in ours and each.restart_policy not in _COMES_BACK]
    return f"its restart would end {', '.join(sorted(lost))}, which nobody would start again" if lost else ""


def _restart(stack: Stack, ctx: StepContext) -> str:
    """Restart it and wait until it answers; says what went wrong."""
    systemctl = Systemctl(user=False, timeout=10.0)
    try:
        unit = systemctl.show(stack.engine_unit)
    except StepFailed as error:
        return error.cause
    if not unit.up:
        return f"it is not run by {unit.name}: {unit.words}"
    faults.point("container.engine.found")
    done = ctx.run(systemctl.command("restart", "--", stack.engine_unit), env=systemctl.variables)
    faults.point("container.engine.restarted")
    if done.code != 0:
        return f"`systemctl restart {stack.engine_unit}` ended with {done.code}: {' '.join(done.tail.split())[-300:]}"
    return "" if stack.docker.answers() else "it does not answer after its restart"
