"""What a step sees of the world inside of a worker; the engine has the deadline, the journal and the last word."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fsm import errors
from fsm.adapter import AnyAdapter, Backup, CommandResult, Installed, Spec, Target
from fsm.engine.worker.protocol import LINE, Fault, Progress, Started, pack
from fsm.errors import DeadlineExceeded, FsmError
from fsm.model import Model, Seconds
from fsm.system.shell import Child, Shell

_PAUSE: Final = 0.1
"""Seconds between two words about how far a step is."""

LOG: Final = 1
"""The descriptor that leads to the component's log."""


class Line:
    """The worker's end of the socket.

    Args:
        connection: to the engine.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""

    def tell(self, message: Model) -> None:
        """Say something."""
        self._socket.sendall(pack(message))

    def hear(self) -> dict[str, Any]:
        """Wait for the engine's next message.

        Raises:
            SystemExit: the engine has closed the line, or is gone.
        """
        while b"\n" not in self._buffer:
            piece = self._socket.recv(1 << 16)
            if not piece or len(self._buffer) > LINE:
                raise SystemExit(0)
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def asked(self, seconds: Seconds = 0.0) -> bool:
        """Whether the engine has said something, within that time."""
        return b"\n" in self._buffer or bool(select.select([self._socket], [], [], seconds)[0])


class _Remaining:
    """A deadline that was counted from the beginning of the call."""

    def __init__(self, seconds: Seconds) -> None:
        self._until = time.monotonic() + seconds

    def remaining(self) -> Seconds:
        """See `fsm.adapter.Deadline`."""
        return self._until - time.monotonic()


class WorkerContext:
    """The `fsm.adapter.StepContext` of a worker.

    Args:
        line: to the engine.
        adapter: of the component.
        facts: what the engine sent of its own context.
    """

    def __init__(self, line: Line, adapter: AnyAdapter, facts: Mapping[str, Any]) -> None:
        self._line = line
        self._adapter = adapter
        self._title: str = facts["title"]
        self._marker: str = facts["marker"]
        self._said = 0.0
        self._stop: FsmError | None = None
        self.run_id: int = facts["run_id"]
        self.component: str = facts["component"]
        self.results: Mapping[str, Mapping[str, Any]] = facts["results"]
        self.touched: bool = facts["touched"]
        self.provisional: bool = facts["provisional"]
        self.deadline = _Remaining(facts["remaining"])

    def check(self) -> None:
        """See `StepContext.check`. Why it is time to stop is the engine's to say."""
        if self._stop is None and self._line.asked():
            self._stop = _stopping(self._line.hear())
        if self._stop is not None:
            raise self._stop
        if self.deadline.remaining() <= 0:
            raise DeadlineExceeded(
                f"cannot {self._title}", "it took longer than its deadline", "find out why, or raise the step's timeout"
            )

    def sleep(self, seconds: Seconds) -> None:
        """See `StepContext.sleep`."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            self._line.asked(max(min(left, self.deadline.remaining()), 0.0))
        self.check()

    def progress(self, done: int, total: int | None, unit: str = "bytes") -> None:
        """See `StepContext.progress`."""
        now = time.monotonic()
        if now - self._said >= _PAUSE or done == total:
            self._said = now
            self._line.tell(Progress(done=done, total=total, unit=unit))

    def installed(self, target: Target, spec: Spec) -> Installed:
        """See `StepContext.installed`."""
        found: Installed = self._adapter.inspect(target, spec)
        return found

    def backups(self, target: Target, spec: Spec) -> Sequence[Backup]:
        """See `StepContext.backups`."""
        return self._adapter.backups(target, spec)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: Seconds | None = None,
        as_user: bool = False,
    ) -> CommandResult:
        """See `StepContext.run`; here everything runs as the user."""
        self.check()
        limit = self.deadline.remaining() if timeout is None else min(timeout, self.deadline.remaining())
        shell = Shell(marker=self._marker, record=self._record, poll=self.check, output=LOG)
        return shell.run(argv, cwd=cwd, env=env, timeout=limit)

    def reached(self, name: str) -> None:
        """Have a fault point happen in the engine, where tests have put theirs."""
        self._line.tell(Fault(name=name))
        self._answer()

    def _record(self, child: Child) -> None:
        self._line.tell(Started(child=child))
        self._answer()

    def _answer(self) -> None:
        """Wait until the engine has written it down; what it says meanwhile is kept for the next `check`."""
        while not (found := self._line.hear()).get("heard"):
            self._stop = _stopping(found)


def _stopping(message: Mapping[str, Any]) -> FsmError:
    stop = message["stop"]
    error: FsmError = getattr(errors, stop["kind"])(stop["what"], stop["why"], stop["todo"])
    return error
