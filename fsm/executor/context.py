"""What a step sees of the world: its deadline, earlier results, children, and whether it is to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fsm.adapter import CommandResult
from fsm.errors import Cancelled, DeadlineExceeded, Interrupted
from fsm.executor.control import Clock, Control, StepDeadline
from fsm.model import Seconds
from fsm.progress import Kind
from fsm.shell import Child, Shell

CANCEL_POLL: Seconds = 0.2
"""How often, at most, the journal is asked whether somebody cancelled the run."""


class Context:
    """The `fsm.adapter.StepContext` that the executor gives to steps; made anew for each step.

    Args:
        results: data of finished steps, by name.
        deferred: whether a first request to stop waits (the service is down just now).
        cancelled: asks the journal; None while rolling back, where cancelling makes no sense.
        tell: takes (kind, message, done, total, unit).
    """

    def __init__(
        self,
        *,
        run_id: int,
        component: str,
        title: str,
        results: Mapping[str, Mapping[str, Any]],
        touched: bool,
        deadline: StepDeadline,
        control: Control,
        clock: Clock,
        deferred: bool,
        cancelled: Callable[[], bool] | None,
        tell: Callable[[Kind, str, int, int | None, str], None],
        shell: Callable[[Callable[[], None]], Shell],
    ) -> None:
        self.run_id = run_id
        self.component = component
        self.results = results
        self.touched = touched
        self.deadline = deadline
        self._title = title
        self._control = control
        self._clock = clock
        self._deferred = deferred
        self._cancelled = cancelled
        self._tell = tell
        self._make_shell = shell
        self._asked = clock.monotonic()
        self._thread = threading.get_ident()

    def check(self) -> None:
        """See `StepContext.check`."""
        if self._control.urgent or (self._control.requested and not self._deferred):
            raise Interrupted("interrupted", "", "`fsm resume` continues")
        if self.deadline.remaining() <= 0:
            raise DeadlineExceeded(f"cannot {self._title}", "it took longer than its deadline")
        now = self._clock.monotonic()
        # The journal's connection belongs to the thread that drives the run.
        if self._cancelled and now - self._asked >= CANCEL_POLL and threading.get_ident() == self._thread:
            self._asked = now
            if self._cancelled():
                raise Cancelled("cancelled", "a person asked for it", "the old version is put back")

    def progress(self, done: int, total: int | None, unit: str = "bytes") -> None:
        """See `StepContext.progress`."""
        self._tell(Kind.PROGRESS, self._title, done, total, unit)

    def sleep(self, seconds: Seconds) -> None:
        """Wait, but not longer than until it is time to stop."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self.check()
            quiet = threading.Event() if self._control.requested else self._control.wake
            self._clock.wait(quiet, min(left, CANCEL_POLL, max(self.deadline.remaining(), 0.0)))
        self.check()

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: Seconds | None = None,
    ) -> CommandResult:
        """See `StepContext.run`."""
        self.check()
        limit = self.deadline.remaining() if timeout is None else min(timeout, self.deadline.remaining())
        return self._make_shell(self.check).run(argv, cwd=cwd, env=env, timeout=limit)


__all__ = ["CANCEL_POLL", "Child", "Context"]
