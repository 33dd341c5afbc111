"""The one client of the Docker engine: for the container type, for git's images, and for the service manager compose.

Questions go over the engine's socket (`endpoint` says where that is, `connection` asks): JSON in, small values out.
What a registry has is asked by the program `docker`, which knows the credentials. Whatever changes the engine is a
command that runs as a child of the run, journaled, so that a resume finds what a crash left running.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from fsm.adapter import CommandResult
from fsm.errors import CommandFailed, DeadlineExceeded, NotReady, PlanError, StepFailed, Transient, Unsupported
from fsm.model import Model, Seconds
from fsm.services.base import Runner
from fsm.services.docker import connection, endpoint
from fsm.services.docker.facts import (
    ONE_OFF_LABEL,
    PROJECT_LABEL,
    SERVICE_LABEL,
    Container,
    EngineInfo,
    Image,
    Remote,
    platform_of,
)
from fsm.system.exit_codes import exited
from fsm.system.shell import ask

ANSWER: Final[Seconds] = 30.0
"""How long an engine may take for one answer."""

_USUAL: Final = Path("/var/lib/docker")
_YOUNG: Final[Seconds] = 30.0
_ENGINES: Final[dict[tuple[str | None, ...], tuple[Seconds, EngineInfo]]] = {}
_NO_SUCH: Final = (400, 404)
"""What the engine answers about something that is not there, or whose name it does not understand."""


class Docker(Model):
    """The engine, and the command ``docker`` that changes it; frozen in plans.

    Attributes:
        host: what ``DOCKER_HOST`` is set to; None leaves it as it is.
    """

    host: str | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What commands get in addition."""
        return {"DOCKER_CLI_HINTS": "false"} | ({"DOCKER_HOST": self.host} if self.host else {})

    @property
    def endpoint(self) -> endpoint.Endpoint:
        """Where the engine is."""
        return endpoint.find({**os.environ, **self.environ})

    def get(self, path: str, *, timeout: Seconds | None = None, **query: str) -> Any:
        """What the engine answers, from JSON; None if it has no such thing.

        Args:
            path: of https://docs.docker.com/reference/api/engine/, without the version.
            timeout: seconds; by default `ANSWER`.
            query: what is asked for.

        Raises:
            Transient: the engine does not answer.
            Unsupported: there is no Docker on this host.
            StepFailed: it answered with an error.
        """
        body = self._body(path, timeout, query)
        try:
            return None if body is None else json.loads(body or b"null")
        except ValueError as error:
            what = f"cannot ask the Docker engine ({path})"
            raise StepFailed(what, f"its answer is not valid JSON: {error}", "see `docker version`") from error

    def _body(self, path: str, timeout: Seconds | None, query: Mapping[str, str]) -> bytes | None:
        version = os.environ.get("DOCKER_API_VERSION")
        target = (f"/v{version}" if version else "") + quote(path) + (f"?{urlencode(query)}" if query else "")
        limit = ANSWER if timeout is None else timeout
        status, body = connection.get(self.endpoint, target, environ=self.environ, timeout=limit)
        if status in _NO_SUCH:
            return None
        if status >= 400:
            said = body.decode("utf-8", "replace").strip()[:300]
            raise StepFailed(f"cannot ask the Docker engine ({path})", f"it answered {status}: {said}", "see its log")
        return body

    def answers(self) -> bool:
        """Whether the engine is there."""
        try:
            self.get("/version", timeout=20)
        except (Transient, StepFailed, Unsupported):
            return False
        return True

    def engine(self) -> EngineInfo:
        """What the engine says about itself; asked once in a while, it does not change under a run."""
        key = (self.host, *(os.environ.get(name) for name in ("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT")))
        at, info = _ENGINES.get(key, (-_YOUNG, None))
        if info is None or time.monotonic() - at > _YOUNG:
            info = EngineInfo(self.get("/info") or {})
            _ENGINES[key] = time.monotonic(), info
        return info

    def durable(self) -> tuple[Path, ...]:
        """Where the engine keeps what it is asked to do, if that is on this host: for `Step.durable`.

        It syncs neither the layers of an image that it has pulled or built, nor what it knows of a container.

        Raises:
            Transient: the engine does not answer.
        """
        try:
            return self.engine().written
        except StepFailed:  # a proxy before its socket may hide that alone
            return (_USUAL,)

    # Containers

    def containers(self, project: str, *, timeout: Seconds | None = None) -> list[Container]:
        """Every container of a compose project, whatever its state; those of `compose run` are left out."""
        ids = [ident for ident, _, _ in self.names_of(project, timeout=timeout)]
        return [Container.of(each) for each in self.inspected(ids, timeout=timeout)]

    def names_of(
        self, project: str, *, states: Sequence[str] = (), timeout: Seconds | None = None
    ) -> list[tuple[str, str, str]]:
        """Id, name and service of every container of a compose project but those of `compose run`: one question.

        Args:
            project: the compose project's name.
            states: those that count; by default all.
            timeout: seconds.
        """
        wanted: dict[str, Sequence[str]] = {"label": [f"{PROJECT_LABEL}={project}"]}
        if states:
            wanted["status"] = list(states)
        found = self._listed(wanted, timeout=timeout)
        rows = [(each, each.get("Labels") or {}) for each in found]
        # A container that others are linked to has their names for it as well, each with one more slash.
        return [
            (
                each["Id"],
                next((name[1:] for name in each["Names"] or () if "/" not in name[1:]), ""),
                labels.get(SERVICE_LABEL, ""),
            )
            for each, labels in rows
            if labels.get(ONE_OFF_LABEL, "") != "True"
        ]

    def running(self) -> list[str]:
        """The ids of all containers that run."""
        return [each["Id"] for each in self.get("/containers/json") or ()]

    def used(self, image: str) -> bool:
        """Whether a container, running or not, was made of an image; who cannot be asked may use it."""
        try:
            return bool(self._listed({"ancestor": [image]}))
        except StepFailed:
            return True

    def _listed(self, filters: Mapping[str, Sequence[str]], timeout: Seconds | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] | None
        found = self.get("/containers/json", all="1", filters=json.dumps(filters), timeout=timeout)
        return found or []

    def inspected(self, ids: Sequence[str], *, timeout: Seconds | None = None) -> list[dict[str, Any]]:
        """What the engine has about some containers; one that is gone meanwhile is left out."""
        found = (self.get(f"/containers/{ident}/json", timeout=timeout) for ident in ids)
        return [each for each in found if each is not None]

    def logs(self, ident: str, lines: int, *, timeout: Seconds = ANSWER) -> str:
        """The last lines that a container wrote; empty if nobody tells: a log explains, it is no condition."""
        query = {"stdout": "1", "stderr": "1", "tail": str(lines)}
        try:
            body = self._body(f"/containers/{ident}/logs", timeout, query) or b""
        except (Transient, StepFailed, Unsupported):
            return ""
        return _joined(body).decode("utf-8", "replace").strip()

    # Images

    def image(self, reference: str) -> Image | None:
        """An image that is here, by name or id."""
        return next(iter(self.images(reference)), None)

    def images(self, *references: str) -> list[Image]:
        """Those of some images, by name or id, that are here."""
        found = (self.get(f"/images/{reference}/json") for reference in references)
        return [Image.of(each) for each in found if each is not None]

    def names(self, repository: str) -> list[str]:
        """The names, with their tags, that images have in a repository."""
        found = self.get("/images/json", filters=json.dumps({"reference": [repository]})) or ()
        return [name for each in found for name in each.get("RepoTags") or () if name.startswith(f"{repository}:")]

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
            raise Transient(f"cannot look up {reference}", error.why, "the next attempt may succeed") from error
        except CommandFailed as error:
            raise Unsupported(f"cannot look up {reference}", error.cause, "install Docker") from error
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

    # Changes: children of the run

    def argv(self, *args: str) -> list[str]:
        """A command ``docker``."""
        return ["docker", *args]

    def run(self, ctx: Runner, *args: str) -> CommandResult:
        """Run a command ``docker`` that changes something, as a child of the run, whatever its exit code."""
        return ctx.run(self.argv(*args), env=self.environ)

    def tag(self, ctx: Runner, image: str, name: str) -> str:
        """Give an image one more name; why that failed, or nothing."""
        return _complaint(self.run(ctx, "image", "tag", image, name))

    def untag(self, ctx: Runner, *names: str, prune: bool = True, force: bool = False) -> str:
        """Take names of images away, and an image with its last name; why that failed, or nothing.

        Args:
            ctx: runs the command.
            names: which.
            prune: whether parents that nothing names go with them.
            force: whether the name goes also where a container needs the image, which then stays without one.
        """
        options = [*([] if prune else ["--no-prune"]), *(["--force"] if force else [])]
        return _complaint(self.run(ctx, "image", "rm", *options, *names))


def _complaint(done: CommandResult) -> str:
    return f"docker {exited(done.code)}: {' '.join(done.tail.split())[-300:]}" if done.code else ""


def _joined(log: bytes) -> bytes:
    """What a container wrote, without the frames that tell its two streams apart; a terminal's has none."""
    told = b""
    while log[:1] in (b"\0", b"\1", b"\2") and log[1:4] == b"\0\0\0":
        end = 8 + int.from_bytes(log[4:8])
        told, log = told + log[8:end], log[end:]
    return told + log
