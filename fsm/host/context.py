"""What every verb of the façade needs: the journal, the lock, an executor, and results."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsm.adapter import Registry, Target
from fsm.engine.executor import Checked, Control, Controls, Executor, Surroundings
from fsm.engine.executor.context import Context
from fsm.engine.journal import Journal, Run
from fsm.engine.locks import ComponentLock
from fsm.engine.plan import Plan
from fsm.engine.progress import Observer, log
from fsm.engine.questions import Questions
from fsm.engine.run_facts import Outcome
from fsm.engine.worker import Workers
from fsm.errors import BlockedBy, Busy, FsmError, PlanError, PlanUnknown
from fsm.host import results
from fsm.host.component_users import target_of, workers_of
from fsm.lifecycle import State
from fsm.model import Seconds, Version
from fsm.version import __version__

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult
    from fsm.host.checking import Checking
    from fsm.host.config import Component, Config


class Host:
    """One host: its configuration, its component types, and who listens.

    Attributes:
        blocked: what kept a run of this process from an update, by the run's number, until it is reported.
    """

    def __init__(self, config: Config, registry: Registry, observers: Sequence[Observer]) -> None:
        self.config = config
        self.registry = registry
        self.observers = list(observers)
        self.controls = Controls()
        self.control = Control()
        self.workers = Workers()
        self.blocked: dict[int, BlockedBy | None] = {}

    @contextmanager
    def at_work(self) -> Iterator[Host]:
        """This host for one call of a verb, with a control of its own; `controls` stops what is under way."""
        with self.controls.one() as control:
            own = copy(self)
            own.control = control
            own.workers = workers_of(self.config)
            try:
                yield own
            finally:
                own.workers.close()

    def journal(self, *, readonly: bool = False) -> Journal:
        """The journal, opened for this thread."""
        return Journal(self.config.journal, readonly=readonly)

    def looking(self) -> Journal:
        """The journal for a verb that changes nothing: who may not write to it reads it."""
        path = self.config.journal
        may_write = os.access(path if path.exists() else _existing(path), os.W_OK)
        return self.journal(readonly=not may_write)

    def checking(self, name: str, journal: Journal) -> Checking:
        """Finds releases and makes plans for one component.

        Raises:
            UsageError: there is none of that name.
        """
        from fsm.host.checking import Checking  # noqa: PLC0415 - a resume of a frozen plan needs none of it

        component = self.config.component(name)
        target, questions = self.target(component), self.questions(component)
        return Checking(self.config, component, target, questions, journal, Version(__version__))

    def begin(
        self,
        journal: Journal,
        name: str,
        *,
        kind: str = "update",
        data: dict[str, Any] | None = None,
        part_of: int | None = None,
    ) -> Run:
        """Start a run of a component, under a number that no former run has left anything under.

        Raises as `Journal.begin` does; see `Adapter.last_run`.
        """
        component = self.config.component(name)
        above = self.questions(component).last_run(self.target(component), component.spec)
        return journal.begin(name, component.keys.type, kind=kind, data=data, part_of=part_of, above=above)

    def questions(self, component: Component) -> Questions:
        """For the adapter of a component."""
        return Questions(self.registry.get(component.keys.type), self.workers)

    def target(self, component: Component) -> Target:
        """What a component's adapter works on, and as whom.

        Raises:
            ConfigError: this system has no user of the name that the configuration says.
        """
        return target_of(component, self.registry.get(component.keys.type))

    def prepare(self, name: str) -> None:
        """Start what acts as a component's user, so that nobody waits for it later."""
        component = self.config.component(name)
        user = self.target(component).user
        if user is not None:
            self.workers.prepare(user, self.registry.get(component.keys.type))

    def executor(self, journal: Journal) -> Executor:
        """Drives runs."""
        around = Surroundings(
            self.config.state_dir,
            self.control,
            observers=self.observers,
            deadlines=self.config.settings.deadlines,
            workers=self.workers,
        )
        return Executor(journal, self.registry, around)

    def locked(self, name: str, work: Callable[[Journal, Executor], Run | None]) -> UpdateResult:
        """Do something to a component while holding its lock; busy when another one holds it.

        Args:
            name: the component.
            work: returns the run; None if it was asked to stop before it had one.
        """
        try:
            with ComponentLock(self.config.state_dir, name), self.journal() as journal:
                run = work(journal, self.executor(journal))
                return results.without_run(name, Outcome.INTERRUPTED) if run is None else self.report(journal, run)
        except Busy as error:
            return results.without_run(name, Outcome.BUSY, reason=error.why, todo=error.todo)

    def is_down(self, run: Run, journal: Journal) -> bool:
        """Whether a run in progress has its service stopped; one that cannot be taken up needs nothing any more."""
        try:
            return self.executor(journal).is_down(run)
        except PlanUnknown:
            return False

    def needs_down(self, name: str) -> Run | None:
        """A component's run that is between its stop and its start, so that its service must not be started now."""
        with self.journal() as journal:
            run = journal.active(name)
            try:
                return run if run is not None and self.executor(journal).needs_down(run) else None
            except PlanUnknown:
                return None

    @contextmanager
    def within(self, runs: Sequence[Run], seconds: Seconds | None) -> Iterator[None]:
        """Cancel those runs when the time is up and they still go on; one that is rolled back already is let be.

        With the run of a set those of its members, as they are by then: they may not have begun yet.
        """
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self._expire, (runs, f"it was not done within {seconds:g} s"))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _expire(self, runs: Sequence[Run], why: str) -> None:
        try:
            with self.journal() as journal:
                known = {each.id for each in runs}
                for run in journal.runs(in_progress=True):
                    late = run.id in known or run.part_of in known
                    if late and run.in_progress and run.state is not State.ROLLING_BACK:
                        journal.request_cancel(run, why)
        except FsmError:
            # The runs have deadlines of their own; whoever drives them sees for himself that the journal is broken.
            log.exception("cannot ask to cancel what took too long")

    def checked(self, name: str, journal: Journal) -> Checked:
        """The work of `checking` for a run of a component: what was asked for when it began, also after a crash."""

        def work(run: Run, ctx: Context) -> Plan:
            from fsm.host.returning import Returning  # noqa: PLC0415 - a resume of a frozen plan needs none of it

            if name not in self.config.components:
                why = "it is no longer in the configuration"
                raise PlanError(f"cannot check {run.component}", why, "add it again")
            checking = self.checking(name, journal)
            asked = journal.asked(run)
            if run.kind == "rollback":
                return Returning(checking).plan(ctx, Version.parse(asked.get("to")), asked.get("files"))
            if run.kind == "data":
                return Returning(checking).plan_data(ctx, asked["kept"])
            try:
                return checking.plan(ctx, wanted=Version.parse(asked.get("wanted")), force=asked.get("force", False))
            except FsmError as error:
                self.blocked[run.id] = error.blocked
                raise

        return work

    def report(self, journal: Journal, run: Run) -> UpdateResult:
        """The result of a run."""
        return results.of_run(journal, run, self.blocked.pop(run.id, None))


def _existing(path: Path) -> Path:
    """The nearest directory above a path that is there."""
    return next(each for each in path.parents if each.exists())
