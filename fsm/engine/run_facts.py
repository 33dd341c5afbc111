"""The log of a run, row by row, folded into what there is to say about it.

Plain values and no pydantic: `fsm status` must answer in a few milliseconds. `fsm.engine.report` makes
the typed report of the same values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from fsm.engine.journal import SET, Journal, Kind, LogRow, Run
from fsm.engine.journal.stored import STATES
from fsm.lifecycle import Event, State

PLAN_SCHEMA: Final = 1
"""The schema of frozen plans that is understood here; a test holds it equal to that of `fsm.engine.plan`."""


class Outcome(StrEnum):
    """How a call ended, for people and for exit codes.

    Attributes:
        UP_TO_DATE: there was nothing to do.
        PLANNED: a dry run; nothing was changed.
        DONE: the new version runs.
        REFUSED: nothing was touched.
        ROLLED_BACK: the old version runs again.
        FAILED: it is unknown what runs; this needs attention.
        INTERRUPTED: the run is in progress; a resume continues it.
        BUSY: another updater works on the component.
    """

    UP_TO_DATE = "up_to_date"
    PLANNED = "planned"
    DONE = "done"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    BUSY = "busy"


class StepStatus(StrEnum):
    """Where a step is.

    Attributes:
        PENDING: it has not begun.
        RUNNING: its `do` has begun.
        DONE: it ended well.
        FAILED: it could not reach its goal.
        UNDOING: its `undo` has begun.
        UNDONE: its `undo` ended well.
    """

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class Planned(NamedTuple):
    """What a report needs of a step in the frozen plan."""

    name: str
    title: str
    phase: State
    touches_live: bool
    downtime: str | None


def facts(journal: Journal, run: Run) -> dict[str, Any]:
    """Everything about one run, with the keys of `fsm.engine.report.RunReport`.

    Raises:
        JournalError: the journal cannot be read.
    """
    plan = _plan(journal.plan(run.id))
    fold = _Fold(len(plan))
    for row in journal.log(run.id):
        fold.take(row)
    touched = any(planned.touches_live for planned, step in zip(plan, fold.steps, strict=True) if step.started_at)
    if run.kind == SET:
        touched = any(facts(journal, member)["touched"] for member in journal.members(run.id))
    return {
        "run": run.id,
        "component": run.component,
        "kind": run.kind,
        "state": run.state,
        "outcome": _outcome(run, fold.last_event, touched),
        "from_version": run.from_version,
        "to_version": run.to_version,
        "reason": run.reason or None,
        "todo": run.todo or None,
        "touched": touched,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "seconds": _between(run.started_at, run.ended_at or run.updated_at),
        "downtime": _downtime(plan, fold.steps),
        "attempt": run.attempt,
        "notes": list(dict.fromkeys(fold.notes)),
        "steps": [_step(planned, step) for planned, step in zip(plan, fold.steps, strict=True)],
    }


def _plan(text: str | None) -> tuple[Planned, ...]:
    """The steps of a frozen plan; none where there is no plan, or none that this version understands.

    A report of a run that a newer version made still shows what is in the run's own row.
    """
    try:
        data = json.loads(text or "{}")
        if data.get("schema_version") != PLAN_SCHEMA:
            return ()
        return tuple(_planned(step) for step in data["steps"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def _planned(step: dict[str, Any]) -> Planned:
    found = Planned(step["name"], step["title"], STATES[step["phase"]], step["touches_live"], step["downtime"])
    if not (isinstance(found.name, str) and isinstance(found.title, str) and isinstance(found.touches_live, bool)):
        raise TypeError("a step has a value of another type")
    return found


class _Step:
    def __init__(self) -> None:
        self.status = StepStatus.PENDING
        self.started_at: str | None = None
        self.ended_at: str | None = None
        self.undone_at: str | None = None
        self.retries = 0
        self.message = ""


class _Fold:
    """The log, row by row."""

    def __init__(self, steps: int) -> None:
        self.steps = [_Step() for _ in range(steps)]
        self.notes: list[str] = []
        self.last_event = ""

    def take(self, row: LogRow) -> None:
        """Account for one row."""
        self.notes += row.data.get("notes", ())
        if row.kind is Kind.STATE:
            self.last_event = row.data["event"]
        if row.step is None or not 0 <= row.step < len(self.steps):
            return
        step = self.steps[row.step]
        match row.kind:
            case Kind.STEP_STARTED:
                step.status, step.started_at = StepStatus.RUNNING, row.at
            case Kind.STEP_DONE:
                step.status, step.ended_at = StepStatus.DONE, row.at
            case Kind.STEP_FAILED:
                step.status, step.ended_at, step.message = StepStatus.FAILED, row.at, row.data["why"]
            case Kind.STEP_RETRIED:
                step.retries, step.message = step.retries + 1, row.data["why"]
            case Kind.UNDO_STARTED:
                step.status = StepStatus.UNDOING
            case Kind.UNDO_FAILED:
                step.status, step.message = StepStatus.UNDOING, row.data["why"]
            case Kind.UNDO_DONE:
                step.undone_at = row.at
                step.status = StepStatus.UNDONE
            case _:
                pass


def _outcome(run: Run, last_event: str, touched: bool) -> Outcome:
    match run.state:
        case State.DONE:
            return Outcome.DONE
        case State.FAILED:
            return Outcome.FAILED
        case State.ROLLED_BACK:
            return Outcome.ROLLED_BACK if touched else Outcome.REFUSED
        case State.IDLE:
            return Outcome.UP_TO_DATE if last_event == Event.UP_TO_DATE else Outcome.REFUSED
        case _:
            return Outcome.INTERRUPTED


def _downtime(plan: Sequence[Planned], steps: Sequence[_Step]) -> float | None:
    """From the stop's start to the end of the start, or of the stop's undo, in seconds."""
    begins = [step for planned, step in zip(plan, steps, strict=True) if planned.downtime == "begins"]
    ends = [step for planned, step in zip(plan, steps, strict=True) if planned.downtime == "ends"]
    if not begins or begins[0].started_at is None:
        return None
    up = begins[0].undone_at or (ends[-1].ended_at if ends else None)
    return None if up is None else _between(begins[0].started_at, up)


def _step(planned: Planned, step: _Step) -> dict[str, Any]:
    seconds = _between(step.started_at, step.ended_at) if step.started_at and step.ended_at else None
    return {
        "name": planned.name,
        "title": planned.title,
        "phase": planned.phase,
        "status": step.status,
        "started_at": step.started_at,
        "seconds": seconds,
        "retries": step.retries,
        "message": step.message or None,
    }


def _between(start: str, end: str) -> float:
    """Seconds between two stored times; a clock that was set back in between gives 0, not less."""
    return max((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 0.0)
