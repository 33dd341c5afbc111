"""The whole life of a run, in one table, and that of a set of runs in a second one.

A run is one pass of the machine for one component; a set's run is one pass for several, all together or not at all.
The tables are the only place that knows which state follows which; the legal transitions (`fsm.engine.machine`), what a resume
does (`fsm.engine.executor`, `fsm.host.set_driver`), the pictures in the documentation and the tests' list of crash points are derived
from them.

Columns: `ok` is where success leads, `fail` where failure leads, `crash` where a resume continues, `stuck` where
three passes without progress lead. Progress is a finished step: three power cuts at three different steps are not a
loop. A set that is rolled back has no `stuck`: each member counts for itself, and one that is given up keeps none of
the others from going back. `wait` is where a member of a set goes instead of `done`, until all the others are there, too. From every terminal a new run starts in `checking`; `failed` alone also has `retry`, because a person who has
mended the cause wants the interrupted rollback to go on, not a new update on a host in an unknown state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """Where a run is."""

    IDLE = "idle"
    CHECKING = "checking"
    BACKING_UP = "backing_up"
    UPDATING = "updating"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    ROLLING_BACK = "rolling_back"
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


class Event(StrEnum):
    """What moves a run from one state to the next."""

    START = "start"
    OK = "ok"
    WAIT = "wait"
    UP_TO_DATE = "up_to_date"
    FAIL = "fail"
    STUCK = "stuck"
    RETRY = "retry"


class Row(NamedTuple):
    """One state: what happens in it and where each event leads."""

    state: State
    does: str
    start: State | None
    ok: State | None
    wait: State | None
    up_to_date: State | None
    fail: State | None
    crash: State | None
    stuck: State | None
    retry: State | None


_S = State
# fmt: off
TABLE: Final = (
    #   state            does                                     start        ok              wait         up_to_date fail             crash            stuck            retry
    Row(_S.IDLE,         "nothing",                               _S.CHECKING, None,           None,        None,      None,            None,            None,            None),
    Row(_S.CHECKING,     "resolve, verify, pre-checks, plan",     None,        _S.BACKING_UP,  None,        _S.IDLE,   _S.IDLE,         _S.CHECKING,     _S.IDLE,         None),
    Row(_S.BACKING_UP,   "backup steps",                          None,        _S.UPDATING,    None,        None,      _S.ROLLING_BACK, _S.BACKING_UP,   _S.ROLLING_BACK, None),
    Row(_S.UPDATING,     "update steps",                          None,        _S.VERIFYING,   None,        None,      _S.ROLLING_BACK, _S.UPDATING,     _S.ROLLING_BACK, None),
    Row(_S.VERIFYING,    "post-checks",                           None,        _S.DONE,        _S.VERIFIED, None,      _S.ROLLING_BACK, _S.VERIFYING,    _S.ROLLING_BACK, None),
    Row(_S.VERIFIED,     "wait for the other members of its set", None,        _S.DONE,        None,        None,      _S.ROLLING_BACK, _S.VERIFIED,     _S.ROLLING_BACK, None),
    Row(_S.ROLLING_BACK, "undo every started step, last first",   None,        _S.ROLLED_BACK, None,        None,      _S.FAILED,       _S.ROLLING_BACK, _S.FAILED,       None),
    Row(_S.DONE,         "the new version runs",                  _S.CHECKING, None,           None,        None,      None,            None,            None,            None),
    Row(_S.ROLLED_BACK,  "the old version runs",                  _S.CHECKING, None,           None,        None,      None,            None,            None,            None),
    Row(_S.FAILED,       "unknown what runs: needs attention", _S.CHECKING, None,           None,        None,      None,            None,            None,            _S.ROLLING_BACK),
)

SET_TABLE: Final = (
    #   state            does                                      start        ok              wait  up_to_date fail             crash            stuck            retry
    Row(_S.IDLE,         "nothing",                                _S.CHECKING, None,           None, None,      None,            None,            None,            None),
    Row(_S.CHECKING,     "plan every member's update",             None,        _S.UPDATING,    None, _S.IDLE,   _S.IDLE,         _S.CHECKING,     _S.IDLE,         None),
    Row(_S.UPDATING,     "bring every member to verified",         None,        _S.DONE,        None, None,      _S.ROLLING_BACK, _S.UPDATING,     _S.ROLLING_BACK, None),
    Row(_S.ROLLING_BACK, "roll every member back, last first",     None,        _S.ROLLED_BACK, None, None,      _S.FAILED,       _S.ROLLING_BACK, None,            None),
    Row(_S.DONE,         "every member's new version runs",        _S.CHECKING, None,           None, None,      None,            None,            None,            None),
    Row(_S.ROLLED_BACK,  "every member's old version runs",        _S.CHECKING, None,           None, None,      None,            None,            None,            None),
    Row(_S.FAILED,       "a member failed: needs attention",    _S.CHECKING, None,           None, None,      None,            None,            None,            None),
)
# fmt: on

Table = tuple[Row, ...]

LIMIT: Final = 3
"""Passes without progress after which `stuck` fires."""

STEP_STATES: Final = (State.BACKING_UP, State.UPDATING, State.VERIFYING)
"""The states that run the steps of a plan, in order; a step's phase is one of them."""

RESTING: Final = frozenset(row.state for row in TABLE if row.crash is None)
"""States in which nothing is in progress: a crash there needs no resume."""


def transitions(table: Table = TABLE) -> list[tuple[Event, State, State]]:
    """Every legal move as (event, source, destination), in the table's order."""
    return [
        (event, row.state, target)
        for row in table
        for event in Event
        if (target := getattr(row, event.value)) is not None
    ]


def row(state: State) -> Row:
    """The table's row of one state."""
    return _ROWS[state]


_ROWS: Final = {entry.state: entry for entry in TABLE}


def diagram(table: Table = TABLE) -> str:
    """A machine as a Mermaid state diagram; the documentation shows exactly this text."""
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    lines += [f"    {source} --> {target}: {event}" for event, source, target in transitions(table)]
    lines += [f"    {entry.state}: {entry.state}\\n{entry.does}" for entry in table]
    return "\n".join(lines) + "\n"


def markdown_table(table: Table = TABLE) -> str:
    """A table as Markdown, for the documentation."""
    columns = ("state", "does", "start", "ok", "wait", "up_to_date", "fail", "crash", "stuck", "retry")
    rows = [" | ".join(str(getattr(entry, column) or "–") for column in columns) for entry in table]
    return "\n".join(f"| {line} |" for line in (" | ".join(columns), " | ".join("---" for _ in columns), *rows)) + "\n"
