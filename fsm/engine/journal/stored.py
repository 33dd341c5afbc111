"""What stands in the journal, read as what it must be: bytes rot on cheap disks, and people edit with database tools.

SQLite sees damage in its own pages, not in the texts that it keeps, and the hash chain is only asked by
`fsm history --verify`. So whatever has not the form that it was written in is a `JournalError`, wherever it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fsm.engine.journal.records import SET, Kind, LogRow
from fsm.errors import JournalError
from fsm.formats.foreign import json_of
from fsm.lifecycle import State

_KINDS: Final = {str(kind): kind for kind in Kind}
STATES: Final = {str(state): state for state in State}
"""Looked up, which is five times as quick as to ask the enum."""

_NOTHING_SAID: Final = '{"data":{},"notes":[]}'
"""The data of a step that ended and had nothing to say, as `Store` writes it."""

_NEEDED: Final[Mapping[Kind, Mapping[str, type]]] = {
    Kind.STATE: {"event": str},
    Kind.STEP_FAILED: {"why": str},
    Kind.STEP_RETRIED: {"why": str},
    Kind.UNDO_FAILED: {"why": str},
    Kind.CHILD: {"identity": dict, "argv0": str},
}
"""What the data of some rows must have."""


def damaged(what: str, cause: object = "") -> JournalError:
    """The error about something in the journal that is not what was written there.

    Args:
        what: e.g. ``row 7 of its log``.
        cause: what is wrong with it, if that is known.
    """
    return JournalError(
        "cannot read the journal",
        f"{what} is damaged{f' ({cause})' if cause else ''}",
        "run `fsm doctor`; installed components are not affected",
    )


def time_in(text: str, what: str) -> datetime:
    """A time that was written with its offset from UTC.

    Raises:
        JournalError: the text is no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise damaged(what, f"{text[:40]!r} is not a time") from error
    if moment.tzinfo is None:
        raise damaged(what, f"{text[:40]!r} is not a time")
    return moment


def object_in(text: str, what: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        JournalError: the text is none.
    """
    if text == _NOTHING_SAID:  # every third row
        return {"data": {}, "notes": []}
    try:
        found = json_of(text)
        if "\\u" in text and "\\ud" in text.lower():  # half a character is JSON, and cannot be written anywhere
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise damaged(what, "it is not JSON") from error
    if not isinstance(found, dict):
        raise damaged(what, "it is not a JSON object")
    return found


def row_in(values: tuple[int, int, str, str, int | None, str]) -> LogRow:
    """A row of the log: seq, run, at, kind, step, data.

    Raises:
        JournalError: it is damaged, or of a kind that this version does not know.
    """
    seq, run, at, kind, step, text = values
    what = f"row {seq} of its log"
    row = LogRow(seq, run, at, kind_in(kind), step, object_in(text, what))
    time_in(at, what)
    if not _as_written(row.kind, row.data):
        raise damaged(what)
    return row


def _as_written(kind: Kind, data: Mapping[str, Any]) -> bool:
    """Whether the data of a row has what that kind of row must have."""
    notes = data.get("notes", [])
    return (
        all(isinstance(data.get(key), of) for key, of in _NEEDED.get(kind, {}).items())
        and isinstance(notes, list)
        and all(isinstance(note, str) for note in notes)
        and isinstance(data.get("data", {}), dict)
    )


def kind_in(text: str) -> Kind:
    """The kind of a row."""
    known = _KINDS.get(text)
    if known is None:
        raise _unknown("kind", text)
    return known


def state_in(text: str) -> State:
    """The state of a run."""
    known = STATES.get(text)
    if known is None:
        raise _unknown("state", text)
    return known


def asked_in(row: LogRow | None, kind: str) -> dict[str, Any]:
    """What was asked for when a run was begun: the data of its first row.

    Args:
        row: that row; None if there is none.
        kind: of the run; that of a set names its members, and what each needs.
    """
    if row is None:
        raise damaged("its log", "a run has no rows")
    what, data = f"row {row.seq} of its log", row.data
    if kind == SET:
        needs = data.get("needs")
        if not isinstance(needs, dict) or not all(isinstance(each, list) for each in needs.values()):
            raise damaged(what)
    texts = (data.get("to"), data.get("wanted"), data.get("files"), data.get("kept"))
    if not all(each is None or isinstance(each, str) for each in texts) or not isinstance(
        data.get("force", False), bool
    ):
        raise damaged(what)
    return data


def _unknown(what: str, text: str) -> JournalError:
    return JournalError(
        "cannot read the journal",
        f"it has a {what} {text[:40]!r}, which this version of fsm-updater does not know",
        "install the version that wrote it",
    )
