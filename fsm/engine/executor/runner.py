"""Performs one step's `do` or `undo` until it has a result: deadlines, retries with back-off, foreign exceptions."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fsm.adapter import Done, Failed, RetryLater, Step, StepResult
from fsm.engine.executor.context import Context
from fsm.engine.executor.control import StepDeadline, Surroundings
from fsm.engine.executor.run_record import RunRecord
from fsm.engine.journal import Kind as LogKind
from fsm.engine.performing import perform
from fsm.engine.plan import Plan
from fsm.engine.progress import EventKind, ProgressEvent, log, tell
from fsm.engine.questions import Questions
from fsm.engine.worker import Acting, Bug, Verb
from fsm.errors import Cancelled, DeadlineExceeded, FsmError, Interrupted, JournalError, Transient, WorkerFailed, count
from fsm.lifecycle import State
from fsm.model import Seconds
from fsm.system.masking import kept_secrets, secrets_in
from fsm.system.shell import Child, Redactor, Shell, Sink

BACK_OFF: Final[Seconds] = 0.5
BACK_OFF_MAX: Final[Seconds] = 30.0


def _fit(result: StepResult, step: Step) -> StepResult:
    """What a step returned, where that can be journaled: an adapter of somebody else may return anything.

    Raises:
        TypeError: it cannot.
    """
    if not isinstance(result, StepResult):
        raise TypeError(f"the step {step.name!r} returned {type(result).__name__}, not a StepResult")
    if isinstance(result, Done):
        try:
            # The names of files may be no text; the journal has none but text.
            json.dumps(result.data, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            raise TypeError(f"the step {step.name!r} returned data that is not valid JSON: {error}") from error
    return result


def _where(error: Exception) -> str:
    """The file and line of a bug."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


class Runner:
    """What forward and backward have in common."""

    def __init__(self, record: RunRecord, around: Surroundings) -> None:
        self._record = record
        self._around = around
        self._entered: dict[State, Seconds] = {}
        self._searched: Plan | None = None
        self._found: frozenset[str] = frozenset()

    def enter(self, state: State) -> None:
        """Start the state's deadline, once for each process, and say so."""
        if state not in self._entered:
            self._entered[state] = self._around.clock.monotonic()
            self.tell(EventKind.STATE, str(state))

    def until(self, state: State, seconds: Seconds) -> StepDeadline:
        """The deadline of work of at most `seconds` that begins now in a state."""
        now = self._around.clock.monotonic()
        return StepDeadline(
            self._around.clock, min(now + seconds, self._entered.get(state, now) + self._around.limit(state))
        )

    def perform(self, index: int, verb: Verb) -> Done | Failed:
        """Do or undo a step; later results are waited for, until the deadline.

        Raises:
            Interrupted, Cancelled: see `StepContext.check`.
            JournalError: the journal cannot be written.
        """
        step = self._record.step(index)
        deadline = self.until(self._record.run.state, step.timeout)
        tries = 0
        while True:
            context = self.context(step, deadline)
            result = self._without_secrets(self._attempt(step, context, verb))
            if not isinstance(result, RetryLater):
                return result
            delay = self.delay(tries, result.after)
            tries += 1
            if delay >= deadline.remaining():
                return Failed(
                    why=f"{result.why}; gave up after {step.timeout:g} s and {count(tries, 'try', 'tries')}",
                    todo="fix the cause, then update again",
                    blame="host",
                )
            self._record.note(LogKind.STEP_RETRIED, index, why=result.why, after=round(delay, 3))
            self.tell_retry(result.why, delay, index)
            try:
                context.sleep(delay)
            except DeadlineExceeded as error:
                return Failed(why=f"{result.why}; {error}", blame="host")

    def _attempt(self, step: Step, context: Context, verb: Verb) -> StepResult:
        """One call of the step, with every exception turned into what it leads to."""
        try:
            context.check()
            return _fit(self._act(step, context, verb), step)
        except (Interrupted, Cancelled, JournalError):
            raise
        except Transient as error:
            return RetryLater(why=str(error), after=error.after)
        except FsmError as error:
            # A backup is of the old version: what it cannot do says nothing about the release.
            host = isinstance(error, DeadlineExceeded | WorkerFailed) or step.phase is State.BACKING_UP
            return Failed(why=error.cause, todo=error.todo, blame="host" if host else "release")
        except OSError as error:
            return Failed(why=f"cannot {step.title}: {error}", todo="fix the cause, then update again", blame="host")
        except Exception as error:
            log.exception("step %s failed unexpectedly", step.name)
            where = error.where if isinstance(error, Bug) else _where(error)
            return Failed(
                why=f"cannot {step.title}: {type(error).__name__}: {error} ({where})",
                todo="this is a bug in the adapter; report it with the output of `fsm show`",
                blame="host",
            )

    @staticmethod
    def _act(step: Step, context: Context, verb: Verb) -> StepResult:
        """Call the step: here, or in a process of the component's user."""
        if context.user is None or step.by_updater:
            return perform(step, verb, context)
        return context.act_as(context.user).perform(context, context.title, verb, step)

    def pause(self, index: int) -> None:
        """Wait a little before an undo is tried again: what was busy may be free then."""
        step = self._record.step(index)
        deadline = self.until(self._record.run.state, step.timeout)
        try:
            self.context(step, deadline).sleep(self.delay(self._record.run.attempt, None))
        except DeadlineExceeded:
            log.warning("no time left to wait before step %s is undone again", step.name)

    def context(self, step: Step | None, deadline: StepDeadline) -> Context:
        """The context for a step, or for the work of `checking`."""
        record, run = self._record, self._record.run
        title = step.title if step else "check for updates"
        undoing = run.state in (State.ROLLING_BACK, State.ROLLED_BACK)
        return Context(
            run_id=run.id,
            component=run.component,
            title=f"undo: {title}" if undoing else title,
            results=record.results,
            touched=record.touched,
            deadline=deadline,
            control=self._around.control,
            clock=self._around.clock,
            deferred=record.down,
            cancelled=None if undoing else self._cancelled,
            tell=lambda kind, message, done, total, unit: self.tell(
                kind, message, run.position, done=done, total=total, unit=unit
            ),
            shell=self._shell,
            # A step that asks nothing has no adapter loaded for it.
            questions=lambda poll: Questions(record.registry.get(run.component_type), self._around.workers, poll),
            act_as=lambda user: Acting(
                self._around.workers,
                record.registry.get(run.component_type),
                user,
                self._marker,
                record=self._started,
                log=self._sink,
            ),
            user=record.plan.user if record.plan else None,
            provisional=run.part_of is not None,
        )

    def _cancelled(self) -> str | None:
        journal, run = self._record.journal, self._record.run.id
        return journal.cancel_reason(run) if journal.cancel_requested(run) else None

    @property
    def _marker(self) -> str:
        """What the run's children carry in their environment."""
        return self._around.marker(self._record.run.id)

    @property
    def _log(self) -> Path:
        """Where output of the component's steps goes."""
        return self._around.state_dir / "logs" / f"{self._record.run.component}.log"

    def _shell(self, poll: Callable[[], None]) -> Shell:
        return Shell(marker=self._marker, record=self._started, poll=poll, secrets=self._secrets, output=self._log)

    def _without_secrets(self, result: StepResult) -> StepResult:
        """What a step says, as it may be written down and shown: it may quote a program's output, or a log's end."""
        if isinstance(result, Done) and not result.notes:
            return result
        hide = Redactor(self._secrets).text
        if isinstance(result, Done):
            return result.model_copy(update={"notes": tuple(map(hide, result.notes))})
        return result.model_copy(update={"why": hide(result.why)})

    def _sink(self, title: str) -> Sink:
        return Sink(Redactor(self._secrets), self._log, title)

    @property
    def _secrets(self) -> tuple[str, ...]:
        """What is kept out of logs and messages: what was read as a secret, and what looks so in the plan."""
        plan = self._record.plan
        if plan is not self._searched:
            self._searched = plan
            self._found = secrets_in([step.args for step in plan.steps] if plan else [])
        return (*kept_secrets(), *self._found)

    def _started(self, child: Child) -> None:
        self._record.note(LogKind.CHILD, self._record.run.position, **child.model_dump(mode="json"))

    def delay(self, tries: int, after: Seconds | None) -> Seconds:
        """How long to wait before the next try: what the other side asked, else doubling, with jitter."""
        wanted = min(BACK_OFF * 2 ** min(tries, 10), BACK_OFF_MAX)
        jittered: Seconds = wanted * self._around.rng.uniform(0.5, 1.5)
        return max(jittered, after or 0.0)

    def tell(self, kind: EventKind, message: str = "", index: int = -1, **progress: Any) -> None:
        """Let the observers know."""
        if not self._around.observers:
            return
        record = self._record
        known = 0 <= index < len(record.steps)
        event = ProgressEvent(
            kind,
            record.run.component,
            record.run.id,
            record.run.state,
            message,
            step=record.steps[index].name if known else None,
            index=index + 1 if known else 0,
            count=len(record.steps),
            **progress,
        )
        tell(self._around.observers, event)

    def tell_retry(self, why: str, delay: Seconds, index: int = -1) -> None:
        """Let the observers know of a pause before the next try."""
        self.tell(EventKind.RETRY, f"{why}; next attempt in {delay:.1f} s", index)
