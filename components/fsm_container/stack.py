"""The compose project on this host: the command line that reaches it, and what compose makes of its files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fsm.errors import PlanError
from fsm.model import Model
from fsm.services.docker import compose
from fsm.services.docker.client import Docker
from fsm.services.docker.facts import Container
from fsm.system import regular
from fsm.system.inherited import inherited
from fsm_container.composefile import ComposeFile
from fsm_container.project import Project
from fsm_container.spec import ContainerSpec

FILE_LIMIT: Final = 4 << 20
"""Bytes of a compose or env file. Its links are followed, as compose does; who may write it is asked elsewhere."""

_SHARED: Final = ("network_mode", "ipc", "pid")


class Stack(Model):
    """A compose project; frozen in plans.

    Attributes:
        docker: the engine.
        program: compose's command.
        project: the compose project's name; None leaves it to compose.
        directory: what relative paths in the compose files are relative to.
        files: the compose files, real paths.
        env_files: where variables come from, those that are there or are written to.
        services: the services that are updated.
        engine_unit: the engine's unit, which may be restarted where nothing else helps; empty: never.
    """

    docker: Docker
    program: tuple[str, ...]
    project: str | None
    directory: Path
    files: tuple[Path, ...]
    env_files: tuple[Path, ...]
    services: tuple[str, ...]
    engine_unit: str = ""

    @classmethod
    def of(cls, spec: ContainerSpec, program: Sequence[str]) -> Stack:
        """The project that a configuration describes."""
        return cls(
            docker=Docker(host=spec.docker_host),
            program=tuple(program),
            project=spec.project,
            directory=spec.directory,
            files=tuple(Path(os.path.realpath(path)) for path in spec.files()),
            env_files=tuple(Path(os.path.realpath(path)) for path in spec.env_files()),
            services=spec.services,
            engine_unit=spec.engine_unit,
        )

    @property
    def name(self) -> str:
        """The compose project's name.

        Raises:
            PlanError: it was not found out yet.
        """
        if self.project is None:
            raise PlanError("cannot tell the compose project", "its name is unknown", "set project")
        return self.project

    def argv(self, *args: str, instead: Mapping[Path, Path] | None = None, also: Sequence[Path] = ()) -> list[str]:
        """A command of compose.

        Args:
            args: the command and its options.
            instead: files that are read in the place of others.
            also: further compose files.
        """
        instead = instead or {}
        envs = [each for path in self.env_files if (each := instead.get(path, path)).exists()]
        return [
            # A plan may be older than the package that has put the plugin somewhere else.
            *compose.current(self.program),
            *([] if self.project is None else ["--project-name", self.project]),
            *("--project-directory", str(self.directory)),
            *(part for path in (*self.files, *also) for part in ("--file", str(instead.get(path, path)))),
            *(part for path in envs for part in ("--env-file", str(path))),
            # A service that is named counts, and so does what it depends on, whether or not its profile is active.
            *("--profile", "*"),
            *("--progress", "plain", "--ansi", "never"),
            *args,
        ]

    def config(self, instead: Mapping[Path, Path] | None = None) -> dict[str, Any]:
        """What compose makes of the files, see `compose.config`."""
        return compose.config(self.argv(instead=instead), self.docker.environ)

    def containers(self, *services: str) -> list[Container]:
        """The containers of some services, by default those that are updated."""
        wanted = services or self.services
        return [each for each in self.docker.containers(self.name) if each.service in wanted]

    def again(self, seen: Sequence[Container]) -> list[Container]:
        """The containers of the updated services as they are now: by id, where all that were seen exist."""
        found = self.docker.inspected([each.id for each in seen])
        return [Container.of(each) for each in found] if seen and len(found) == len(seen) else self.containers()

    def read(self) -> Project:
        """The files as bytes.

        Raises:
            PlanError: one cannot be read.
            ManifestError: one is no YAML.
        """
        files = [ComposeFile.of(path, _bytes(path)) for path in self.files]
        envs = {path: _bytes(path) if path.exists() else None for path in self.env_files}
        return Project(files, envs, inherited())


def _bytes(path: Path) -> bytes:
    try:
        return regular.read(path, FILE_LIMIT, follow=True)
    except OSError as error:
        raise PlanError(
            f"cannot read {path}", error.strerror or str(error), "correct compose_files or env_file, or the file"
        ) from error


def sharing(config: Mapping[str, Any], services: Sequence[str]) -> tuple[str, ...]:
    """The services that use the network, ipc or pid of some services, at whatever remove."""
    found = list(services)
    for _ in config.get("services") or {}:
        for name, about in config["services"].items():
            uses = {str(about.get(key, "")).removeprefix("service:") for key in _SHARED}
            if name not in found and uses & set(found):
                found.append(name)
    return tuple(found[len(services) :])
