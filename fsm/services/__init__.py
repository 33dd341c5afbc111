"""Service managers: how a component's service is started, stopped and asked.

Each manager has one module with its spec (what a configuration says) and its manager. A new one adds its module and
its spec to `ServiceSpec`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from fsm.services.base import Runner, ServiceManager, ServiceStatus
from fsm.services.command import CommandSpec
from fsm.services.docker.spec import ComposeSpec
from fsm.services.nothing import NoService
from fsm.services.process import ProcessSpec
from fsm.services.systemd import SystemdSpec
from fsm.system.users import User

__all__ = [
    "AnySpec",
    "CommandSpec",
    "ComposeSpec",
    "NoService",
    "ProcessSpec",
    "Runner",
    "ServiceManager",
    "ServiceSpec",
    "ServiceStatus",
    "SystemdSpec",
    "open_service",
]

AnySpec = ProcessSpec | CommandSpec | SystemdSpec | ComposeSpec | NoService

ServiceSpec = Annotated[AnySpec, Field(discriminator="manager")]
"""How a configuration describes a service; `manager` says which kind it is."""


def open_service(spec: AnySpec, *, name: str, state_dir: Path, user: User | None = None) -> ServiceManager:
    """The manager of one service; nothing is started, asked or written yet.

    Args:
        spec: what the configuration says.
        name: the service's name; unique in `state_dir`.
        state_dir: the host's state directory; a manager keeps its files in ``services/`` there.
        user: as whom programs of the configuration run that it starts; None: as the updater.

    Raises:
        ConfigError: the name cannot be part of a file name, or a relative program has no `cwd` to be relative to.
    """
    return spec.open(name, state_dir, user)
