"""The configuration of compose services."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from fsm.adapter import Spec
from fsm.formats.checkspec import Check
from fsm.kit import Retention
from fsm.model import HostPath, Seconds, Version, spelled
from fsm.services.docker.reference import canonical, parse
from fsm.services.docker.spec import EngineUnit, override_of

SERVICE: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PROJECT: Final = r"^[a-z0-9][a-z0-9_-]*$"
TAG: Final = r"^[A-Za-z0-9._-]*\{version\}[A-Za-z0-9._-]*$"


class ContainerSpec(Spec):
    """Services of a compose project that have one image.

    Attributes:
        compose_files: the compose files, in the order of ``-f``; beside a single one with a usual name its override
            file counts as well, as it does for compose.
        project: the compose project's name; by default what compose itself takes for it.
        services: the services that are updated; all that have the image, unless `others` says so.
        image: the repository, e.g. ``ghcr.io/acme/web``; an image of another one is never used.
        tag: how a version becomes a tag, e.g. ``v{version}-alpine``.
        version_label: the image's label that tells its version where its tag does not.
        env_file: where variables come from, in the order of ``--env-file``; by default the ``.env`` beside the first
            compose file. Tags that are variables are changed there.
        others: what to do about services with the same image that are not named: ``refuse``, or ``leave`` them.
        one_shot: whether the services do something and end; by default found out from the containers.
        start_timeout: seconds until a container must be running and, if it has a healthcheck, healthy.
        settle_seconds: how long it must stay so before the update counts.
        healthcheck: whether an image without a healthcheck is accepted (``optional``) or not (``required``).
        pull_timeout: seconds for the download of the image.
        pre_checks, post_checks: beside those that the release's manifest asks for.
        allowed_hosts: hosts that a manifest's health checks may ask.
        retention: how long old images are kept.
        reserve_mb: MiB that must stay free on the engine's disk.
        docker_host: the engine, e.g. ``unix:///run/user/1000/docker.sock``; by default what ``docker`` uses.
        engine_unit: the engine's systemd unit. After a power cut an engine may hold a published port for a container
            that is gone; then it is restarted, if every other container that runs starts again by itself. Empty: never.
    """

    compose_files: Annotated[tuple[HostPath, ...], Field(min_length=1)]
    project: Annotated[str, spelled(PROJECT, "a compose project name of a-z 0-9 _ -")] | None = None
    services: Annotated[tuple[Annotated[str, spelled(SERVICE, "the name of a service")], ...], Field(min_length=1)]
    image: str
    tag: Annotated[str, spelled(TAG, "a tag with {version} in it")] = "{version}"
    version_label: str | None = "org.opencontainers.image.version"
    env_file: tuple[HostPath, ...] = ()
    others: Literal["refuse", "leave"] = "refuse"
    one_shot: bool | None = None
    start_timeout: Annotated[Seconds, Field(gt=0, le=86400)] = 120.0
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 15.0
    healthcheck: Literal["optional", "required"] = "optional"
    pull_timeout: Annotated[Seconds, Field(gt=0, le=86400)] = 1800.0
    pre_checks: tuple[Check, ...] = ()
    post_checks: tuple[Check, ...] = ()
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    retention: Retention = Retention()
    reserve_mb: Annotated[int, Field(ge=0)] = 64
    docker_host: str | None = None
    engine_unit: EngineUnit = "docker.service"

    @field_validator("image")
    @classmethod
    def _repository(cls, value: str) -> str:
        reference = parse(value)
        if reference is None or reference.tag or reference.digest:
            raise ValueError("give a repository without tag and digest, such as ghcr.io/acme/web")
        return value

    @model_validator(mode="after")
    def _each_once(self) -> ContainerSpec:
        if len(set(self.services)) != len(self.services):
            raise ValueError("services names one twice")
        return self

    @property
    def directory(self) -> Path:
        """The project's directory: that of the first compose file."""
        return self.compose_files[0].parent

    def files(self) -> tuple[Path, ...]:
        """The compose files, with the override file that compose would read by itself."""
        first = self.compose_files[0]
        override = override_of(first) if len(self.compose_files) == 1 else None
        return self.compose_files if override is None else (first, override)

    def env_files(self) -> tuple[Path, ...]:
        """Where variables come from; the first compose file's ``.env`` need not be there."""
        return self.env_file or (self.directory / ".env",)

    def tag_of(self, version: Version) -> str:
        """The tag of a version; a leading ``v`` of the version does not count, one of the pattern does."""
        return self.tag.replace("{version}", str(version).removeprefix("v"))

    def version_of(self, tag: str) -> Version | None:
        """The version that a tag stands for; None if it stands for none."""
        head, _, end = self.tag.partition("{version}")
        if not tag.startswith(head) or not tag.endswith(end) or len(tag) <= len(head) + len(end):
            return None
        return Version.parse(tag[len(head) : len(tag) - len(end)])

    def owns(self, repository: str) -> bool:
        """Whether this is the configured repository, in whatever spelling."""
        return canonical(repository) == canonical(self.image)
