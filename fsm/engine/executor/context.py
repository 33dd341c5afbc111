"""What a step sees of the world: its deadline, earlier results, children, and whether it is to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fsm.adapter import Backup, CommandResult, Installed, Spec, Target, User
from fsm.engine.executor.control import Clock, Control, StepDeadline
from fsm.engine.progress import EventKind
from fsm.engine.questions import Questions
from fsm.engine.worker import Acting
from fsm.errors import Cancelled, DeadlineExceeded, Interrupted
from fsm.model import Seconds
from fsm.system.shell import Shell

CANCEL_POLL: Seconds = 0.2
"""How often, at most, the journal is asked whether somebody cancelled the run."""


@dataclass
class Context:
    """The `fsm.adapter.StepContext` that the executor gives to steps; made anew for each step.

    Attributes:
        title: what is being done, for messages.
        results: data of finished steps, by name.
        deferred: whether a first request to stop waits (the service is down just now).
        cancelled: asks the journal, tells why; None while rolling back, where cancelling makes no sense.
        tell: takes (kind, message, done, total, unit).
        shell: makes a shell that polls what it is given.
        questions: makes what asks the component's adapter, and polls what it is given meanwhile.
        act_as: what is done as a user.
        user: as whom the component is touched; None: as the updater.
        provisional: whether the run, after its last step, waits for others of its set and may still be rolled back.
    """

    run_id: int
    component: str
    title: str
    results: Mapping[str, Mapping[str, Any]]
    touched: bool
    deadline: StepDeadline
    control: Control
    clock: Clock
    deferred: bool
    cancelled: Callable[[], str | None] | None
    tell: Callable[[EventKind, str, int, int | None, str], None]
    shell: Callable[[Callable[[], None]], Shell]
    questions: Callable[[Callable[[], None]], Questions]
    act_as: Callable[[User], Acting]
    user: User | None = None
    provisional: bool = False

    def __post_init__(self) -> None:
        self._asked = self.clock.monotonic()
        self._thread = threading.get_ident()

    def check(self) -> None:
        """See `StepContext.check`."""
        if self.control.urgent or (self.control.requested and not self.deferred):
            raise Interrupted("interrupted", "", "run `fsm resume` to continue")
        if self.deadline.remaining() <= 0:
            raise DeadlineExceeded(
                f"cannot {self.title}", "it took longer than its deadline", "find out why, or raise the step's timeout"
            )
        now = self.clock.monotonic()
        # The journal's connection belongs to the thread that drives the run.
        if self.cancelled and now - self._asked >= CANCEL_POLL and threading.get_ident() == self._thread:
            self._asked = now
            if (why := self.cancelled()) is not None:
                raise Cancelled("cancelled", why)

    def for_user(self, user: User | None) -> Context:
        """The same for a component that is touched as a user."""
        return replace(self, user=user)

    def progress(self, done: int, total: int | None, unit: str = "bytes") -> None:
        """See `StepContext.progress`."""
        self.tell(EventKind.PROGRESS, self.title, done, total, unit)

    def sleep(self, seconds: Seconds) -> None:
        """Wait, but not longer than until it is time to stop."""
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            self.check()
            quiet = threading.Event() if self.control.requested else self.control.wake
            self.clock.wait(quiet, min(left, CANCEL_POLL, max(self.deadline.remaining(), 0.0)))
        self.check()

    def installed(self, target: Target, spec: Spec) -> Installed:
        """See `StepContext.installed`."""
        return self.questions(self.check).inspect(target, spec)

    def backups(self, target: Target, spec: Spec) -> Sequence[Backup]:
        """See `StepContext.backups`."""
        return self.questions(self.check).backups(target, spec)

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: Seconds | None = None,
        as_user: bool = False,
    ) -> CommandResult:
        """See `StepContext.run`."""
        self.check()
        limit = self.deadline.remaining() if timeout is None else min(timeout, self.deadline.remaining())
        if as_user and self.user is not None:
            return self.act_as(self.user).run(self, argv, cwd=cwd, env=env, timeout=limit)
        return self.shell(self.check).run(argv, cwd=cwd, env=env, timeout=limit)
