"""Manager ``process``: a service without root and without an init system.

The service is a daemon that survives the updater. Two things say that it runs: its record (pid, start time, boot id;
written by the process itself before it becomes the program) and its lock, which every launched copy holds from before
it is forked until its last process has ended. So, wherever an updater is killed:

1. whoever holds the lock may launch, nobody else does: there are never two copies;
2. `stop` is done only when it got the lock itself: no copy that is still on its way is overlooked.

What a service leaves behind (children that left its group, a copy that closed the lock) carries its mark in the
environment, ``FSM_SERVICE=<name>@<secret of this host>``.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

from pydantic import Field

from fsm.errors import ConfigError, StepFailed
from fsm.model import HostPath, Model, Seconds
from fsm.services.base import (
    LOG_LINES,
    Runner,
    ServiceManager,
    ServiceStatus,
    check_name,
    environment,
    failed,
)
from fsm.services.launch import Launch, launch
from fsm.services.state import ServiceFiles
from fsm.system import faults
from fsm.system.processes import Identity, alive, end, holding, users_of, with_environment
from fsm.system.shell import SERVICE, find_program
from fsm.system.users import User

_PATIENCE: Final = 2.0
"""Seconds that another one's lock is respected; then what holds it is what a dead service left behind."""

_WATCH: Final = 0.2
"""Seconds that a started program is watched: one that dies at once was not started."""

_STEP: Final = 0.01

_Time = Annotated[Seconds, Field(gt=0, le=3600)]


class ProcessSpec(Model):
    """A service that the updater starts itself.

    Attributes:
        command: the program and its arguments; a relative path is relative to `cwd`, a bare name is searched in PATH.
        cwd: its working directory; None: ``/``.
        env: variables added to the updater's environment.
        stop_signal: what asks it to end; sent to its whole process group.
        stop_timeout: seconds until KILL.
        start_timeout: seconds within which it must have been started.
        log_file: where its output goes; None: a file in the state directory.
        log_max_mb: MiB at which the log is set aside before a start.
    """

    manager: Literal["process"]
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    cwd: HostPath | None = None
    env: dict[str, str] = {}
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"] = "TERM"
    stop_timeout: _Time = 10.0
    start_timeout: _Time = 30.0
    log_file: HostPath | None = None
    log_max_mb: Annotated[int, Field(gt=0)] = 10

    def open(self, name: str, state_dir: Path, user: User | None) -> ServiceManager:
        """The manager of one service."""
        return ProcessService(self, name, state_dir, user)


class ProcessService:
    """One service that runs as a daemon of its own.

    Args:
        spec: what to run.
        name: the service's name.
        state_dir: the host's state directory; record, lock and log are in ``services/`` there.
        user: as whom it runs, with nothing of the updater's environment; None: as the updater.

    Raises:
        ConfigError: a relative program without a `cwd`, or a name that cannot be part of a file name.
    """

    restarts: Final = False
    boots: Final = False

    def __init__(self, spec: ProcessSpec, name: str, state_dir: Path, user: User | None = None) -> None:
        self.name = check_name(name)
        self._spec = spec
        self._user = user
        if spec.cwd is None and os.sep in spec.command[0] and not os.path.isabs(spec.command[0]):
            raise ConfigError(
                f"cannot manage the service {name}",
                f"its program {spec.command[0]} is relative, but `cwd` is not set",
                "set `cwd`, or write the program's full path",
            )
        self._files = ServiceFiles(name, state_dir, spec.log_file, of_user=user is not None)

    def status(self) -> ServiceStatus:
        """Whether the recorded process lives."""
        who = self._files.recorded()
        if who is None:
            return ServiceStatus(active=False, detail="it was not started, or it was stopped")
        if not alive(who):
            return ServiceStatus(active=False, detail=f"its process {who.pid} has ended")
        if who.stopping:
            return ServiceStatus(active=True, pid=who.pid, detail=f"its process {who.pid} was told to end")
        since = datetime.fromtimestamp(self._files.record.stat().st_mtime, UTC).isoformat(timespec="seconds")
        return ServiceStatus(active=True, pid=who.pid, since=since, detail=f"runs as process {who.pid} since {since}")

    def start(self, ctx: Runner) -> None:
        """Start the program as a daemon, and see that it does not die at once."""
        if self._is_up(ctx):
            self._watch(ctx, self._files.log_size())  # it may have been launched just before a crash
            return
        environ = environment(self._spec.env, self._files.mark, self._user)
        # What lies in a user's tree is for the user to find: the launcher does, once it is that user.
        found = self._user is None
        program = find_program(self._spec.command, cwd=self._spec.cwd, search=environ.get("PATH")) if found else ""
        limit = time.monotonic() + self._spec.start_timeout
        since = 0
        with self._files.ready(), self._turn_to_start(ctx, limit) as lock:
            if lock is not None:
                if self._files.recorded() is not None:
                    self._end_all(ctx)  # the service ended by itself: its children may still hold its port
                since = self._files.make_room(self._spec.log_max_mb * 1024 * 1024)
                self._launch([program or self._spec.command[0], *self._spec.command], environ, lock, ctx, limit)
        faults.point("service.started")
        self._watch(ctx, since)

    def stop(self, ctx: Runner) -> None:
        """End the process group and everything that carries the mark, until the lock is free."""
        with self._files.ready():
            limit = time.monotonic() + self._spec.stop_timeout + self._spec.start_timeout
            respected = time.monotonic() + _PATIENCE
            while True:
                self._note_stopping()
                self._end_all(ctx)
                with self._files.try_lock() as lock:
                    if lock is not None and not self.status().active:
                        self._files.write("{}")
                        faults.point("service.stopped")
                        return
                ctx.check()
                if time.monotonic() >= limit:
                    self._give_up()
                if time.monotonic() >= respected:
                    end(*self._holders(), grace=self._spec.stop_timeout, poll=ctx.check)
                time.sleep(_STEP)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the service wrote."""
        return self._files.log_tail(lines)

    def _is_up(self, ctx: Runner) -> bool:
        """Whether it runs and will go on so: the end of one that was told to end is waited for."""
        who = self._files.recorded()
        if who is not None and who.stopping and alive(who):
            self.stop(ctx)
        return self.status().active

    @contextmanager
    def _turn_to_start(self, ctx: Runner, limit: float) -> Iterator[int | None]:
        """The lock once nothing runs and nobody else starts the service; None when it runs, whoever started it."""
        respected = time.monotonic() + _PATIENCE
        while not self.status().active:
            with self._files.try_lock() as lock:
                if lock is not None:
                    # Asked again: it may have been started, and have closed the lock, before we got it.
                    yield None if self.status().active else lock
                    return
            ctx.check()
            if time.monotonic() >= limit:
                raise failed(
                    f"cannot start {self.name}",
                    f"its lock {self._files.lock} is held by processes {self._left()}",
                    "",
                    "end these processes, then try again",
                )
            if time.monotonic() >= respected:
                self._end_all(ctx)
                end(*self._holders(), grace=self._spec.stop_timeout, poll=ctx.check)
            time.sleep(_STEP)
        yield None

    def _launch(self, command: list[str], environ: dict[str, str], lock: int, ctx: Runner, limit: float) -> None:
        """Start the launcher, holding the lock, and wait for its report."""
        faults.point("service.locked")
        job = Launch(
            command=command,
            cwd=self._spec.cwd or Path("/"),
            environ=environ,
            lock=lock,
            record=self._files.record,
            log=self._files.log,
            user=self._user,
            users_log=self._files.users_log,
        )
        try:
            launch(self.name, job, ctx.check, limit)
        except StepFailed:
            # Late, or just ending: a start that is tried again must not take it for a running service.
            self._end_all(ctx)
            raise

    def _watch(self, ctx: Runner, since: int) -> None:
        """See that the program does not die at once."""
        limit = time.monotonic() + _WATCH
        while time.monotonic() < limit:
            if not self.status().active:
                raise failed(
                    f"cannot start {self.name}", "it ended at once", self._files.log_tail(LOG_LINES, since).strip()
                )
            ctx.check()
            time.sleep(_STEP)

    def _end_all(self, ctx: Runner) -> None:
        """End the recorded process with its group, and whatever carries the service's mark."""
        who = self._files.recorded()
        mark = f"{SERVICE}={self._files.mark}"
        gone = end(
            *(() if who is None else (who,)),
            grace=self._spec.stop_timeout,
            first=getattr(signal, f"SIG{self._spec.stop_signal}"),
            also=lambda: with_environment(mark),
            poll=ctx.check,
        )
        if not gone:
            self._give_up()

    def _holders(self) -> list[Identity]:
        """Processes of the service that hold its lock: it may have sent it to somebody else, to have him ended."""
        found = holding(self._files.lock)
        return found if self._user is None else [who for who in found if users_of(who.pid) <= {self._user.uid}]

    def _left(self) -> str:
        """Whatever carries the mark or holds the lock, for people."""
        found = (*with_environment(f"{SERVICE}={self._files.mark}"), *holding(self._files.lock))
        return ", ".join(map(str, sorted({who.pid for who in found}))) or "of another user"

    def _give_up(self) -> NoReturn:
        raise failed(
            f"cannot stop {self.name}",
            f"still there after KILL: processes {self._left()}",
            "",
            "end them as root; if one hangs in the kernel, restart the host",
        )

    def _note_stopping(self) -> None:
        """Write down that the process is being ended, so that no later start takes it for a running service."""
        who = self._files.recorded()
        if who is not None and alive(who) and not who.stopping:
            self._files.write(who.model_copy(update={"stopping": True}).model_dump_json())
            faults.point("service.stopping")
