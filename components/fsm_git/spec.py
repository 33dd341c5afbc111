"""The configuration of a git checkout."""

from __future__ import annotations

import fnmatch
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from fsm.adapter import Spec
from fsm.formats.checkspec import Check
from fsm.kit import Retention
from fsm.model import ComponentName, HostPath, Model, Seconds
from fsm.services import ServiceSpec
from fsm.system.files import Patterns


def _below(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0] == ".git" or "\\" in path:
        raise ValueError(f"{path!r} is not a path below the checkout; write it like dadude-agent/.env")
    return str(PurePosixPath(path))


class Build(Model):
    """What is made of the new commit before it is started.

    Attributes:
        command: argv, run in the new tree; exit code 0 means built.
        compose: compose files of the new tree; their images are built, and the old ones kept for the way back.
        project: the compose project; by default the component's name.
        where: ``worktree`` builds in a tree of its own, before the stop; ``checkout`` in the checkout, between stop and
            start, for builds that only work there.
        products: files or directories that the build makes in the tree and git does not know (``dist``,
            ``node_modules``): they change places with the old ones between stop and start, by a rename each.
        env: variables added to the environment of the build.
        timeout: seconds.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    compose: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    project: ComponentName | None = None
    where: Literal["worktree", "checkout"] = "worktree"
    products: tuple[str, ...] = ()
    env: dict[str, str] = {}
    timeout: Annotated[Seconds, Field(gt=0)] = 300.0

    @field_validator("products", "compose")
    @classmethod
    def _paths_below(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else tuple(_below(path) for path in value)

    @model_validator(mode="after")
    def _one(self) -> Build:
        if (self.command is None) == (self.compose is None):
            raise ValueError("give exactly one of command and compose")
        if self.compose is not None and (self.products or self.where == "checkout"):
            raise ValueError("products and where belong to a command; images are built before the stop and kept")
        return self


class GitCheckoutSpec(Spec):
    """A git checkout.

    Attributes:
        path: the checkout, as it is; made when it is missing, and given a repository when it has none.
        services: what runs in it, by name: started in this order, stopped in reverse.
        preserve: patterns of files that keep their bytes, mode and owner, whether git knows them or not.
        copies: files that are to exist twice (``"agent/.env" = ".env"``): the missing one of the two is made.
        required: paths that the new commit must have, or it is refused before anything is stopped.
        build: what is made of the new commit before it is started.
        local_changes: what to do with changed files that `preserve` does not name: ``refuse`` to update, or ``save``
            them as a patch that the result names.
        rewritten: what to do when the installed commit is not an ancestor of the new one (upstream was force-pushed, or
            somebody committed here): ``refuse``, or ``reset`` to the new one; the old one is kept either way.
        submodules: whether submodules are updated with it.
        submodule_hosts: hosts beside the source's own that submodules may come from.
        pre_checks, post_checks: before and after an update; that every service is active is checked always.
        settle_seconds: how long the services must stay up before they count as active.
        retention: how long old commits, and their images, are kept.
        fetch_timeout: seconds to fetch; before anything is stopped.
        lock_wait: seconds to wait for a lock of git that is there.
        reserve_mb: MiB that must stay free on the disk.
    """

    path: HostPath
    services: dict[ComponentName, ServiceSpec] = {}
    preserve: tuple[str, ...] = ()
    copies: dict[str, str] = {}
    required: tuple[str, ...] = ()
    build: Build | None = None
    local_changes: Literal["refuse", "save"] = "refuse"
    rewritten: Literal["refuse", "reset"] = "refuse"
    submodules: bool = True
    submodule_hosts: tuple[str, ...] = ()
    pre_checks: tuple[Check, ...] = ()
    post_checks: tuple[Check, ...] = ()
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 2.0
    retention: Retention = Retention()
    fetch_timeout: Annotated[Seconds, Field(gt=0)] = 60.0
    lock_wait: Annotated[Seconds, Field(ge=0, le=600)] = 10.0
    reserve_mb: Annotated[int, Field(ge=0)] = 64

    @field_validator("preserve")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Patterns(value)
        for text in value:
            if fnmatch.fnmatch(".git", text.split("/")[0]):
                raise ValueError(f"pattern {text!r} reaches into .git; begin with the name of a file or a directory")
        return value

    @field_validator("required")
    @classmethod
    def _required_below(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_below(path) for path in value)

    @field_validator("copies")
    @classmethod
    def _copies_below(cls, value: dict[str, str]) -> dict[str, str]:
        return {_below(second): _below(first) for second, first in value.items()}

    @model_validator(mode="after")
    def _services_live_here(self) -> GitCheckoutSpec:
        """A service without a working directory of its own is started in the checkout."""
        if self.path.parent == self.path:
            raise ValueError("path must not be the root directory")
        placed = {
            name: spec.model_copy(update={"cwd": self.path}) if spec.manager == "process" and spec.cwd is None else spec
            for name, spec in self.services.items()
        }
        # Frozen for everybody else; here it is still being made.
        object.__setattr__(self, "services", placed)
        return self
