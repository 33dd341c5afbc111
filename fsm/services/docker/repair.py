"""What a power cut, or a killed `docker compose`, leaves behind in a Docker engine, and how it is put in order.

Names: compose gives a service a new image in five calls. It makes the new container under ``<old one's id>_<name>``,
stops the old one, removes it, renames the new one, starts it. Killed in between, the next `up` meets two containers
with one number, or a name that is in use (https://github.com/docker/compose/issues/6704 has many of those). A container
with such a name goes when the one that it was to replace is still there, and gets that one's name when it is gone; then
it has the volumes.

Ports: when the power fails while the engine puts a container on its network, it may find at the next boot the ports of
an endpoint of which it no longer knows the container, and take them as given away for good ("port is already
allocated"; Docker 20.10, https://github.com/moby/moby/issues/20486). Removing the container or its network does not
help, and no other container can have the port; only the engine's restart frees it. "Address already in use" is
something else: a foreign program on the port. The restart is taken only where it takes nothing else down for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fsm.adapter import CommandResult
from fsm.errors import StepFailed, Transient, Unsupported
from fsm.services.base import Runner
from fsm.services.docker.endpoint import Socket
from fsm.services.docker.facts import COMES_BACK, intended_name
from fsm.services.systemctl import Systemctl
from fsm.system import faults
from fsm.system.exit_codes import exited

if TYPE_CHECKING:
    from fsm.services.docker.client import Docker

_BOOKED: Final = "already allocated"
"""In the error of a container that the engine's own book of ports refuses, and not the system."""

_ANY: Final = ("0.0.0.0", "::")


def put_in_order(docker: Docker, ctx: Runner, containers: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Clear away what a killed compose left; says what was done.

    Args:
        docker: the engine.
        ctx: runs the commands.
        containers: id and name of each container of some services.
    """
    taken = {name for _, name in containers}
    notes = []
    for ident, name in containers:
        # Judged by what is there afterwards: a container that is gone meanwhile is no failure.
        intended = intended_name(name)
        if intended == name:
            continue
        if intended in taken:
            docker.run(ctx, "container", "rm", "--force", ident)
            faults.point("engine.names.removed")
            notes.append(f"removed {name}, which an interrupted `docker compose` had left")
        else:
            docker.run(ctx, "container", "rename", ident, intended)
            faults.point("engine.names.renamed")
            taken.add(intended)
            notes.append(f"renamed {name} to {intended}: an interrupted `docker compose` had left it")
    return tuple(notes)


class Freed(NamedTuple):
    """What became of ports that the engine held for containers that are gone.

    Attributes:
        ports: those that were found, ``127.0.0.1:8080/tcp``.
        why_not: why the engine was not restarted; empty if it was.
        unit: the engine's unit, as far as it is known.
    """

    ports: tuple[str, ...] = ()
    why_not: str = ""
    unit: str = ""

    @property
    def note(self) -> str:
        """For people, where the engine was restarted; empty in any other case."""
        done = self.ports and not self.why_not
        return f"restarted the Docker engine: it held {self._whom}" if done else ""

    @property
    def complaint(self) -> str:
        """Why it was not, and what to do; empty if it is not about held ports."""
        if not self.ports or not self.why_not:
            return ""
        remedy = f"`systemctl restart {self.unit}`" if self.unit else "the engine's restart"
        return f"the Docker engine holds {self._whom}, and {self.why_not}; {remedy} frees it"

    @property
    def _whom(self) -> str:
        return f"{', '.join(self.ports)} for a container that is gone"


def freeing(
    docker: Docker, ctx: Runner, start: Callable[[], CommandResult], ids: Callable[[], Sequence[str]], *, unit: str
) -> tuple[CommandResult, Freed]:
    """Start containers; once more where the engine had to let go of their ports first.

    Args:
        docker: the engine.
        ctx: runs the commands.
        start: the command that starts them.
        ids: the containers that it should have started, asked when it has failed.
        unit: the engine's unit, see `spec.EngineUnit`.
    """
    done = start()
    if done.code == 0:
        return done, Freed()
    freed = _free(docker, ctx, ids, unit)
    return (start(), freed) if freed.note else (done, freed)


def _free(docker: Docker, ctx: Runner, ids: Callable[[], Sequence[str]], unit: str) -> Freed:
    try:
        mine = docker.inspected(ids())
        refused = [each for each in mine if _BOOKED in each["State"].get("Error", "") and not each["State"]["Running"]]
        running = docker.inspected(docker.running()) if refused else []
    except (Transient, StepFailed, Unsupported):
        return Freed()  # of an engine that does not answer there is nothing to be found out
    ports = held_for_nobody(refused, running)
    if not ports:
        return Freed()
    return Freed(ports, forbidden(docker, mine, running, unit) or _restart(docker, ctx, unit), unit)


def held_for_nobody(refused: Iterable[dict[str, Any]], running: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """The ports that some containers were refused and no running one has, not even on all or on one of its addresses.

    Args:
        refused: what the engine has about the containers (``docker container inspect``) that it did not start.
        running: the same about those that run.

    Returns:
        ``127.0.0.1:8080/tcp``.
    """
    taken = {place for each in running for place in _ports((each.get("NetworkSettings") or {}).get("Ports"))}
    everywhere = {port for address, port in taken if address in _ANY}
    somewhere = {port for _, port in taken}
    wanted = {place for each in refused for place in _ports(each["HostConfig"].get("PortBindings"))}
    return tuple(
        f"{address}:{port}"
        for address, port in sorted(wanted - taken)
        if port not in (somewhere if address in _ANY else everywhere)
    )


def _ports(bindings: Mapping[str, Sequence[Mapping[str, str]] | None] | None) -> set[tuple[str, str]]:
    """The host's side of published ports, address and ``8080/tcp``; one that the engine picks is not known before."""
    return {
        (each.get("HostIp") or "0.0.0.0", f"{each['HostPort']}/{port.rpartition('/')[2]}")
        for port, places in (bindings or {}).items()
        for each in places or ()
        if each.get("HostPort", "").isdigit()
    }


def forbidden(docker: Docker, mine: Sequence[dict[str, Any]], running: Sequence[dict[str, Any]], unit: str) -> str:
    """Why the engine must not be restarted; empty if it may be."""
    if not unit:
        return "engine_unit does not let the updater restart it"
    if not isinstance(docker.endpoint, Socket):
        return "it runs on another host"
    ours = {each["Id"] for each in mine}
    lost = sorted(
        each["Name"].removeprefix("/")
        for each in running
        if each["Id"] not in ours and (each["HostConfig"].get("RestartPolicy") or {}).get("Name") not in COMES_BACK
    )
    return f"its restart would end {', '.join(lost)}, which nobody would start again" if lost else ""


def _restart(docker: Docker, ctx: Runner, name: str) -> str:
    """Restart the engine and wait until it answers; says what went wrong."""
    systemctl = Systemctl(user=False, timeout=10.0)
    try:
        unit = systemctl.show(name)
    except StepFailed as error:
        return error.cause
    if not unit.up:
        return f"it is not run by {name}: {unit.words}"
    faults.point("engine.restart.allowed")
    done = ctx.run(systemctl.command("restart", "--", name), env=systemctl.variables)
    faults.point("engine.restart.done")
    if done.code != 0:
        return f"`systemctl restart {name}` {exited(done.code)}: {' '.join(done.tail.split())[-300:]}"
    return "" if docker.answers() else "it does not answer"
