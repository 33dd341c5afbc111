"""What people and programs read about runs and components, typed. Reads only; never imports the executor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fsm.engine.journal import SET, Journal, Run
from fsm.engine.plan import Plan
from fsm.engine.run_facts import Outcome, StepStatus, facts
from fsm.errors import BlockedBy
from fsm.lifecycle import State
from fsm.model import Model, Seconds, Text

__all__ = [
    "BlockedBy",
    "ComponentStatus",
    "Offered",
    "Outcome",
    "RunReport",
    "StepReport",
    "StepStatus",
    "UpdateResult",
    "headline",
    "run_report",
    "run_reports",
    "typed",
]


class StepReport(Model):
    """One step of a run.

    Attributes:
        name: unique in the run.
        title: what it does.
        phase: the state in which it runs.
        status: where it is.
        started_at: when it was begun (the last time), UTC, ISO 8601; None if it was not.
        seconds: how long it took, None while it has not ended.
        retries: how often something was tried again.
        message: why it failed, or was tried again the last time; empty if neither happened.
    """

    name: str
    title: str
    phase: State
    status: StepStatus
    started_at: str | None = None
    seconds: Seconds | None = None
    retries: int = 0
    message: Text = ""


class RunReport(Model):
    """One run, as people and ``--json`` see it.

    Attributes:
        run: its number; None if a call ended without one (busy, a dry run, a dependency that failed).
        component: its name; a set's after an ``@``.
        kind: ``update``, ``rollback``, ``data`` where preserved files are brought back, or ``set`` for a whole set.
        state: where the run is in its lifecycle.
        outcome: how it ended; `interrupted` while it is in progress.
        from_version: what was installed before, None if that was unknown.
        to_version: what was to be installed, None if the run did not come so far.
        reason: why it did not reach its goal, or why there was nothing to do; empty otherwise.
        todo: what a person can do about that; empty if that is nothing.
        touched: whether the live component was affected at any time.
        started_at: UTC, ISO 8601; empty without a run.
        ended_at: the same; None while it is in progress.
        seconds: from its start to its end, or to its newest entry in the journal.
        downtime: seconds from the stop of the service until it ran again; None if it was not stopped.
        attempt: how often the work at the present step was begun.
        notes: what people should know, e.g. where local files went.
        steps: in order; empty before there was a plan.
    """

    run: int | None = None
    component: str
    kind: str = "update"
    state: State = State.IDLE
    outcome: Outcome
    from_version: str | None = None
    to_version: str | None = None
    reason: Text = ""
    todo: Text = ""
    touched: bool = False
    started_at: Text = ""
    ended_at: str | None = None
    seconds: Seconds = 0.0
    downtime: Seconds | None = None
    attempt: int = 1
    notes: tuple[str, ...] = ()
    steps: tuple[StepReport, ...] = ()

    @property
    def in_progress(self) -> bool:
        """Whether `resume` has something to do."""
        return self.outcome is Outcome.INTERRUPTED and self.run is not None

    @property
    def headline(self) -> str:
        """The result in one line."""
        return headline(self)


def run_report(journal: Journal, run: Run) -> RunReport:
    """Everything about one run.

    Raises:
        JournalError: the journal cannot be read.
    """
    return typed(facts(journal, run))


def run_reports(journal: Journal, runs: Iterable[Run]) -> list[RunReport]:
    """Everything about many runs, as they were at one moment.

    Raises:
        JournalError: the journal cannot be read.
    """
    with journal.database.reading():
        return [run_report(journal, run) for run in runs]


def typed(found: dict[str, Any]) -> RunReport:
    """The report of what `fsm.engine.run_facts.facts` found."""
    return RunReport.model_validate({**found, "notes": tuple(found["notes"]), "steps": tuple(found["steps"])})


def headline(report: RunReport) -> str:
    """The result of a run in one line."""
    move = f"{report.from_version or 'unknown'} -> {report.to_version}" if report.to_version else ""
    is_set = report.kind == SET
    match report.outcome:
        case Outcome.DONE:
            return f"{report.component}: {_done(report, move)}"
        case Outcome.UP_TO_DATE:
            return f"{report.component}: up to date ({report.reason})"
        case Outcome.REFUSED:
            return f"{report.component}: refused, nothing was touched: {_because(report)}"
        case Outcome.ROLLED_BACK:
            old = "the old versions are running" if is_set else f"{report.from_version or 'the old version'} is running"
            return f"{report.component}: rolled back, {old}: {_because(report)}"
        case Outcome.BUSY:
            return f"{report.component}: busy: {_because(report)}"
        case Outcome.PLANNED:
            verb = "rolled back" if report.kind == "rollback" else "updated"
            return f"{report.component}: would be {verb} {move}"
        case Outcome.FAILED:
            return f"{report.component}: FAILED, needs attention: {_because(report)}"
        case _:
            return f"{report.component}: {_interrupted(report, move)}"


def _done(report: RunReport, move: str) -> str:
    if report.kind == SET:
        return f"all members updated in {report.seconds:.1f} s"
    if report.kind == "data":
        return f"earlier preserved files brought back in {report.seconds:.1f} s"
    verb = "rolled back" if report.kind == "rollback" else "updated"
    if report.from_version is None:
        verb, move = "installed", str(report.to_version)
    down = "" if report.downtime is None else f", down for {report.downtime:.2f} s"
    return f"{verb} {move} in {report.seconds:.1f} s{down}"


def _interrupted(report: RunReport, move: str) -> str:
    """Where a run stands still, and how it goes on."""
    if report.run is None:
        return "stopped before anything was begun; nothing was changed"
    if report.state is State.VERIFIED:
        where = f"verified {move}, waiting for the rest of its set"
    else:
        where = f"interrupted in {report.state}"
        if report.kind != SET:
            where += f"{f' at step {_current(report)}' if report.steps else ''} ({move or 'no plan yet'})"
    return f"{where}; run `fsm resume` to continue"


def _because(report: RunReport) -> str:
    return f"{report.reason}; {report.todo}" if report.todo else report.reason


def _current(report: RunReport) -> str:
    active = [step for step in report.steps if step.status in (StepStatus.RUNNING, StepStatus.UNDOING)]
    name = active[-1].name if active else report.steps[0].name
    return f"{[step.name for step in report.steps].index(name) + 1}/{len(report.steps)} ({name})"


class UpdateResult(RunReport):
    """How a call for one component ended: the run's report, or, if there was no run, why not.

    Attributes:
        blocked: what kept this call from an update; None if nothing did.
        plan: what would have been done (`plan`, a dry run), or was (`show`); None otherwise.
    """

    blocked: BlockedBy | None = None
    plan: Plan | None = None


class InSet(Model):
    """A set's run that is in progress.

    Attributes:
        set: the set's name, after an ``@``.
        run: its id.
        state: where it is, see the set's lifecycle.
        running_in: who works on it now, None when nobody does.
    """

    set: str
    run: int
    state: str
    running_in: str | None = None


class Offered(Model):
    """What is offered to a component; a check, a status and a plan say the same.

    Attributes:
        component: its name.
        installed: the version as the component itself tells it; None if it is unknown.
        why_unknown: why it is; empty otherwise.
        latest: the newest release that it could have, installed or not, blocked or not; None if there is none.
        update_available: whether `fsm update` would install something now.
        target: the version that it would install; None if it would install nothing.
        blocked: what keeps it from installing something newer; None if nothing does.
        reason: why so, one sentence; empty if the source was never asked.
        checked_at: when the source was asked, UTC, ISO 8601; None if it never was, or could not be.
    """

    component: str
    installed: str | None = None
    why_unknown: Text = ""
    latest: str | None = None
    update_available: bool = False
    target: str | None = None
    blocked: BlockedBy | None = None
    reason: Text = ""
    checked_at: str | None = None


class ComponentStatus(Offered):
    """One component, as `fsm status` shows it; what is offered is that of the last check.

    Attributes:
        type: its component type.
        held: why no update may start, None when one may.
        pin: the version or range that it is kept at, None without one.
        running_in: who works on it now, None when nobody does.
        in_set: the set's run in progress that it takes part in, None without one.
        last: its newest run.
    """

    type: str
    held: str | None = None
    pin: str | None = None
    running_in: str | None = None
    in_set: InSet | None = None
    last: RunReport | None = None
