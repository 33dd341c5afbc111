"""What a run has a component's user do: its steps, and programs of steps that are the updater's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fsm.adapter import AnyAdapter, CommandResult, Step, StepContext, StepResult, User
from fsm.model import Seconds
from fsm.system.shell import Child, Sink

if TYPE_CHECKING:
    from fsm.engine.worker.calls import Calls
    from fsm.engine.worker.pool import Workers
    from fsm.engine.worker.process import Worker

Verb = Literal["do", "undo", "keep_down", "keep_up"]
"""What a step can be asked to do."""


class Acting(NamedTuple):
    """One run's use of its workers.

    Attributes:
        workers: has them.
        adapter: of the component's type.
        user: as whom they act.
        marker: of the run, for its children.
        record: writes a process into the journal, so that a resume ends it.
        log: where output goes, opened with a title.
    """

    workers: Workers
    adapter: AnyAdapter
    user: User
    marker: str
    record: Callable[[Child], None]
    log: Callable[[str], Sink]

    def perform(self, ctx: StepContext, title: str, verb: Verb, step: Step) -> StepResult:
        """Do or undo a step.

        Raises:
            WorkerFailed: its process is of no use.
            Interrupted, Cancelled, DeadlineExceeded: as `StepContext.check` says.
        """
        with closing(self.log(f"{title}, as {self.user.name}")) as log:
            return self._calls(ctx).step(
                verb, step, self._facts(ctx, title), _Hearing(ctx, self.record, log), self._begun
            )

    def run(
        self,
        ctx: StepContext,
        argv: Sequence[str],
        *,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        timeout: Seconds,
    ) -> CommandResult:
        """Run a program; see `StepContext.run`."""
        with closing(self.log(f"{argv[0] if argv else 'nothing'}, as {self.user.name}")) as log:
            facts, hearing = self._facts(ctx, "run a program"), _Hearing(ctx, self.record, log)
            return self._calls(ctx).run(argv, cwd, env, timeout, facts, hearing, self._begun)

    def _calls(self, ctx: StepContext) -> Calls:
        from fsm.engine.worker.calls import Calls  # noqa: PLC0415 - only where a component has a user

        return Calls(self.workers, self.adapter, self.user, ctx.check)

    def _facts(self, ctx: StepContext, title: str) -> dict[str, Any]:
        """What of the context another process needs to know."""
        return {
            "title": title,
            "marker": self.marker,
            "run_id": ctx.run_id,
            "component": ctx.component,
            "results": dict(ctx.results),
            "touched": ctx.touched,
            "provisional": ctx.provisional,
            "remaining": ctx.deadline.remaining(),
        }

    def _begun(self, worker: Worker) -> None:
        """Have the journal know a worker before it does anything for the run."""
        if worker.identity is not None and worker.known_to != self.marker:
            self.record(Child(identity=worker.identity, argv0=f"the worker of user {self.user.name}"))
            worker.known_to = self.marker


class _Hearing(NamedTuple):
    """Hands on what a worker says."""

    ctx: StepContext
    record: Callable[[Child], None]
    log: Sink

    def started(self, child: Child) -> None:
        """See `Hearing.started`."""
        self.record(child)

    def progress(self, done: int, total: int | None, unit: str) -> None:
        """See `Hearing.progress`."""
        self.ctx.progress(done, total, unit)

    def wrote(self, output: bytes) -> None:
        """See `Hearing.wrote`."""
        self.log.take(output)
