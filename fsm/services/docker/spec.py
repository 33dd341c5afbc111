"""What a host configures of services of a compose project; who manages them is loaded when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from fsm.model import HostPath, Model, Seconds, spelled
from fsm.services.base import ServiceManager
from fsm.system.users import User

EngineUnit = Annotated[str, spelled(r"^(?:[A-Za-z0-9:_.@-]+\.service)?$", "the name of a service unit, or empty", 255)]
"""The engine's systemd unit; empty if nobody may restart it."""

USUAL_FILES: Final = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""The names that compose looks for by itself; beside a file of one of them it looks for an override file as well."""


def override_of(file: Path) -> Path | None:
    """The override file that compose reads by itself beside a file with a usual name; None if there is none."""
    if file.name not in USUAL_FILES:
        return None
    stem = file.name.rpartition(".")[0]
    names = (file.with_name(f"{stem}.override{ending}") for ending in (".yml", ".yaml"))
    return next((path for path in names if path.exists()), None)


_Name = Annotated[str, spelled(r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$", "the name of a compose service", 200)]
_Time = Annotated[Seconds, Field(gt=0, le=3600)]


class ComposeSpec(Model):
    """Services of a compose project. ``docker compose`` v2 is needed.

    Attributes:
        cwd: the project's directory.
        files: compose files, relative to it; empty: what compose itself finds there.
        project: the project's name; None: what compose makes of the directory's name (a `name:` in a file is not read).
        services: which of its services; empty: all whose profile is active, as ``COMPOSE_PROFILES`` in the project's
            ``.env`` has it; a service of another profile is stopped with them, and is not started again.
        once: those that run and end: they count when they have exited with 0.
        start_timeout: seconds until all of them run, and are healthy if they have a check.
        stop_timeout: seconds for a stop.
        grace: seconds that a container has between TERM and KILL.
        status_timeout: seconds for one question.
        calm_seconds: how long a container that the engine restarted by itself must stay up to count as active.
        engine_unit: the engine's systemd unit. After a power cut an engine may hold a published port for a container
            that is gone; then it is restarted, if every other container that runs starts again by itself. Empty: never.
    """

    manager: Literal["compose"]
    cwd: HostPath
    files: tuple[str, ...] = ()
    project: Annotated[str, spelled(r"^[a-z0-9][a-z0-9_-]*$", "a compose project name of a-z 0-9 _ -")] | None = None
    services: tuple[_Name, ...] = ()
    once: tuple[_Name, ...] = ()
    start_timeout: _Time = 180.0
    stop_timeout: _Time = 120.0
    grace: Annotated[int, Field(ge=0, le=3600)] = 10
    status_timeout: _Time = 20.0
    calm_seconds: Annotated[Seconds, Field(ge=0, le=3600)] = 10.0
    engine_unit: EngineUnit = "docker.service"

    def reads(self) -> tuple[Path, ...]:
        """The compose files, with those that compose finds by itself."""
        if self.files:
            return tuple(self.cwd / name for name in self.files)
        usual = [self.cwd / name for name in USUAL_FILES]
        return (*usual, *[found for path in usual if (found := override_of(path))])

    def open(self, name: str, state_dir: Path, user: User | None) -> ServiceManager:
        """The manager of these services."""
        from fsm.services.docker.service import ComposeService  # noqa: PLC0415 - the client, only where it is needed

        return ComposeService(self, name)
