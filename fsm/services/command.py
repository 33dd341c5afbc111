"""Manager ``command``: the configuration's own commands start, stop and ask a service.

Exit codes decide, never output. The start command may leave the service running in the background; it is run
unmarked, so that neither its end nor a resume ends the service, and its output goes to the log file, so that the
service does not die of a pipe that nobody reads any more.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from fsm.errors import CommandFailed, DeadlineExceeded, StepFailed
from fsm.model import HostPath, Model, Seconds
from fsm.services.base import (
    LOG_LINES,
    Runner,
    ServiceManager,
    ServiceStatus,
    becoming,
    check_name,
    environment,
    failed,
    handed_over,
    launcher,
)
from fsm.services.state import ServiceFiles
from fsm.system import faults
from fsm.system.exit_codes import exited
from fsm.system.processes import before_exec, default_signals, end, identify
from fsm.system.shell import UNMARKED, find_program
from fsm.system.users import User, runs_as

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

    def open(self, name: str, state_dir: Path, user: User | None) -> ServiceManager:
        """The manager of one service."""
        return CommandService(self, name, state_dir, user)


class CommandService:
    """One service behind three commands.

    Args:
        spec: the commands.
        name: the service's name.
        state_dir: the host's state directory.
        user: as whom the commands run, with nothing of the updater's environment; None: as the updater.
    """

    boots: Final = False

    def __init__(self, spec: CommandSpec, name: str, state_dir: Path, user: User | None = None) -> None:
        self.name = check_name(name)
        self._spec = spec
        self._user = user
        self._files = ServiceFiles(name, state_dir, spec.log_file, of_user=user is not None)
        self._log = self._files.log

    def status(self) -> ServiceStatus:
        """Ask the status command; it has `status_timeout` seconds.

        Raises:
            CommandFailed: there is no such command.
            StepFailed: it did not end in time, or with another code than 0, 1 and 3.
        """
        spec = self._spec
        what = f"cannot tell whether {self.name} runs"
        code = _ask(self._program(spec.status), spec, self._user)
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
        cwd, handed = self._handed_over()
        as_whom = becoming(self._user, users_log=self._files.users_log)
        argv = [*launcher("redirect"), str(self._log), cwd, as_whom, self._program(spec.start), *spec.start]
        faults.point("service.command.start")
        try:
            directory = None if cwd else spec.cwd
            code = ctx.run(argv, cwd=directory, env=handed | UNMARKED, timeout=spec.start_timeout).code
        except DeadlineExceeded as error:
            # The child was the launcher; people know their own command only.
            raise DeadlineExceeded(what, f"its start command {spec.start[0]}: {error.why}", error.todo) from error
        faults.point("service.command.started")
        if code != 0:
            raise failed(what, f"its start command {exited(code)}", self._files.log_tail(LOG_LINES, since))
        if not self._becomes(active=True, ctx=ctx, limit=limit):
            why = f"its start command succeeded, but it was not active within {spec.start_timeout:g} s"
            raise failed(what, why, self._files.log_tail(LOG_LINES, since))

    def stop(self, ctx: Runner) -> None:
        """Run the stop command, and wait until the status command says that the service is not active."""
        if not self.status().active:
            return
        spec, what = self._spec, f"cannot stop {self.name}"
        limit = time.monotonic() + spec.stop_timeout
        faults.point("service.command.stop")
        result = ctx.run(spec.stop, cwd=spec.cwd, env=spec.env, timeout=spec.stop_timeout, as_user=True)
        faults.point("service.command.stopped")
        if result.code != 0:
            raise failed(what, f"its stop command {exited(result.code)}", result.tail.strip()[-500:])
        if not self._becomes(active=False, ctx=ctx, limit=limit):
            why = f"its stop command succeeded, but it was still active after {spec.stop_timeout:g} s"
            raise failed(what, why, result.tail.strip()[-500:])

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the start command, and a service that inherited its output, wrote."""
        return self._files.log_tail(lines)

    def _becomes(self, *, active: bool, ctx: Runner, limit: float) -> bool:
        """Wait until the service is, or is no longer, active; False when the time is up."""
        while self.status().active != active:
            ctx.check()
            if time.monotonic() >= limit:
                return False
            time.sleep(_PAUSE)
        return True

    def _program(self, argv: tuple[str, ...]) -> str:
        if self._user is not None:
            return argv[0]  # what lies in a user's tree is for the user to find
        return find_program(argv, cwd=self._spec.cwd, search=environment(self._spec.env).get("PATH"))

    def _handed_over(self) -> tuple[str, dict[str, str]]:
        """What the launcher does where it becomes somebody: the directory it goes to, and the program's environment."""
        if self._user is None:
            return "", self._spec.env
        return str(self._spec.cwd or "/"), handed_over(environment(self._spec.env, user=self._user))

    def _open_log(self) -> int:
        """Make room for the log; returns the byte at which this start's lines begin."""
        try:
            if not self._files.users_log:
                self._log.parent.mkdir(parents=True, exist_ok=True)
            return self._files.make_room(self._spec.log_max_mb * 1024 * 1024)
        except OSError as error:
            raise StepFailed(
                f"cannot start {self.name}", f"its log {self._log} is not usable: {error}", "fix that directory"
            ) from error


def _enter(directory: Path | None) -> None:  # pragma: no cover - runs in the child, between fork and exec
    """Go to the working directory as the user that the child has become."""
    default_signals()
    os.chdir(directory or "/")


def _ask(program: str, spec: CommandSpec, user: User | None) -> int | None:
    """The exit code of the status command; None when it, or what it started, had to be ended.

    Raises:
        CommandFailed: it cannot be started.
    """
    import subprocess  # noqa: PLC0415 - 8 ms that only those pay who have such a service

    them = {} if user is None else runs_as(user)
    try:
        child = subprocess.Popen(
            [program, *spec.status[1:]],
            cwd=spec.cwd if user is None else None,
            env=environment(spec.env, user=user),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=before_exec() if user is None else partial(_enter, spec.cwd),  # noqa: PLW1509 - takes no lock
            **them,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CommandFailed(f"cannot run {program}", str(error), "correct the command, or `cwd`") from error
    with child:
        who = identify(child.pid)
        try:
            return child.wait(spec.status_timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.returncode is None and who is not None:
                end(who, grace=0, first=signal.SIGKILL)
