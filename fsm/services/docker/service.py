"""Manager ``compose``: services of a compose project, as a whole or some of them.

Started by compose v2 from its files; stopped and asked by the labels that compose puts on its containers, so that a
file which a new version broke keeps nobody from stopping what runs. The engine's JSON and exit codes decide. Nothing
is built and nothing recreated by hand here: images belong to the component whose service this is, and are there
before anything is stopped.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, StringConstraints

from fsm.adapter import CommandResult
from fsm.errors import CommandFailed, ConfigError, DeadlineExceeded, StepFailed
from fsm.model import HostPath, Model, Seconds
from fsm.services.base import LOG_LINES, Runner, ServiceManager, ServiceStatus, check_name, failed
from fsm.services.docker.engine import EngineUnit, freeing, put_in_order
from fsm.system import faults
from fsm.system.shell import ask

log = logging.getLogger(__name__)

_PROJECT: Final = "com.docker.compose.project"
_SERVICE: Final = "com.docker.compose.service"
_ONE_OFF: Final = "com.docker.compose.oneoff"
_ALIVE: Final = tuple(
    part for state in ("running", "restarting", "paused", "removing") for part in ("--filter", f"status={state}")
)

_QUIET: Final = {"DOCKER_CLI_HINTS": "false"}
_LOG_BYTES: Final = 64 * 1024

_Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$", max_length=200)]
_Time = Annotated[Seconds, Field(gt=0, le=3600)]


class ComposeSpec(Model):
    """Services of a compose project. ``docker compose`` v2 is needed.

    Attributes:
        cwd: the project's directory.
        files: compose files, relative to it; empty: what compose itself finds there.
        project: the project's name; None: what compose makes of the directory's name (a `name:` in a file is not read).
        services: which of its services; empty: all whose profile is active, as ``COMPOSE_PROFILES`` in the project's
            ``.env`` has it; a service of another profile is stopped with them, and is not started again.
        once: those that are to run and to end: they count when they ended with 0.
        start_timeout: seconds until all of them run, and are healthy where they have a check.
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
    project: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")] | None = None
    services: tuple[_Name, ...] = ()
    once: tuple[_Name, ...] = ()
    start_timeout: _Time = 180.0
    stop_timeout: _Time = 120.0
    grace: Annotated[int, Field(ge=0, le=3600)] = 10
    status_timeout: _Time = 20.0
    calm_seconds: Annotated[Seconds, Field(ge=0, le=3600)] = 10.0
    engine_unit: EngineUnit = "docker.service"

    def open(self, name: str, state_dir: Path) -> ServiceManager:
        """The manager of these services."""
        return ComposeService(self, name)


class _Container(NamedTuple):
    """What the engine says about one container."""

    id: str
    name: str
    service: str
    state: str
    health: str
    code: int
    pid: int
    restarts: int
    stays: bool
    up_for: Seconds

    @classmethod
    def of(cls, about: dict[str, Any]) -> _Container:
        state = about["State"]
        labels = about["Config"].get("Labels") or {}
        policy = about["HostConfig"].get("RestartPolicy") or {}
        return cls(
            id=about["Id"],
            name=about["Name"].lstrip("/"),
            service=labels.get(_SERVICE, ""),
            state=state["Status"],
            health=(state.get("Health") or {}).get("Status", ""),
            code=int(state["ExitCode"]),
            pid=int(state["Pid"]),
            restarts=int(about.get("RestartCount") or 0),
            stays=policy.get("Name") in ("", "no", None),
            up_for=_since(state["StartedAt"]),
        )

    def trouble(self, spec: ComposeSpec) -> str:
        """Why it does not count as active; empty where it does."""
        calm = spec.calm_seconds
        if self.service in spec.once and self.state == "exited" and self.code == 0:
            return ""
        if self.state != "running":
            return f"{self.name} is {self.state}" + (f" with exit code {self.code}" if self.state == "exited" else "")
        if self.health not in ("", "none", "healthy"):
            return f"{self.name} is {self.health}"
        if self.restarts and self.up_for < calm:
            return f"the engine has restarted {self.name} {self.restarts} times, the last time {self.up_for:.0f} s ago"
        return ""

    @property
    def over(self) -> bool:
        """Whether it ended and the engine will not start it again."""
        return self.state in ("dead", "created") or (self.state == "exited" and self.stays)


class ComposeService:
    """Services of one compose project.

    Args:
        spec: which.
        name: the name by which configurations and manifests know them.

    Raises:
        ConfigError: there is no project name, and the directory's makes none.
    """

    def __init__(self, spec: ComposeSpec, name: str) -> None:
        self.name = check_name(name)
        self._spec = spec
        # As compose does it (https://docs.docker.com/compose/how-tos/project-name/): lower case, without the rest.
        made = re.sub(r"[^a-z0-9_-]", "", spec.cwd.name.lower()).lstrip("_-")
        self._project = spec.project or made
        self._has_compose = False
        if not self._project:
            why = f"the name of {spec.cwd} makes no name for a compose project"
            raise ConfigError(f"cannot manage the service {name}", why, "set `project`")

    def status(self) -> ServiceStatus:
        """Ask the engine about every container.

        Raises:
            StepFailed: there is no compose v2, or the engine does not answer.
        """
        with ThreadPoolExecutor(2) as pool:
            there, asked = pool.submit(self._check_compose), pool.submit(self._wanted)
            every = self._containers()
        there.result()
        wanted = asked.result()
        # A container of a service that the files no longer have is nobody's any more.
        found = [one for one in every if not wanted or one.service in wanted]
        missing = [each for each in wanted if each not in {one.service for one in found}]
        if missing or not found:
            what = f"no container of {', '.join(missing)}" if missing else "no container"
            return ServiceStatus(active=False, detail=f"project {self._project}: {what}", ended=True)
        troubles = [(one, why) for one in found if (why := one.trouble(self._spec))]
        if troubles:
            words = "; ".join(why for _, why in troubles)
            return ServiceStatus(active=False, detail=words, ended=all(one.over for one, _ in troubles))
        running = [one for one in found if one.state == "running"]
        names = ", ".join(one.name for one in running) or "nothing, all of it has ended well"
        pid = running[0].pid if len(running) == 1 else None
        return ServiceStatus(active=True, pid=pid, detail=f"project {self._project} runs {names}")

    def start(self, ctx: Runner) -> None:
        """Start the services from their files, and wait until they run and are healthy."""
        # Each question costs time in which nothing answers: what does not run at all is not active.
        if self._ids("--filter", "status=running") and self.status().active:
            self._put_in_order(ctx)
            return
        spec = self._spec
        faults.point("service.compose.start")
        done, complaint = self._up(ctx)
        # What a killed compose has left may be in the way, and has another name than it should afterwards.
        if self._put_in_order(ctx):
            done, complaint = self._up(ctx)
        faults.point("service.compose.started")
        if done.code != 0:
            self._check_compose()
            said = "; ".join(filter(None, (" ".join(done.tail.split())[-500:], complaint)))
            raise failed(f"cannot start {self.name}", f"docker compose up ended with {done.code}: {said}", "")
        limit = time.monotonic() + spec.start_timeout
        while not (status := self.status()).active:
            if status.ended or time.monotonic() >= limit:
                raise failed(f"cannot start {self.name}", status.detail, self.log_tail(LOG_LINES).strip()[-2000:])
            ctx.check()
            time.sleep(0.2)

    def _up(self, ctx: Runner) -> tuple[CommandResult, str]:
        """Have compose start them; with what it says, what the engine would not let go of."""
        spec = self._spec
        arguments = ["up", "--detach", "--no-build", "--no-deps" if spec.services else "", *spec.services]
        done, freed = freeing(
            ctx,
            lambda: self._compose(ctx, spec.start_timeout, *filter(None, arguments)),
            lambda: [one.id for one in self._containers()],
            env=_QUIET,
            unit=spec.engine_unit,
        )
        self._log(freed.note)
        return done, freed.complaint

    def _put_in_order(self, ctx: Runner) -> bool:
        """Clear away what a killed compose has left; whether there was something."""
        notes = put_in_order(ctx, [(one.id, one.name) for one in self._containers()], _QUIET)
        self._log(*notes)
        return bool(notes)

    def stop(self, ctx: Runner) -> None:
        """Stop every container of these services; compose is asked first, as it knows in which order."""
        if not self._alive():
            return
        spec = self._spec
        faults.point("service.compose.stop")
        self._compose(ctx, spec.stop_timeout, "stop", "--timeout", str(spec.grace), *spec.services)
        faults.point("service.compose.stopped")
        # Each question costs time in which nothing answers: the ids alone are the shortest.
        left = self._alive() if self._ids(*_ALIVE) else []
        if left:  # a file that compose cannot read any more, a service that it no longer has
            self._run(ctx, spec.stop_timeout, "docker", "stop", "--time", str(spec.grace), *(one.id for one in left))
            left = self._alive()
        if left:
            names = ", ".join(one.name for one in left)
            raise failed(f"cannot stop {self.name}", f"still running: {names}", self.log_tail(LOG_LINES))

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of each container; of those that do not run, where there are such."""
        try:
            found = self._containers()
        except StepFailed:  # the log explains, it is no condition of anything
            return ""
        troubled = [one for one in found if one.trouble(self._spec)] or found
        said = [self._said(one, lines) for one in troubled]
        return "\n".join(text for text in said if text)[-_LOG_BYTES:]

    def container_running(self, name: str) -> bool:
        """Whether a container runs, named by itself or by its service."""
        return any(name in (one.name, one.service) and one.state == "running" for one in self._containers())

    def _log(self, *notes: str) -> None:
        for note in filter(None, notes):
            log.warning("%s: %s", self.name, note)

    def _said(self, one: _Container, lines: int) -> str:
        try:
            asked = ask(["docker", "logs", "--tail", str(lines), one.id], env=_QUIET, timeout=self._spec.status_timeout)
        except (CommandFailed, DeadlineExceeded):
            return ""
        return f"{asked.out.decode('utf-8', 'replace')}{asked.complaint}".strip()

    def _wanted(self) -> Sequence[str]:
        """The services that must have a container; those of the files where none are named and compose can tell."""
        if self._spec.services:
            return self._spec.services
        asked = self._ask(*self._command("config", "--services"))
        return asked[1].split() if asked[0] == 0 else ()

    def _containers(self) -> list[_Container]:
        """The containers of these services, whatever their state; those of `compose run` are not ours."""
        ids = self._ids()
        if not ids:
            return []
        # One that is gone meanwhile makes the exit code an error; the others are answered all the same.
        answered = json.loads(self._ask("docker", "container", "inspect", *ids)[1] or "[]")
        found = [
            _Container.of(each) for each in answered if (each["Config"].get("Labels") or {}).get(_ONE_OFF) != "True"
        ]
        return [one for one in found if not self._spec.services or one.service in self._spec.services]

    def _ids(self, *options: str) -> list[str]:
        """The ids of the project's containers, whatever their state."""
        label = f"label={_PROJECT}={self._project}"
        code, out, complaint = self._ask("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", label, *options)
        if code != 0:
            raise StepFailed(f"cannot ask about {self.name}", complaint, "see whether the Docker engine runs")
        return out.split()

    def _alive(self) -> list[_Container]:
        return [one for one in self._containers() if one.state in ("running", "restarting", "paused", "removing")]

    def _check_compose(self) -> None:
        """Refuse a host without compose v2.

        Raises:
            StepFailed: there is none, or v1 only.
        """
        if self._has_compose:
            return
        code, _, complaint = self._ask("docker", "compose", "version", "--short")
        self._has_compose = code == 0
        if code != 0:
            old = shutil.which("docker-compose")
            why = f"{old} is compose v1, which is no longer maintained" if old else f"there is none ({complaint})"
            todo = "install the package docker-compose-plugin, or docker-compose-v2"
            raise StepFailed(f"cannot manage {self.name}: `docker compose` v2 is needed", why, todo)

    def _command(self, *arguments: str) -> list[str]:
        files = [part for file in self._spec.files for part in ("--file", str(self._spec.cwd / file))]
        place = ["--project-name", self._project, "--project-directory", str(self._spec.cwd)]
        return ["docker", "compose", "--ansi", "never", *place, *files, *arguments]

    def _compose(self, ctx: Runner, timeout: Seconds, *arguments: str) -> CommandResult:
        return self._run(ctx, timeout, *self._command(*arguments))

    def _run(self, ctx: Runner, timeout: Seconds, *argv: str) -> CommandResult:
        try:
            return ctx.run(argv, cwd=self._spec.cwd if self._spec.cwd.is_dir() else None, env=_QUIET, timeout=timeout)
        except DeadlineExceeded as error:
            raise DeadlineExceeded(f"cannot start or stop {self.name}", error.why, error.todo) from error

    def _ask(self, *argv: str) -> tuple[int, str, str]:
        what = f"cannot ask about {self.name}"
        cwd = self._spec.cwd if self._spec.cwd.is_dir() else None
        try:
            asked = ask(argv, cwd=cwd, env=_QUIET, timeout=self._spec.status_timeout)
        except DeadlineExceeded as error:
            raise StepFailed(what, error.why, "see whether the Docker engine hangs") from error
        except CommandFailed as error:
            why = "there is no docker on this host"
            raise StepFailed(what, why, "install Docker with compose v2, or use another `manager`") from error
        return asked.code, asked.out.decode("utf-8", "replace"), asked.complaint


def _since(text: str) -> Seconds:
    """Seconds since a moment that the engine tells (RFC 3339 with nanoseconds)."""
    moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0)
