"""Service managers: how a component's service is started, stopped and asked.

Each manager has one module with its spec (what a configuration says) and its manager. A new one adds its module, its
spec to `AnySpec` in `specs`, and its name to `MANAGERS`. A plan names one of them, and only that one is loaded then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator

from fsm.services.base import Runner, ServiceManager, ServiceStatus
from fsm.system import late
from fsm.system.users import User

if TYPE_CHECKING:
    from fsm.services.command import CommandSpec
    from fsm.services.docker.spec import ComposeSpec
    from fsm.services.nothing import NoService
    from fsm.services.process import ProcessSpec
    from fsm.services.specs import AnySpec, ServiceSpec
    from fsm.services.systemd import SystemdSpec

__all__ = [
    "AnySpec",
    "CommandSpec",
    "ComposeSpec",
    "FrozenSpec",
    "NoService",
    "ProcessSpec",
    "Runner",
    "ServiceManager",
    "ServiceSpec",
    "ServiceStatus",
    "SystemdSpec",
    "open_service",
]

MANAGERS: Final = {
    "process": "fsm.services.process:ProcessSpec",
    "command": "fsm.services.command:CommandSpec",
    "systemd": "fsm.services.systemd:SystemdSpec",
    "compose": "fsm.services.docker.spec:ComposeSpec",
    "none": "fsm.services.nothing:NoService",
}
"""Where the spec of each manager is, by what a configuration calls it."""

__getattr__ = late.names(
    __name__,
    {
        **{place.partition(":")[2]: place for place in MANAGERS.values()},
        **dict.fromkeys(("AnySpec", "ServiceSpec"), "fsm.services.specs"),
    },
)


def _thawed(value: Any) -> Any:
    """The spec of a service in a frozen plan."""
    if not isinstance(value, dict):
        return value
    manager = value.get("manager")
    if manager not in MANAGERS:
        raise ValueError(f"there is no service manager {manager!r}")
    return late.at(MANAGERS[manager]).model_validate_json(json.dumps(value))


if TYPE_CHECKING:
    FrozenSpec = AnySpec
else:
    FrozenSpec = Annotated[Any, PlainValidator(_thawed), PlainSerializer(lambda spec: spec.model_dump(mode="json"))]
    """A service in a frozen plan: as `ServiceSpec`, but of the managers only the one that it names is loaded."""


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
