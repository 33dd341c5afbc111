"""The engine, asked: what runs, which images are there, what a registry has. JSON in, small values out; reads only."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any, Final

from fsm.errors import CommandFailed, DeadlineExceeded, NotReady, PlanError, StepFailed, Transient, Unsupported
from fsm.model import Model, Seconds
from fsm.services import Runner
from fsm.system.shell import Asked, ask
from fsm_container.facts import (
    ONE_OFF_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    Container,
    EngineInfo,
    Image,
    Remote,
    platform_of,
)

ANSWER: Final[Seconds] = 30.0
"""How long an engine may take for one answer."""

_YOUNG: Final[Seconds] = 30.0
_NOTHING: Final = (b"", b"[]", b"null")
_ENGINES: Final[dict[tuple[str | None, ...], tuple[Seconds, EngineInfo]]] = {}


class Docker(Model):
    """The command ``docker``, and the engine behind it; frozen in plans.

    Attributes:
        host: what ``DOCKER_HOST`` is set to; None leaves it as it is.
    """

    host: str | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What commands get in addition."""
        return {"DOCKER_CLI_HINTS": "false"} | ({"DOCKER_HOST": self.host} if self.host else {})

    def query(self, *args: str, timeout: Seconds | None = None, missing_ok: bool = False) -> Any:
        """The JSON that a command prints.

        Raises:
            Transient: the engine does not answer.
            StepFailed: it answered with an error. With `missing_ok` the answer is then whatever it printed.
        """
        return self.parsed(["docker", *args], timeout=timeout, missing_ok=missing_ok)

    def parsed(self, argv: Sequence[str], *, timeout: Seconds | None = None, missing_ok: bool = False) -> Any:
        """As `query`, with the whole command."""
        asked = self._ask(argv, timeout)
        what = f"cannot ask the Docker engine ({' '.join(argv[:3])})"
        # With `missing_ok` an answer about anything at all shows that the engine is there.
        if asked.code != 0 and not (missing_ok and asked.out.strip() not in _NOTHING) and not self.answers():
            raise Transient("cannot reach the Docker engine", asked.complaint, "start it, or correct docker_host")
        if asked.code != 0 and not missing_ok:
            raise StepFailed(what, asked.complaint, "mend that, then try again")
        try:
            return json.loads(asked.out or b"null")
        except ValueError as error:
            raise StepFailed(what, f"its answer is no JSON: {error}", "see `docker version`") from error

    def _ask(self, argv: Sequence[str], timeout: Seconds | None = None) -> Asked:
        """Ask; an engine that hangs may answer later."""
        try:
            return ask(argv, env=self.environ, timeout=ANSWER if timeout is None else timeout)
        except DeadlineExceeded as error:
            raise Transient("cannot ask the Docker engine", error.why, "see its log") from error
        except CommandFailed as error:
            raise Unsupported("cannot ask the Docker engine", error.cause, "install Docker") from error

    def answers(self) -> bool:
        """Whether the engine is there."""
        try:
            return ask(["docker", "version", "--format", "{{.Server.Version}}"], env=self.environ, timeout=20).code == 0
        except (CommandFailed, DeadlineExceeded):
            return False

    def engine(self) -> EngineInfo:
        """What the engine says about itself; asked once in a while, it does not change under a run."""
        key = (
            self.host,
            *(os.environ.get(name) for name in ("PATH", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT")),
        )
        at, info = _ENGINES.get(key, (-_YOUNG, None))
        if info is None or time.monotonic() - at > _YOUNG:
            info = EngineInfo(self.query("info", "--format", "{{json .}}") or {})
            _ENGINES[key] = time.monotonic(), info
        return info

    def containers(self, project: str) -> list[Container]:
        """Every container of a compose project, whatever its state; those of `compose run` are left out."""
        found = self.inspected(self._listed(project, "--quiet").split())
        return [
            Container.of(each) for each in found if (each["Config"]["Labels"] or {}).get(ONE_OFF_LABEL, "") != "True"
        ]

    def names_of(self, project: str) -> list[tuple[str, str, str]]:
        """Id, name and service of every container of a compose project but those of `compose run`: one question."""
        labels = (f'{{{{.Label "{label}"}}}}' for label in (SERVICE_LABEL, ONE_OFF_LABEL))
        asked = self._listed(project, "--format", "|".join(("{{.ID}}", "{{.Names}}", *labels)))
        rows = [line.split("|") for line in asked.splitlines() if line]
        # A container that others are linked to has their names for it as well, each with a slash.
        return [
            (ident, next(name for name in names.split(",") if "/" not in name), service)
            for ident, names, service, one_off in rows
            if one_off != "True"
        ]

    def _listed(self, project: str, *options: str) -> str:
        label = f"label={PROJECT_LABEL}={project}"
        asked = self._ask(["docker", "ps", "--all", "--no-trunc", "--filter", label, *options])
        if asked.code != 0:
            raise Transient("cannot reach the Docker engine", asked.complaint, "start it, or correct docker_host")
        return asked.out.decode()

    def inspected(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What the engine has about some containers; one that is gone meanwhile is left out."""
        if not ids:
            return []
        found: list[dict[str, Any]] = self.query("container", "inspect", *ids, missing_ok=True)
        return found or []

    def image(self, reference: str, *, sure: bool = True) -> Image | None:
        """An image that is here, by name or id.

        Args:
            sure: where it is not, make sure that it was the engine that said so.
        """
        if sure:
            return next(iter(self.images(reference)), None)
        asked = self._ask(["docker", "image", "inspect", reference])
        return Image.of(json.loads(asked.out)[0]) if asked.code == 0 else None

    def images(self, *references: str) -> list[Image]:
        """Those of some images, by name or id, that are here."""
        found = self.query("image", "inspect", *references, missing_ok=True)
        return [Image.of(each) for each in found or ()]

    def names(self, repository: str) -> list[str]:
        """The names, with their tags, that images have in a repository."""
        asked = self._ask(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository])
        if asked.code != 0:
            raise Transient("cannot reach the Docker engine", asked.complaint, "start it, or correct docker_host")
        return asked.out.decode().split()

    def tag(self, ctx: Runner, image: str, name: str) -> str:
        """Give an image one more name; why that failed, or nothing."""
        done = ctx.run(["docker", "image", "tag", image, name], env=self.environ)
        return f"docker ended with {done.code}: {' '.join(done.tail.split())[-300:]}" if done.code else ""

    def used(self, image: str) -> bool:
        """Whether a container, running or not, was made of an image."""
        asked = self._ask(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"ancestor={image}"])
        # Who cannot be asked may use it.
        return asked.code != 0 or bool(asked.out.strip())

    def remote(self, reference: str, engine: EngineInfo) -> Remote:
        """What a registry has under a name, for the engine's platform.

        Raises:
            Transient: it does not answer in time.
            NotReady: it has no such image, or cannot be reached.
            PlanError: it has none for this platform.
        """
        insecure = ["--insecure"] if engine.is_insecure(reference) else []
        argv = ["docker", "manifest", "inspect", *insecure, "--verbose", reference]
        try:
            asked = ask(argv, env=self.environ, timeout=60)
        except DeadlineExceeded as error:
            raise Transient(f"cannot look up {reference}", error.why, "the next try may succeed") from error
        if asked.code != 0:
            todo = "is it published, and does `docker pull` find it? try again later"
            raise NotReady(f"cannot look up {reference}", asked.complaint, todo)
        found = json.loads(asked.out)
        every = found if isinstance(found, list) else [found]
        remote = Remote.of(every, engine.platform)
        if remote is None:
            offered = ", ".join(platform_of(each["Descriptor"].get("platform")) for each in every)
            why = f"it is for {offered}, this engine is {engine.platform}"
            raise PlanError(f"cannot use {reference}", why, "wait for a release for this platform")
        return remote
