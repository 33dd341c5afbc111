"""The configuration of a Python app."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from fsm.adapter import Spec
from fsm.formats.checkspec import Check
from fsm.kit import Retention
from fsm.model import HostPath, Model, Seconds
from fsm.services import NoService, ServiceSpec
from fsm.system.files import Patterns

ALL: Final = ":all:"
"""In `build_from_source`: every package that has no wheel."""


class VersionFrom(Model):
    """How the installed version is read: exactly one of the three.

    Attributes:
        file: a file in the app's directory, at most 64 KiB: plain text, or JSON with ``full_version`` (or ``version``).
        package: the name of a distribution in the app's environment.
        command: a program that prints the version; run in the app's directory.
    """

    file: str | None = None
    package: str | None = None
    command: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> VersionFrom:
        if sum(value is not None for value in (self.file, self.package, self.command)) != 1:
            raise ValueError("give exactly one of file, package and command")
        return self


class Environment(Model):
    """The app's virtual environment.

    Attributes:
        requirements: a requirements file in the release; a release without it gets no environment of its own.
        wheels: a directory in the release; when it is there, nothing is fetched from an index.
        index_url: the package index, if it is not the builder's usual one; may hold a password.
        extra_index_urls: further ones.
        url_hosts: hosts that a requirement's own URL (`name @ https://HOST/...`) may name.
        build_from_source: packages that are built from source, which runs programs of theirs; `[":all:"]` for every one
            that has no wheel. All others are installed from wheels only.
        env: variables that the builder gets beside `PATH`, `HOME` and a language: a proxy, certificates.
        link: the name in the app's directory that leads to the environment.
        builder: ``uv``, ``pip``, or ``auto`` for uv if it is installed, else pip.
        python: the interpreter to build with; by default the one that runs the updater.
        smoke: arguments for the new environment's Python, run in the unpacked release before anything is stopped.
        timeout: seconds to build.
    """

    requirements: str = "requirements.txt"
    wheels: str = "wheels"
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    url_hosts: tuple[str, ...] = ()
    build_from_source: tuple[str, ...] = ()
    env: dict[str, str] = {}
    link: str = ".venv"
    builder: Literal["auto", "uv", "pip"] = "auto"
    python: str | None = None
    smoke: tuple[str, ...] | None = None
    timeout: Seconds = 900.0

    @field_validator("build_from_source")
    @classmethod
    def _packages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name != ALL and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
                raise ValueError(f"{name!r} is not the name of a package; write names, or {ALL!r}")
        return value


class Migration(Model):
    """A program of the release that is run after the swap and before the start.

    Attributes:
        command: argv; a relative program is looked up in the app's directory, ``{python}`` is the environment's.
        optional: whether the update goes on when it fails.
        timeout: seconds.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    optional: bool = False
    timeout: Seconds = 600.0


class PythonAppSpec(Spec):
    """A Python app in a plain directory.

    Attributes:
        install_path: the app's directory, as it is.
        service: what starts and stops it; runs in `install_path` unless it says otherwise.
        service_name: what manifests may call it, beside the component's own name.
        preserve: patterns of files that keep their bytes, mode and owner through every update.
        version: how the installed version is read.
        environment: its virtual environment.
        migration: run after the swap, before the start; only what is named here can be run.
        pre_checks, post_checks: beside those that the release's manifest asks for.
        settle_seconds: how long the new version must stay up before it counts as active.
        retention: how long old versions are kept.
        backup: ``exchange`` keeps the old tree where it is; ``archive`` writes a tar.zst into `backup_dir` as well.
        backup_dir: where the archives go; may be on another disk.
        unlisted: what to do with local files that no release and no pattern accounts for.
        allowed_hosts: hosts that a manifest's health checks may ask.
        reserve_mb: MiB that must stay free on the disk.
        max_unpacked_mb: MiB that a release may unpack to, with what is installed into its environment.
    """

    install_path: HostPath
    service: ServiceSpec = NoService(manager="none")
    service_name: str | None = None
    preserve: tuple[str, ...] = ()
    version: VersionFrom = VersionFrom(file="VERSION")
    environment: Environment = Environment()
    migration: Migration | None = None
    pre_checks: tuple[Check, ...] = ()
    post_checks: tuple[Check, ...] = ()
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 2.0
    retention: Retention = Retention()
    backup: Literal["exchange", "archive"] = "exchange"
    backup_dir: HostPath | None = None
    unlisted: Literal["keep", "refuse"] = "keep"
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
    reserve_mb: Annotated[int, Field(ge=0)] = 64
    max_unpacked_mb: Annotated[int, Field(gt=0)] = 4096

    @field_validator("preserve")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Patterns(value)
        return value

    @model_validator(mode="after")
    def _service_lives_here(self) -> PythonAppSpec:
        """A service without a working directory of its own is started in the app's directory."""
        # A command service is asked before the first installation, when there is no such directory yet.
        if self.service.manager == "process" and self.service.cwd is None:
            # Frozen for everybody else; here it is still being made.
            object.__setattr__(self, "service", self.service.model_copy(update={"cwd": self.install_path}))
        return self

    @model_validator(mode="after")
    def _archive_needs_a_place(self) -> PythonAppSpec:
        if self.backup == "archive" and self.backup_dir is None:
            raise ValueError('backup = "archive" needs backup_dir')
        if self.install_path.parent == self.install_path:
            raise ValueError("install_path must not be the root directory")
        return self
