"""Exit codes: what a script or a timer can act upon."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from fsm.errors import FsmError, LeadsTo


class Code(IntEnum):
    """How `fsm` ended."""

    DONE = 0
    USAGE = 2
    AVAILABLE = 10
    REFUSED = 20
    ROLLED_BACK = 30
    FAILED = 40
    BUSY = 50
    BUG = 70
    INTERRUPTED = 75


MEANING: Final = {
    Code.DONE: "done, or up to date",
    Code.USAGE: "the usage or the configuration is wrong; nothing was touched",
    Code.AVAILABLE: "an update is available (only with `check --exit-code`)",
    Code.REFUSED: "refused; nothing was touched",
    Code.ROLLED_BACK: "rolled back: the old version is running again",
    Code.FAILED: "failed and needs attention; the message says what to do",
    Code.BUSY: "busy: another updater is working on the component",
    Code.BUG: "a bug in fsm itself; `FSM_DEBUG=1` shows where",
    Code.INTERRUPTED: "interrupted; run `fsm resume` to continue",
}
"""For the documentation and for `fsm --help`."""

SEVERITY: Final = (
    Code.DONE,
    Code.AVAILABLE,
    Code.REFUSED,
    Code.BUSY,
    Code.ROLLED_BACK,
    Code.INTERRUPTED,
    Code.USAGE,
    Code.FAILED,
    Code.BUG,
)
"""From harmless to bad: of several components the worst one decides."""

_OUTCOMES: Final = {
    "up_to_date": Code.DONE,
    "planned": Code.DONE,
    "done": Code.DONE,
    "refused": Code.REFUSED,
    "rolled_back": Code.ROLLED_BACK,
    "failed": Code.FAILED,
    "interrupted": Code.INTERRUPTED,
    "busy": Code.BUSY,
}

_ERRORS: Final = {
    LeadsTo.USAGE: Code.USAGE,
    LeadsTo.REFUSE: Code.REFUSED,
    # What would be retried or rolled back inside of a run ended a command that never began one: nothing was touched.
    LeadsTo.RETRY: Code.REFUSED,
    LeadsTo.ROLL_BACK: Code.REFUSED,
    LeadsTo.BUSY: Code.BUSY,
    LeadsTo.INTERRUPTED: Code.INTERRUPTED,
    LeadsTo.PERSON: Code.FAILED,
}


def of_outcome(outcome: str) -> Code:
    """The code of one component's result (a `fsm.engine.report.Outcome`)."""
    return _OUTCOMES[outcome]


def of_error(error: FsmError) -> Code:
    """The code of an error that ended the command."""
    return _ERRORS[error.leads_to]


def worst(codes: Iterable[Code]) -> Code:
    """The code that decides; `DONE` where there is none."""
    return max(codes, key=SEVERITY.index, default=Code.DONE)
