"""The typed rows of the journal: runs, and the entries of their log."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from fsm.lifecycle import RESTING, State

SET: Final = "set"
"""The `kind` of a set's run."""


class Kind(StrEnum):
    """What a row of the log says."""

    STARTED = "started"
    PLANNED = "planned"
    STATE = "state"
    STEP_STARTED = "step_started"
    STEP_DONE = "step_done"
    STEP_FAILED = "step_failed"
    STEP_RETRIED = "step_retried"
    UNDO_STARTED = "undo_started"
    UNDO_DONE = "undo_done"
    UNDO_FAILED = "undo_failed"
    CHILD = "child"
    RESUMED = "resumed"
    INTERRUPTED = "interrupted"
    CANCEL_REQUESTED = "cancel_requested"
    ENDED = "ended"


class Record(NamedTuple):
    """A row to be written: its kind, the step's index where it speaks of one, and JSON data, which nobody changes."""

    kind: Kind
    step: int | None = None
    data: dict[str, Any] = {}


class LogRow(NamedTuple):
    """A row as it stands in the log. `at` is UTC, ISO 8601 with milliseconds."""

    seq: int
    run: int
    at: str
    kind: Kind
    step: int | None
    data: dict[str, Any]


class Run(NamedTuple):
    """One pass of the machine for one component, or for a set of them.

    Attributes:
        id: its number, unique on this host.
        component: its name; `@` and the set's name for a set's run, whose `kind` is ``set``.
        state: see `fsm.lifecycle`.
        position: index of the step that was started last (in `rolling_back`: of the step being undone), -1 before.
        attempt: how often the work at this position was begun; reset by progress.
        reason: why it did not reach `done`, one sentence; empty otherwise.
        todo: what a person can do about it.
        cancel: whether a cancel was requested.
        started_at, updated_at, ended_at: UTC, ISO 8601 with milliseconds; `ended_at` is None while in progress.
        part_of: the number of the set's run that this one belongs to; None for a run of its own.
    """

    id: int
    component: str
    component_type: str
    kind: str
    from_version: str | None
    to_version: str | None
    state: State
    position: int
    attempt: int
    reason: str
    todo: str
    cancel: bool
    started_at: str
    updated_at: str
    ended_at: str | None
    part_of: int | None = None

    @property
    def in_progress(self) -> bool:
        """Whether a resume has something to do."""
        return self.state not in RESTING
