"""Manager ``compose``: services of a compose project, as a whole or some of them.

Started by compose v2 from its files; stopped and asked by the labels that compose puts on its containers, so that a
file which a new version broke keeps nobody from stopping what runs. The engine's JSON and exit codes decide. Nothing
is built and nothing recreated by hand here: images belong to the component whose service this is, and are there
before anything is stopped.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from fsm.adapter import CommandResult
from fsm.errors import CommandFailed, ConfigError, DeadlineExceeded, StepFailed, Transient, Unsupported
from fsm.model import Seconds
from fsm.services.base import LOG_LINES, Runner, ServiceStatus, check_name, failed
from fsm.services.docker import compose
from fsm.services.docker.client import Docker
from fsm.services.docker.facts import Container
from fsm.services.docker.repair import freeing, put_in_order
from fsm.system import faults
from fsm.system.exit_codes import exited
from fsm.system.shell import ask

if TYPE_CHECKING:
    from fsm.services.docker.spec import ComposeSpec

log = logging.getLogger(__name__)

_ALIVE: Final = ("running", "restarting", "paused", "removing")

T = TypeVar("T")

_LOG_BYTES: Final = 64 * 1024


def trouble(one: Container, spec: ComposeSpec) -> str:
    """Why a container does not count as active; empty if it does."""
    if one.service in spec.once and one.status == "exited" and one.exit_code == 0:
        return ""
    if one.status != "running":
        return f"{one.name} {exited(one.exit_code) if one.status == 'exited' else f'is {one.status}'}"
    if one.health not in ("", "healthy"):
        return f"{one.name} is {one.health}"
    up_for = _since(one.started)
    if one.restarts and up_for < spec.calm_seconds:
        return f"the engine has restarted {one.name} {one.restarts} times, the last time {up_for:.0f} s ago"
    return ""


def is_over(one: Container) -> bool:
    """Whether a container ended and the engine will not start it again."""
    return one.status in ("dead", "created") or (one.status == "exited" and one.restart_policy == "no")


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
        self._docker = Docker()
        self._program: tuple[str, ...] = ()
        if not self._project:
            why = f"the name of {spec.cwd} makes no name for a compose project"
            raise ConfigError(f"cannot manage the service {name}", why, "set `project`")

    def status(self) -> ServiceStatus:
        """Ask the engine about every container.

        Raises:
            StepFailed: there is no compose v2, or the engine does not answer.
        """
        self._find_compose()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self._wanted)
            every = self._containers()
        wanted = asked.result()
        # A container of a service that the files no longer have is nobody's any more.
        found = [one for one in every if not wanted or one.service in wanted]
        missing = [each for each in wanted if each not in {one.service for one in found}]
        if missing or not found:
            what = f"no container of {', '.join(missing)}" if missing else "no container"
            return ServiceStatus(active=False, detail=f"project {self._project}: {what}", ended=True)
        troubles = [(one, why) for one in found if (why := trouble(one, self._spec))]
        if troubles:
            words = "; ".join(why for _, why in troubles)
            return ServiceStatus(active=False, detail=words, ended=all(is_over(one) for one, _ in troubles))
        running = [one for one in found if one.running]
        names = ", ".join(one.name for one in running) or "nothing; everything has finished successfully"
        pid = running[0].pid if len(running) == 1 else None
        return ServiceStatus(active=True, pid=pid, detail=f"project {self._project} runs {names}")

    def durable(self) -> tuple[Path, ...]:
        """See `Docker.durable`."""
        return self._docker.durable()

    def start(self, ctx: Runner) -> None:
        """Start the services from their files, and wait until they run and are healthy."""
        # Each question costs time in which nothing answers: what does not run at all is not active.
        if self._names("running") and self.status().active:
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
            said = "; ".join(filter(None, (" ".join(done.tail.split())[-500:], complaint)))
            raise failed(f"cannot start {self.name}", f"docker compose up {exited(done.code)}: {said}", "")
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
            self._docker,
            ctx,
            lambda: self._compose(ctx, spec.start_timeout, *filter(None, arguments)),
            lambda: [one.id for one in self._containers()],
            unit=spec.engine_unit,
        )
        self._log(freed.note)
        return done, freed.complaint

    def _put_in_order(self, ctx: Runner) -> bool:
        """Clear away what a killed compose has left; whether there was something."""
        notes = put_in_order(self._docker, ctx, [(one.id, one.name) for one in self._containers()])
        self._log(*notes)
        return bool(notes)

    def stop(self, ctx: Runner) -> None:
        """Stop every container of these services; compose is asked first, as it knows in which order."""
        if not self._alive():
            return
        spec = self._spec
        faults.point("service.compose.stop")
        if self._can_compose():
            self._compose(ctx, spec.stop_timeout, "stop", "--timeout", str(spec.grace), *spec.services)
        faults.point("service.compose.stopped")
        left = self._alive()
        if left:  # a file that compose cannot read any more, a service that it no longer has
            ids = [ident for ident, _, _ in left]
            self._run(ctx, spec.stop_timeout, "docker", "stop", "--time", str(spec.grace), *ids)
            left = self._alive()
        if left:
            names = ", ".join(name for _, name, _ in left)
            raise failed(f"cannot stop {self.name}", f"still running: {names}", self.log_tail(LOG_LINES))

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of each container; of those that do not run, where there are such."""
        try:
            found = self._containers()
        except StepFailed:  # the log explains, it is no condition of anything
            return ""
        troubled = [one for one in found if trouble(one, self._spec)] or found
        said = [self._docker.logs(one.id, lines, timeout=self._spec.status_timeout) for one in troubled]
        return "\n".join(text for text in said if text)[-_LOG_BYTES:]

    def container_running(self, name: str) -> bool:
        """Whether a container runs, named by itself or by its service."""
        return any(name in (one.name, one.service) and one.running for one in self._containers())

    def _log(self, *notes: str) -> None:
        for note in filter(None, notes):
            log.warning("%s: %s", self.name, note)

    def _wanted(self) -> Sequence[str]:
        """The services that must have a container; those of the files where none are named and compose can tell."""
        if self._spec.services:
            return self._spec.services
        try:
            asked = ask(self._command("config", "--services"), cwd=self._cwd, timeout=self._spec.status_timeout)
        except DeadlineExceeded as error:
            raise StepFailed(self._what, error.why, "see whether the Docker engine hangs") from error
        except CommandFailed as error:
            raise StepFailed(self._what, error.cause, "install Docker with compose v2") from error
        return asked.out.decode("utf-8", "replace").split() if asked.code == 0 else ()

    def _containers(self) -> list[Container]:
        """The containers of these services, whatever their state; those of `compose run` are not ours."""
        found = self._asked(lambda: self._docker.containers(self._project, timeout=self._spec.status_timeout))
        return [one for one in found if not self._spec.services or one.service in self._spec.services]

    def _alive(self) -> list[tuple[str, str, str]]:
        return self._names(*_ALIVE)

    def _names(self, *states: str) -> list[tuple[str, str, str]]:
        """Id, name and service of those in some states."""
        limit = self._spec.status_timeout
        found = self._asked(lambda: self._docker.names_of(self._project, states=states, timeout=limit))
        return [row for row in found if not self._spec.services or row[2] in self._spec.services]

    def _asked(self, question: Callable[[], T]) -> T:
        """The engine's answer; who manages a service is told at once where there is none."""
        try:
            return question()
        except Transient as error:
            raise StepFailed(self._what, error.cause, "see whether the Docker engine runs, or hangs") from error
        except Unsupported as error:
            why = "there is no docker on this host"
            raise StepFailed(self._what, why, "install Docker with compose v2, or use another `manager`") from error

    def _find_compose(self) -> Sequence[str]:
        """Compose's program.

        Raises:
            StepFailed: there is none, or v1 only.
        """
        if not self._program:
            try:
                self._program = compose.find()
            except Unsupported as error:
                raise StepFailed(f"cannot manage {self.name}", error.why, error.todo) from error
        return self._program

    def _can_compose(self) -> bool:
        try:
            return bool(self._find_compose())
        except StepFailed:  # what runs is stopped all the same
            return False

    def _command(self, *arguments: str) -> list[str]:
        files = [part for file in self._spec.files for part in ("--file", str(self._spec.cwd / file))]
        place = ["--project-name", self._project, "--project-directory", str(self._spec.cwd)]
        return [*self._find_compose(), "--ansi", "never", *place, *files, *arguments]

    def _compose(self, ctx: Runner, timeout: Seconds, *arguments: str) -> CommandResult:
        return self._run(ctx, timeout, *self._command(*arguments))

    def _run(self, ctx: Runner, timeout: Seconds, *argv: str) -> CommandResult:
        try:
            return ctx.run(argv, cwd=self._cwd, env=self._docker.environ, timeout=timeout)
        except DeadlineExceeded as error:
            raise DeadlineExceeded(f"cannot start or stop {self.name}", error.why, error.todo) from error

    @property
    def _cwd(self) -> Path | None:
        return self._spec.cwd if self._spec.cwd.is_dir() else None

    @property
    def _what(self) -> str:
        return f"cannot ask about {self.name}"


def _since(text: str) -> Seconds:
    """Seconds since a moment that the engine tells (RFC 3339 with nanoseconds)."""
    moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    return max((datetime.now(UTC) - moment).total_seconds(), 0.0)
