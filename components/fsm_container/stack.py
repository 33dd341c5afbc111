"""The compose project on this host: the command line that reaches it, and what compose makes of its files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fsm.errors import CommandFailed, DeadlineExceeded, PlanError, Unsupported
from fsm.model import Model
from fsm.system.shell import ask
from fsm_container.composefile import ComposeFile
from fsm_container.docker import Docker
from fsm_container.facts import Container, EngineInfo
from fsm_container.project import Project
from fsm_container.spec import ContainerSpec

PLUGIN: Final = ("docker", "compose")

_PLUGINS: Final = tuple(
    Path(top, place, "docker/cli-plugins") for top in ("/usr/local", "/usr") for place in ("lib", "libexec")
)
"""Where packages put plugins: https://docs.docker.com/compose/install/linux/#install-the-plugin-manually."""

_SHARED: Final = ("network_mode", "ipc", "pid")
_INSTALL: Final = "install the compose plugin, version 2 (https://docs.docker.com/compose/install/linux/)"


def likely_program() -> tuple[str, ...]:
    """What `compose_program` probably says: it can be asked while the engine is."""
    mine = Path(os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"), "cli-plugins")
    programs = (folder / "docker-compose" for folder in (mine, *_PLUGINS))
    return next(((str(path),) for path in programs if os.access(path, os.X_OK)), PLUGIN)


def compose_program(engine: EngineInfo) -> tuple[str, ...]:
    """The program that is ``docker compose``, or a ``docker-compose`` of version 2.

    The plugin is a program of its own, and `docker` says where it is; `docker compose` asks it what it is, at each
    call, before it starts it: half of the time that a question to compose takes.

    Raises:
        Unsupported: there is none, or only version 1.
    """
    what = "cannot update compose services"
    if engine.compose is not None:
        if _major(engine.compose) >= 2:
            path = engine.compose_path
            return (str(path),) if path is not None else PLUGIN
        raise Unsupported(what, f"`docker compose` is version {engine.compose}, and version 2 is needed", _INSTALL)
    try:
        asked = ask(["docker-compose", "version", "--short"], timeout=20)
    except (CommandFailed, DeadlineExceeded):
        raise Unsupported(what, "`docker compose` is not installed", _INSTALL) from None
    version = asked.out.decode(errors="replace").strip()
    if asked.code == 0 and _major(version) >= 2:
        return ("docker-compose",)
    why = f"only docker-compose {version or 'of an unknown version'} is here, and version 2 is needed"
    raise Unsupported(what, why, f"{_INSTALL}: version 1 is no longer maintained and leaves other containers behind")


def _major(version: str) -> int:
    head = version.strip().removeprefix("v").partition(".")[0]
    return int(head) if head.isdigit() else 0


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
        # A plan may be older than the package that has put the plugin somewhere else.
        gone = os.path.isabs(self.program[0]) and not os.access(self.program[0], os.X_OK)
        return [
            *(PLUGIN if gone else self.program),
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
        """What compose makes of the files. It has secrets in it: it is neither logged nor journaled.

        Raises:
            StepFailed: compose refuses them.
            Transient: the engine does not answer.
        """
        found: dict[str, Any] = self.docker.parsed(self.argv("config", "--format", "json", instead=instead))
        return found

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
        return Project(files, envs, dict(os.environ))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
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
