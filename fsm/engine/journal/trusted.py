"""What signed documents have shown this host: keyrings, the highest sequences, withdrawn versions. It never goes back.

Bytes are kept with their signatures and verified again at each use: whoever can write here gains nothing by it but to
take something away.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fsm.engine.journal import stored
from fsm.engine.journal.database import Database

if TYPE_CHECKING:
    import apsw

SINCE: Final = 3
"""The schema version that has these tables."""

Kept = tuple[bytes, bytes]
"""A document with its signature."""

Replaces = Callable[[Kept], bool]
"""Whether a new document is newer than one that is kept. Asked while nobody else can write: others learn, too."""


class Highest(NamedTuple):
    """The newest release that a key has signed for a component: what a host does not go back from."""

    sequence: int
    version: str


class Trusted:
    """Keyrings, sequences and withdrawn versions, in the journal's file.

    A domain is a set of root keys; `fsm.formats.trust.TrustSpec.domain` names it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def keyring(self, domain: str) -> Kept | None:
        """The newest keyring with its signature."""
        rows = self._rows("SELECT data, signature FROM keyring WHERE domain=?", (domain,))
        return (rows[0][0], rows[0][1]) if rows else None

    def keep_keyring(self, domain: str, data: bytes, signature: bytes, replaces: Replaces) -> bool:
        """Replace the keyring by a newer one; whether that was done."""
        return self._replace(
            lambda: self.keyring(domain),
            replaces,
            "INSERT OR REPLACE INTO keyring VALUES (?,?,?)",
            (domain, data, signature),
        )

    def withdrawn(self, domain: str, repository: str) -> Kept | None:
        """The newest list of withdrawn versions with its signature."""
        sql = "SELECT data, signature FROM withdrawn WHERE domain=? AND repository=?"
        rows = self._rows(sql, (domain, repository))
        return (rows[0][0], rows[0][1]) if rows else None

    def keep_withdrawn(self, domain: str, repository: str, data: bytes, signature: bytes, replaces: Replaces) -> bool:
        """Replace the list by a newer one; whether that was done."""
        return self._replace(
            lambda: self.withdrawn(domain, repository),
            replaces,
            "INSERT OR REPLACE INTO withdrawn VALUES (?,?,?,?)",
            (domain, repository, data, signature),
        )

    def marks(self) -> list[str]:
        """The signatures of everything above: as long as these are the same, it says the same."""
        sql = "SELECT hex(signature) FROM keyring UNION ALL SELECT hex(signature) FROM withdrawn ORDER BY 1"
        return [row[0] for row in self._rows(sql, ())]

    def highest(self, domain: str, component: str, repository: str, revoked: Collection[str]) -> Highest | None:
        """The highest sequence of a component that a key has signed that is still believed."""
        rows = self._rows(
            "SELECT key, sequence, version FROM seen WHERE domain=? AND component=? AND repository=?",
            (domain, component, repository),
        )
        return max((Highest(sequence, version) for key, sequence, version in rows if key not in revoked), default=None)

    def newest_times(self, domain: str) -> dict[str, datetime]:
        """The newest time that releases have told of themselves, by the key that signed them."""
        sql = "SELECT key, max(released_at) FROM seen WHERE domain=? AND released_at<>'' GROUP BY key"
        return {key: stored.time_in(at, f"what key {key} has shown") for key, at in self._rows(sql, (domain,))}

    def saw(
        self, domain: str, component: str, repository: str, keys: Collection[str], found: Highest, released_at: str
    ) -> None:
        """Remember a manifest that was verified, for each key that signed it, at once."""

        def work(db: apsw.Connection) -> None:
            for key in keys:
                db.execute(
                    "INSERT INTO seen VALUES (?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO UPDATE"
                    " SET sequence=?5, version=?6, released_at=max(released_at, ?7) WHERE sequence<=?5",
                    (domain, component, repository, key, found.sequence, found.version, released_at),
                )

        self._database.write(work)

    def _rows(self, sql: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """What is remembered; nothing in a journal that an older version made, and that is only read here."""
        return self._database.execute(sql, values) if self._database.schema >= SINCE else []

    def _replace(
        self, kept: Callable[[], Kept | None], replaces: Replaces, sql: str, values: tuple[str | bytes, ...]
    ) -> bool:
        def work(db: apsw.Connection) -> bool:
            found = kept()
            if found is not None and not replaces(found):
                return False
            db.execute(sql, values)
            return True

        return self._database.write(work)
