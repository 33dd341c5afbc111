"""Manager ``command``: the configuration's own commands start, stop and ask a service.

Exit codes decide, never output. The start command may leave the service running in the background; it is run
unmarked, so that neither its end nor a resume ends the service, and its output goes to the log file, so that the
service does not die of a pipe that nobody reads any more.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from fsm.errors import DeadlineExceeded, StepFailed
from fsm.model import HostPath, Model, Seconds
from fsm.services.base import (
    LOG_LINES,
    Runner,
    ServiceManager,
    ServiceStatus,
    check_name,
    environment,
    failed,
    launcher,
    rotate,
    size_of,
    tail,
)
from fsm.system import faults
from fsm.system.exit_codes import exited
from fsm.system.processes import before_exec, end, identify
from fsm.system.shell import UNMARKED, find_program

_INACTIVE: Final = frozenset({1, 3})
"""Exit codes for "not running": 3 in the LSB init script convention (and of systemctl), 1 of everything homemade."""

_PAUSE: Final = 0.1

_Argv = Annotated[tuple[str, ...], Field(min_length=1)]
_Time = Annotated[Seconds, Field(gt=0, le=3600)]


class CommandSpec(Model):
    """A service behind three commands.

    Attributes:
        start, stop: exit code 0 means done; the service may still be on its way.
        status: exit code 0: active; 1 or 3: not active; anything else: an error.
        cwd: the commands' working directory.
        env: variables added to their environment.
        start_timeout, stop_timeout: seconds until the service must have become active, or inactive.
        status_timeout: seconds for one call of `status`.
        log_file: where the output of `start` goes; None: a file in the state directory.
        log_max_mb: MiB at which the log is set aside before a start.
    """

    manager: Literal["command"]
    start: _Argv
    stop: _Argv
    status: _Argv
    cwd: HostPath | None = None
    env: dict[str, str] = {}
    start_timeout: _Time = 30.0
    stop_timeout: _Time = 30.0
    status_timeout: _Time = 10.0
    log_file: HostPath | None = None
    log_max_mb: Annotated[int, Field(gt=0)] = 10

    def open(self, name: str, state_dir: Path) -> ServiceManager:
        """The manager of one service."""
        return CommandService(self, name, state_dir)


class CommandService:
    """One service behind three commands.

    Args:
        spec: the commands.
        name: the service's name.
        state_dir: the host's state directory.
    """

    def __init__(self, spec: CommandSpec, name: str, state_dir: Path) -> None:
        self.name = check_name(name)
        self._spec = spec
        self._log = (spec.log_file or state_dir / "services" / f"{name}.log").absolute()

    def status(self) -> ServiceStatus:
        """Ask the status command; it has `status_timeout` seconds.

        Raises:
            CommandFailed: there is no such command.
            StepFailed: it did not end in time, or with another code than 0, 1 and 3.
        """
        spec = self._spec
        what = f"cannot tell whether {self.name} runs"
        code = _ask(self._program(spec.status), spec)
        if code is None:
            raise StepFailed(
                what, f"its status command did not end within {spec.status_timeout:g} s", "correct that command"
            )
        if code != 0 and code not in _INACTIVE:
            raise StepFailed(
                what,
                f"its status command {exited(code)}",
                "let it exit with 0 if the service runs, with 3 or 1 if it does not",
            )
        return ServiceStatus(active=code == 0, detail=f"its status command {exited(code)}")

    def start(self, ctx: Runner) -> None:
        """Run the start command, and wait until the status command says that the service is active."""
        if self.status().active:
            return
        spec, what = self._spec, f"cannot start {self.name}"
        limit = time.monotonic() + spec.start_timeout
        since = self._open_log()
        argv = [*launcher("redirect"), str(self._log), self._program(spec.start), *spec.start]
        faults.point("service.command.start")
        try:
            code = ctx.run(argv, cwd=spec.cwd, env=spec.env | UNMARKED, timeout=spec.start_timeout).code
        except DeadlineExceeded as error:
            # The child was the launcher; people know their own command only.
            raise DeadlineExceeded(what, f"its start command {spec.start[0]}: {error.why}", error.todo) from error
        faults.point("service.command.started")
        if code != 0:
            raise failed(what, f"its start command {exited(code)}", tail(self._log, LOG_LINES, since))
        if not self._becomes(active=True, ctx=ctx, limit=limit):
            why = f"its start command succeeded, but it was not active within {spec.start_timeout:g} s"
            raise failed(what, why, tail(self._log, LOG_LINES, since))

    def stop(self, ctx: Runner) -> None:
        """Run the stop command, and wait until the status command says that the service is not active."""
        if not self.status().active:
            return
        spec, what = self._spec, f"cannot stop {self.name}"
        limit = time.monotonic() + spec.stop_timeout
        faults.point("service.command.stop")
        result = ctx.run(spec.stop, cwd=spec.cwd, env=spec.env, timeout=spec.stop_timeout)
        faults.point("service.command.stopped")
        if result.code != 0:
            raise failed(what, f"its stop command {exited(result.code)}", result.tail.strip()[-500:])
        if not self._becomes(active=False, ctx=ctx, limit=limit):
            why = f"its stop command succeeded, but it was still active after {spec.stop_timeout:g} s"
            raise failed(what, why, result.tail.strip()[-500:])

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the start command, and a service that inherited its output, wrote."""
        return tail(self._log, lines)

    def _becomes(self, *, active: bool, ctx: Runner, limit: float) -> bool:
        """Wait until the service is, or is no longer, active; False when the time is up."""
        while self.status().active != active:
            ctx.check()
            if time.monotonic() >= limit:
                return False
            time.sleep(_PAUSE)
        return True

    def _program(self, argv: tuple[str, ...]) -> str:
        return find_program(argv, cwd=self._spec.cwd, search=environment(self._spec.env).get("PATH"))

    def _open_log(self) -> int:
        """Make room for the log; returns the byte at which this start's lines begin."""
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            rotate(self._log, self._spec.log_max_mb * 1024 * 1024)
        except OSError as error:
            raise StepFailed(
                f"cannot start {self.name}", f"its log {self._log} is not usable: {error}", "fix that directory"
            ) from error
        return size_of(self._log)


def _ask(program: str, spec: CommandSpec) -> int | None:
    """The exit code of the status command; None when it, or what it started, had to be ended."""
    import subprocess  # noqa: PLC0415 - 8 ms that only those pay who have such a service

    with subprocess.Popen(
        [program, *spec.status[1:]],
        cwd=spec.cwd,
        env=environment(spec.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=before_exec(),  # noqa: PLW1509 - it takes no lock
    ) as child:
        who = identify(child.pid)
        try:
            return child.wait(spec.status_timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.returncode is None and who is not None:
                end(who, grace=0, first=signal.SIGKILL)
