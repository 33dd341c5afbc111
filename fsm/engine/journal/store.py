"""Writing and reading runs. Every method that writes is one durable commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fsm.engine.journal import chain, stored
from fsm.engine.journal.database import Database
from fsm.engine.journal.policy import Policy
from fsm.engine.journal.records import Kind, LogRow, Record, Run
from fsm.engine.journal.trusted import Trusted
from fsm.errors import Busy
from fsm.lifecycle import State

if TYPE_CHECKING:
    import apsw

_COLUMNS: Final = (
    "id, component, component_type, kind, from_version, to_version, state, position, attempt, reason, todo, cancel,"
    " started_at, updated_at, ended_at, part_of"
)

T = TypeVar("T")

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Journal:
    """The journal of one host. One object for each thread.

    Args:
        path: the file; its directory is made when missing.
        readonly: open it for a report, without needing write permission.
        now: the wall clock.

    Raises:
        JournalError: it cannot be used; the message says what to do.
    """

    def __init__(self, path: Path, *, readonly: bool = False, now: Callable[[], datetime] = utc_now) -> None:
        self.database = Database(path, readonly=readonly)
        self._now = now
        self.policy = Policy(self.database, now)
        self.trusted = Trusted(self.database)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def begin(
        self,
        component: str,
        component_type: str,
        *,
        kind: str = "update",
        from_version: str | None = None,
        data: dict[str, Any] | None = None,
        part_of: int | None = None,
        above: int = 0,
    ) -> Run:
        """Start a run, in `checking`.

        Args:
            above: its number is a higher one than this.

        Raises:
            Busy: the component has a run in progress already.
            JournalError: the disk is full.
        """
        self.database.set_reserve()
        at = self._at()
        values = (component, component_type, kind, from_version, None, State.CHECKING, -1, 1, "", "", 0, at, at)

        def work(db: apsw.Connection) -> Run:
            if self.active(component):
                what = f"cannot start a run for {component}"
                raise Busy(what, "another run is in progress", "finish it with `fsm resume`")
            db.execute(
                f"INSERT INTO run ({_COLUMNS}, last_seq, last_hash)"
                " SELECT max(coalesce(max(id), 0), ?) + 1,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL,?,0,zeroblob(32) FROM run",
                (above, *values, part_of),
            )
            run = Run(db.last_insert_rowid(), *_typed((*values, None, part_of)))
            self._append(db, run.id, [Record(Kind.STARTED, data=data or {})], at, {})
            return run

        return self.database.write(work)

    def write(
        self,
        run: Run,
        records: Sequence[Record],
        *,
        plan: str | None = None,
        ended: bool | None = None,
        **changes: Any,
    ) -> Run:
        """Append records and change the run, in one durable commit.

        Args:
            run: as it was read or last written.
            records: what happened, in order.
            plan: the frozen plan, when this commit is the one that freezes it.
            ended: True ends the run, False takes it up again, None leaves that as it is.
            changes: fields of `Run` to set.

        Returns:
            The run as it now stands.
        """
        at = self._at()
        changes["updated_at"] = at
        if ended is not None:
            changes["ended_at"] = at if ended else None
        changed = run._replace(**changes)

        def work(db: apsw.Connection) -> Run:
            if plan is not None:
                db.execute("INSERT INTO plan (run, text) VALUES (?,?)", (run.id, plan))
            self._append(db, run.id, records, at, changes)
            return changed

        return self.database.write(work)

    def together(self, work: Callable[[], T]) -> T:
        """Make everything that `work` writes one durable commit.

        Where the disk is full, it may be called twice: it must not keep anything of its first call.
        """
        return self.database.write(lambda db: work())

    def request_cancel(self, run: Run, why: str = "requested by the user") -> None:
        """Ask whoever drives the run to roll it back; the executor sees it at its next safe point."""
        record = Record(Kind.CANCEL_REQUESTED, data={"why": why})
        self.database.write(lambda db: self._append(db, run.id, [record], self._at(), {"cancel": 1}))

    def cancel_requested(self, run_id: int) -> bool:
        """Whether somebody asked to cancel the run since."""
        return bool(self.database.execute("SELECT cancel FROM run WHERE id=?", (run_id,))[0][0])

    def cancel_reason(self, run_id: int) -> str:
        """Why the run was asked to be cancelled, the newest reason where there are several."""
        asked = [row.data for row in self.log(run_id) if row.kind is Kind.CANCEL_REQUESTED]
        return str(asked[-1].get("why", "")) if asked else ""

    def run(self, run_id: int) -> Run | None:
        """One run by its number."""
        return self._first("WHERE id=?", (run_id,))

    def active(self, component: str) -> Run | None:
        """The component's run that is in progress."""
        return self._first("WHERE component=? AND ended_at IS NULL", (component,))

    def members(self, run_id: int) -> list[Run]:
        """The runs that belong to a set's run, in the order in which they were begun."""
        return self._select("WHERE part_of=? ORDER BY id", (run_id,))

    def owner(self, component: str) -> Run | None:
        """The set's run in progress that the component's newest run belongs to, whether that has ended or not."""
        latest = self.latest(component)
        found = None if latest is None or latest.part_of is None else self.run(latest.part_of)
        return found if found is not None and found.ended_at is None else None

    def latest(self, component: str) -> Run | None:
        """The component's newest run."""
        return self._first("WHERE component=? ORDER BY id DESC LIMIT 1", (component,))

    def runs(self, component: str | None = None, *, limit: int = 1000, in_progress: bool = False) -> list[Run]:
        """Runs, newest first."""
        where = "WHERE (?1 IS NULL OR component=?1) AND (NOT ?2 OR ended_at IS NULL) ORDER BY id DESC LIMIT ?3"
        return self._select(where, (component, int(in_progress), limit))

    def plan(self, run_id: int) -> str | None:
        """The frozen plan of a run, as it was written; None when the run never had one."""
        rows = self.database.execute("SELECT text FROM plan WHERE run=?", (run_id,))
        return str(rows[0][0]) if rows else None

    def log(self, run_id: int, *, after: int = 0) -> Iterator[LogRow]:
        """The rows of one run, oldest first, with numbers above `after`."""
        sql = "SELECT seq, run, at, kind, step, data FROM log WHERE run=? AND seq>? ORDER BY seq"
        for values in self.database.iterate(sql, (run_id, after)):
            yield stored.row_in(values)

    def asked(self, run: Run) -> dict[str, Any]:
        """What was asked for when the run was begun: the `data` of `begin`.

        Raises:
            JournalError: it is not there, or damaged.
        """
        return stored.asked_in(next(self.log(run.id), None), run.kind)

    def verify(self) -> tuple[list[str], str]:
        """Check the hash chain. Returns what is wrong, and the newest hash in hexadecimal."""
        rows = self.database.iterate("SELECT seq, run, at, kind, step, data, prev, hash FROM log ORDER BY seq")
        heads = self.database.execute("SELECT id, last_seq, last_hash FROM run")
        found = chain.problems(rows, heads)
        return found, self._head(self.database)[1].hex()

    def length(self) -> int:
        """How many rows the log has."""
        return int(self.database.execute("SELECT count(*) FROM log")[0][0])

    def _head(self, db: Database | apsw.Connection) -> tuple[int, bytes]:
        rows = list(db.execute("SELECT seq, hash FROM log ORDER BY seq DESC LIMIT 1"))
        return (rows[0][0], rows[0][1]) if rows else (0, chain.GENESIS)

    def _append(
        self, db: apsw.Connection, run: int, records: Sequence[Record], at: str, changes: Mapping[str, Any]
    ) -> None:
        """Append the records and set columns of the run, which remembers its last row.

        Only what changes is set: naming `ended_at` would have SQLite write the index of runs in progress each time.
        """
        seq, prev = self._head(db)
        for record in records:
            seq += 1
            data = _encode(record.data)
            digest = chain.row_hash(prev, seq, run, at, record.kind, record.step, data)
            db.execute(
                "INSERT INTO log VALUES (?,?,?,?,?,?,?,?)",
                (seq, run, at, record.kind.value, record.step, data, prev, digest),
            )
            prev = digest
        columns = {**changes, "last_seq": seq, "last_hash": prev}
        db.execute(f"UPDATE run SET {', '.join(f'{name}=?' for name in columns)} WHERE id=?", (*columns.values(), run))

    def _first(self, where: str, values: tuple[Any, ...]) -> Run | None:
        found = self._select(where, values)
        return found[0] if found else None

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Run]:
        rows = self.database.execute(f"SELECT {_COLUMNS} FROM run {where}", values)
        return [Run(row[0], *_typed(row[1:])) for row in rows]

    def _at(self) -> str:
        return self._now().isoformat(timespec="milliseconds")


def _typed(values: Sequence[Any]) -> tuple[Any, ...]:
    """The columns after `id`, with the state as an enum and the flag as a boolean."""
    state, cancel = stored.state_in(values[5]), bool(values[10])
    for at in values[11:14]:
        if at is not None:
            stored.time_in(at, f"the run of {values[0]}")
    return (*values[:5], state, *values[6:10], cancel, *values[11:])
