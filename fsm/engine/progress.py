"""What observers hear while a run goes on. Reporting never drives state: an observer that fails is only logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from fsm.lifecycle import State

log = logging.getLogger("fsm")


class Kind(StrEnum):
    """What an event tells."""

    STATE = "state"
    STEP = "step"
    STEP_DONE = "step_done"
    UNDO = "undo"
    UNDO_DONE = "undo_done"
    PROGRESS = "progress"
    RETRY = "retry"
    FAILED = "failed"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One moment of a run.

    Attributes:
        step: the step's name, where the event speaks of one; `index` counts from 1 to `count`.
        message: for people.
        done, total, unit: how far a step is; `total` is None when unknown.
    """

    kind: Kind
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


def tell(observers: Iterable[Observer], event: ProgressEvent) -> None:
    """Let every observer know."""
    for observer in observers:
        try:
            observer(event)
        except Exception:
            log.warning("an observer of run %s failed", event.run, exc_info=True)
