"""The journal's file after something has gone wrong with it: read, and written to.

The first byte says what has: bytes of a whole journal are others (`b`), one value of one row is another one (`v`), or
the file is anything at all (anything else).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import apsw

from fsm.adapter import Registry
from fsm.engine import plan as plans
from fsm.engine.journal import Highest, Journal, Kind, Record
from fsm.engine.report import run_report
from fsm.errors import FsmError
from fsm.host.quick_status import About, Hosted, in_sets, status_of
from fsm.lifecycle import State
from fsm.model import Version

NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
PATCHES: Final = b"b"
VALUE: Final = b"v"

WORDS = (
    b"SQLite format 3\0",
    b"null",
    b"[]",
    b"{}",
    b'{"notes":1}',
    b'"',
    b"2026-06-01T00:00:00+00:00",
    b"done",
    b"set",
)
LONGEST = 8192

ABOUT: Final = About("web", "python_app", {"type": "directory", "path": "/srv"}, False, None)


@cache
def _whole() -> bytes:
    """A journal with a row of everything; its pages are small, so that each byte of an input says much."""
    path = Path.cwd() / "made.db"
    db = apsw.Connection(str(path))
    db.execute("PRAGMA page_size=512; CREATE TABLE t (a); DROP TABLE t")
    db.close()
    with Journal(path, now=lambda: NOW) as journal:
        _fill(journal)
    db = apsw.Connection(str(path))
    db.execute("PRAGMA journal_mode=DELETE")
    db.execute("VACUUM")
    db.close()
    data = path.read_bytes()
    for each in Path.cwd().glob("made.db*"):
        each.unlink()
    return data


def _fill(journal: Journal) -> None:
    run = journal.begin("web", "python_app", from_version="1.0")
    step = plans.PlannedStep(name="unpack", phase=State.UPDATING, title="unpack it", timeout=60.0, downtime="begins")
    plan = plans.Plan(component="web", component_type="python_app", to_version=Version("1.1"), steps=(step,))
    run = journal.write(
        run, [Record(Kind.PLANNED, data={"notes": ["n"]})], plan=plan.model_dump_json(), to_version="1.1"
    )
    journal.write(run, [Record(Kind.STATE, data={"event": "ok"})], state=State.UPDATING)
    records = [Record(kind, 0, {"why": "x"}) for kind in (Kind.STEP_STARTED, Kind.STEP_RETRIED, Kind.STEP_FAILED)]
    journal.write(run, records, position=0)
    journal.write(run, [Record(Kind.ENDED)], state=State.ROLLED_BACK, reason="r", todo="t", ended=True)
    group = journal.begin("@all", "", kind="set", data={"needs": {"web": []}})
    member = journal.begin("web", "python_app", from_version="1.0", part_of=group.id)
    journal.request_cancel(member)
    journal.policy.hold("web", "because")
    journal.policy.set_pin("web", "~=1.0")
    journal.policy.quarantine("web", Version("1.1"), "it failed")
    known = {
        "version": "1.1",
        "tag": "v1.1",
        "prerelease": False,
        "draft": False,
        "notes": "",
        "commit": None,
        "head": False,
    }
    journal.policy.remember_check("web", {"source": ABOUT.source, "cached": {"releases": [known]}})
    journal.trusted.keep_keyring("d", b"data", b"signature", lambda _: True)
    journal.trusted.keep_withdrawn("d", "a/b", b"data", b"signature", lambda _: True)
    journal.trusted.saw("d", "web", "a/b", ["K"], Highest(1, "1.1"), "2026-01-01T00:00:00Z")


def run(data: bytes) -> None:
    """Ask all that commands ask of a journal, and write to it."""
    place = Path.cwd()
    path = place / "journal.db"
    path.write_bytes(_damaged(data, path))
    if data[:1] == VALUE:
        _set_value(path, data[1:])
    try:
        for question in _questions(path):
            with suppress(FsmError):
                question()
        found = {each.name for each in place.iterdir()}
        assert found <= {f"journal.db{end}" for end in ("", "-wal", "-shm", ".reserve")}, f"there is now {found}"
    finally:
        for each in place.iterdir():
            each.unlink()


def _damaged(data: bytes, path: Path) -> bytes:
    if data[:1] == VALUE:
        return _whole()
    if data[:1] != PATCHES:
        return data
    found, position = bytearray(_whole()), 1
    while position + 3 <= len(data):
        offset, length = struct.unpack_from("<HB", data, position)
        piece = data[position + 3 : position + 3 + length % 32]
        found[offset : offset + len(piece)] = piece
        position += 3 + length % 32
    return bytes(found)


@cache
def _cells() -> tuple[tuple[str, str, int], ...]:
    """Table, column and row of every value."""
    place = Path.cwd() / "cells.db"
    place.write_bytes(_whole())
    db = apsw.Connection(str(place))
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name")]
    found = [
        (table, str(column[1]), int(str(row[0])))
        for table in map(str, tables)
        for column in db.execute(f"SELECT * FROM pragma_table_info('{table}')").fetchall()
        for row in db.execute(f"SELECT rowid FROM {table} ORDER BY rowid").fetchall()
    ]
    db.close()
    place.unlink()
    return tuple(found)


def _set_value(path: Path, data: bytes) -> None:
    """Make one value, chosen by the first byte, another one; where the table takes it."""
    table, column, row = _cells()[data[0] % len(_cells())] if data else _cells()[0]
    db = apsw.Connection(str(path))
    with suppress(apsw.Error):
        db.execute("DROP TRIGGER log_is_append_only_update; DROP TRIGGER log_is_append_only_delete")
        kind = next(iter(db.execute("SELECT type FROM pragma_table_info(?) WHERE name=?", (table, column))))[0]
        db.execute(f"UPDATE {table} SET {column}=CAST(? AS {kind}) WHERE rowid=?", (data[1:], row))
    db.close()


def _questions(path: Path) -> Iterator[Callable[[], object]]:
    """What commands ask, each by itself: one that fails keeps none of the others from being asked."""
    for readonly in (True, False):
        with suppress(FsmError), Journal(path, readonly=readonly, now=lambda: NOW) as journal:
            yield from _reading(journal, path.parent)
            if not readonly:
                yield from _writing(journal)


def _reading(journal: Journal, state_dir: Path) -> Iterator[Callable[[], object]]:
    yield from (journal.database.integrity, journal.verify, journal.length, journal.runs)
    runs = []
    with suppress(FsmError):
        runs = journal.runs()[:4]
    for run in runs:
        yield lambda run=run: run_report(journal, run).model_dump_json()  # type: ignore[misc]
        yield lambda run=run: journal.cancel_reason(run.id)  # type: ignore[misc]
        yield lambda run=run: plans.thaw(plans.load(journal.plan(run.id) or ""), Registry.discover())  # type: ignore[misc]
    yield from (lambda: journal.active("web"), lambda: journal.owner("web"), lambda: journal.policy.pin("web"))
    yield lambda: journal.policy.blocks("web", Version("1.1"))
    yield from (journal.trusted.marks, lambda: journal.trusted.newest_times("d"))
    yield from (lambda: journal.trusted.keyring("d"), lambda: journal.trusted.highest("d", "web", "a/b", ()))
    yield lambda: journal.trusted.withdrawn("d", "a/b")
    yield lambda: status_of(Hosted(journal, state_dir, in_sets(journal, state_dir)), ABOUT, Version("1.0"), "", _none)


def _none(version: Version) -> str | None:
    return None


def _writing(journal: Journal) -> Iterator[Callable[[], object]]:
    def finish() -> None:
        run = journal.active("web") or journal.begin("web", "python_app")
        journal.request_cancel(run)
        journal.write(run, [Record(Kind.ENDED)], state=State.FAILED, ended=True)

    yield finish
    yield lambda: journal.policy.quarantine("web", Version("1.1"), "again")
    yield lambda: journal.policy.release("web", Version("1.1"))
    yield lambda: journal.policy.set_pin("web", None)


def seeds() -> Iterator[bytes]:
    """A whole one, one with a changed byte in the middle of each page, one for each column."""
    whole = _whole()
    yield b"w" + b"SQLite format 3\0" + whole[16:100]
    for offset in range(100, len(whole), 2048):
        yield PATCHES + struct.pack("<HB", offset, 2) + b"\xff\xff"
    numbers = {cell[:2]: number for number, cell in enumerate(_cells())}  # the last row of each column
    for number in numbers.values():
        yield VALUE + bytes([number]) + b"{}"
