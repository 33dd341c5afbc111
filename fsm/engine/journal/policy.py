"""What the host remembers beside its runs: holds, pins, quarantine (versions that failed), and the last check.

A version that failed is not tried again by itself until a newer one appears or the back-off has passed: 8 hours,
doubling with each failure, at most two weeks. A clock that went backwards starts the back-off anew rather than
stretching it to the distance of the jump.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fsm.engine.journal import stored
from fsm.engine.journal.database import Database
from fsm.errors import count

if TYPE_CHECKING:
    import apsw

    from fsm.versions import Version

BACK_OFF: Final = timedelta(hours=8)
BACK_OFF_MAX: Final = timedelta(weeks=2)


class Quarantined(NamedTuple):
    """A version that failed on this host. `until` is when it may be tried again by itself."""

    version: str
    failures: int
    failed_at: datetime
    until: datetime
    reason: str


class Policy:
    """Holds, pins, quarantine and the check cache, in the journal's file."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._checks: dict[str, tuple[str, str, str]] = {}
        self._gathers = False

    def hold(self, component: str, why: str) -> None:
        """Let no update of the component start until `unhold`."""
        self._set(component, "held_at=?2, held_why=?3", (component, self._now().isoformat(), why))

    def unhold(self, component: str) -> None:
        """Take the hold away."""
        self._set(component, "held_at=NULL, held_why=''", (component,))

    def held(self, component: str) -> tuple[str, str] | None:
        """Since when and why the component is held, or None."""
        rows = self._database.execute("SELECT held_at, held_why FROM policy WHERE component=?", (component,))
        return (rows[0][0], rows[0][1]) if rows and rows[0][0] else None

    def set_pin(self, component: str, pin: str | None) -> None:
        """Keep the component at a version or within a specifier such as ``~=1.4``; None takes the pin away."""
        self._set(component, "pin=?2", (component, pin))

    def pin(self, component: str) -> str | None:
        """The component's pin."""
        rows = self._database.execute("SELECT pin FROM policy WHERE component=?", (component,))
        return rows[0][0] if rows else None

    def _set(self, component: str, assignment: str, values: tuple[Any, ...]) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("INSERT OR IGNORE INTO policy (component) VALUES (?)", (component,))
            db.execute(f"UPDATE policy SET {assignment} WHERE component=?1", values)

        self._database.write(work)

    def _write(self, sql: str, values: tuple[Any, ...]) -> None:
        self._database.write(lambda db: db.execute(sql, values))

    def quarantine(self, component: str, version: Version, reason: str) -> None:
        """Remember that the version failed here."""
        self._write(
            "INSERT INTO quarantine VALUES (?1,?2,1,?3,?4) ON CONFLICT DO UPDATE"
            " SET failures=failures+1, failed_at=?3, reason=?4",
            (component, version.canonical, self._now().isoformat(), reason),
        )

    def release(self, component: str, version: Version) -> None:
        """Forget the failures of a version: it works now."""
        if self.quarantined(component, version):
            self._write("DELETE FROM quarantine WHERE component=? AND version=?", (component, version.canonical))

    def quarantined(self, component: str, version: Version) -> Quarantined | None:
        """What is remembered of a version, whether or not its back-off has passed."""
        rows = self._database.execute(
            "SELECT version, failures, failed_at, reason FROM quarantine WHERE component=? AND version=?",
            (component, version.canonical),
        )
        if not rows:
            return None
        name, failures, failed_at, reason = rows[0]
        what = f"what is remembered of {component} {name}"
        since = stored.time_in(failed_at, what)
        wait = min(BACK_OFF * 2 ** min(failures - 1, 20), BACK_OFF_MAX)
        try:
            return Quarantined(name, failures, since, since + wait, reason)
        except OverflowError as error:
            raise stored.damaged(what, f"it failed at {failed_at}") from error

    def blocks(self, component: str, version: Version) -> str | None:
        """Why the version is not tried now by itself, one sentence; None when nothing speaks against it."""
        self._mend_clock(component)
        found = self.quarantined(component, version)
        if found is None or found.until <= self._now():
            return None
        until = found.until.isoformat(timespec="minutes")
        times = count(found.failures, "time")
        return f"it has failed here {times} ({found.reason}); it will be tried again after {until}"

    def _mend_clock(self, component: str) -> None:
        """A failure in the future means that the clock went back: count from now, not from then."""
        now = self._now().isoformat()
        future = "FROM quarantine WHERE component=?1 AND failed_at>?2"
        if self._database.execute(f"SELECT 1 {future}", (component, now)) and not self._database.readonly:
            self._write("UPDATE quarantine SET failed_at=?2 WHERE component=?1 AND failed_at>?2", (component, now))

    def remember_check(self, component: str, data: dict[str, Any]) -> None:
        """Keep the result of a check."""
        row = component, self._now().isoformat(), json.dumps(data, separators=(",", ":"))
        self._checks[component] = row
        if not self._gathers:
            self._keep_checks()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Keep what is remembered of checks meanwhile in one commit at the end: a thousand take a second or more."""
        self._gathers = True
        try:
            yield
        finally:
            self._gathers = False
            if self._checks:
                self._keep_checks()

    def _keep_checks(self) -> None:
        rows, self._checks = list(self._checks.values()), {}
        self._database.write(lambda db: db.executemany("INSERT OR REPLACE INTO checked VALUES (?,?,?)", rows))

    def last_check(self, component: str) -> tuple[datetime, dict[str, Any]] | None:
        """When the component was checked last, and the result."""
        sql = "SELECT component, checked_at, data FROM checked WHERE component=?"
        known = self._checks.get(component)
        rows = [known] if known else self._database.execute(sql, (component,))
        what = f"the last check of {component}"
        return (stored.time_in(rows[0][1], what), stored.object_in(rows[0][2], what)) if rows else None
