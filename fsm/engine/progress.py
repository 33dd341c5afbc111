"""What observers hear while a run goes on. Reporting never drives state: an observer that fails is only logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from fsm.lifecycle import State

log = logging.getLogger("fsm")


class EventKind(StrEnum):
    """What an event tells.

    Attributes:
        STATE: the run entered `state`.
        STEP: a step begins; `message` is its title.
        STEP_DONE: that step ended well.
        UNDO: a step is being undone; `message` says how. A step that has nothing to undo is passed over in silence.
        UNDO_DONE: that step is undone.
        PROGRESS: how far the step is, in `done`, `total` and `unit`.
        RETRY: a step is tried again later; `message` says why and when.
        FAILED: a step, or an undo, failed; `message` says why.
        CANCELLED: the run is rolled back because somebody asked for that; `message` says why. Nothing failed.
        NOTE: something that people should know, e.g. where local files went.
    """

    STATE = "state"
    STEP = "step"
    STEP_DONE = "step_done"
    UNDO = "undo"
    UNDO_DONE = "undo_done"
    PROGRESS = "progress"
    RETRY = "retry"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One moment of a run.

    Attributes:
        kind: what it tells.
        component: the component's name.
        run: the run's number.
        state: where the run is in its lifecycle.
        message: for people.
        step: the step's name; None if the event is not about one.
        index, count: which step of how many, counted from 1; 0 if the event is not about one.
        done, total, unit: how far the step is; `total` is None when unknown.
    """

    kind: EventKind
    component: str
    run: int
    state: State
    message: str = ""
    step: str | None = None
    index: int = 0
    count: int = 0
    done: int = 0
    total: int | None = None
    unit: str = ""


Observer = Callable[[ProgressEvent], None]
"""Called with every event, in the thread that does the work; what it raises is logged and ignored."""


def tell(observers: Iterable[Observer], event: ProgressEvent) -> None:
    """Let every observer know."""
    for observer in observers:
        try:
            observer(event)
        except Exception:
            log.warning("an observer of run %s failed", event.run, exc_info=True)
