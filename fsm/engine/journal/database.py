"""The SQLite file below the journal: settings, transactions, the reserve for a full disk, errors converted once.

Settings and their reasons: WAL, so that readers never block and are never blocked; ``synchronous=FULL``, so that a
commit that returned is on the disk; ``wal_autocheckpoint=100`` keeps the WAL below half a MiB; the WAL is kept at close
(``PERSIST_WAL``), because on a read-only mount a reader cannot create one. `apsw` bundles its own SQLite: versions
3.7.0 to 3.51.2 can corrupt a WAL that two connections write and checkpoint at once (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from fsm.engine.journal.migrations import MIGRATIONS, VERSION
from fsm.errors import JournalError
from fsm.system import faults, private

APPLICATION_ID: Final = 0x46534D4A  # "FSMJ", https://sqlite.org/fileformat.html#application_id
BUSY_TIMEOUT: Final = 30_000  # milliseconds; a writer holds the lock for a fraction of a millisecond
RESERVE: Final = 2 * 1024 * 1024  # bytes: some hundred commits of a rollback on a full disk


T = TypeVar("T")


class Database:
    """One connection. Not to be shared between threads.

    Args:
        path: the journal's file.
        readonly: for reports; needs no write permission, and takes a missing file for an empty journal.

    The file is made for its user alone, whatever the umask is.

    Raises:
        JournalError: the file is damaged, no journal, of a newer schema, or not accessible.
        Refused: it is another user's, or others than this user could exchange it.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly
        self._reserve = path.with_name(path.name + ".reserve")
        with self._errors("open"):
            self._connection = self._connect()
            self._identify()
            if not readonly:
                self._prepare()
            self.schema: int = self._scalar("PRAGMA user_version")

    def _connect(self) -> apsw.Connection:
        if self.readonly:
            private.look(self.path.parent)
        else:
            private.state(self.path.parent)
        private.refuse_stranger(self.path)
        if self.readonly and not self.path.exists():
            return _in_memory()
        flags = apsw.SQLITE_OPEN_READONLY if self.readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        connection = apsw.Connection(str(self.path), flags=flags)
        if not self.readonly:
            self._close_to_others()
        connection.set_busy_timeout(BUSY_TIMEOUT)
        return connection

    def _close_to_others(self) -> None:
        """Before SQLite makes the files beside it, which get its mode: a read lock on them stops every writer."""
        for end in ("", "-wal", "-shm", ".reserve"):
            with suppress(FileNotFoundError):
                private.close(self.path.with_name(self.path.name + end))

    def _identify(self) -> None:
        version = self._scalar("PRAGMA user_version")
        empty = version == 0 and self._scalar("SELECT count(*) FROM sqlite_schema") == 0
        # Asked for last: where another process makes the journal just now, what is not empty has its mark already.
        found = self._scalar("PRAGMA application_id")
        if empty and self.readonly:
            # The updater that was about to make it was killed: for a report the same as none.
            self._connection.close()
            self._connection = _in_memory()
            return
        if found != APPLICATION_ID and not empty:
            raise JournalError(
                f"cannot use {self.path} as the journal",
                "it belongs to another program",
                "set a different state_dir, or see `fsm doctor`",
            )
        if version > VERSION:
            raise JournalError(
                f"cannot use the journal {self.path}",
                f"it has schema {version}, but this version of fsm-updater only knows schemas up to {VERSION}",
                "reinstall the newer version of fsm-updater",
            )

    def _prepare(self) -> None:
        mode = self._write_ahead()
        if mode != "wal":
            raise JournalError(
                f"cannot use {self.path} as the journal",
                f"its file system does not support SQLite's write-ahead log (mode {mode!r})",
                "put state_dir on a local file system",
            )
        self._connection.execute("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=100; PRAGMA foreign_keys=ON")
        keep = array("i", [1])  # SQLite wants the address of an int
        self._connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, keep.buffer_info()[0])
        if self._scalar("PRAGMA user_version") < VERSION:
            self.write(_migrate)

    def _write_ahead(self) -> Any:
        """Switch to the write-ahead log; SQLite itself waits for nobody there, and several may open a new journal."""
        until = time.monotonic() + BUSY_TIMEOUT / 1000
        while True:
            try:
                return self._scalar("PRAGMA journal_mode=WAL")
            except apsw.BusyError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.005)

    def _scalar(self, sql: str) -> Any:
        return next(iter(self._connection.execute(sql)))[0]

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return all of its rows."""
        with self._errors("read" if sql.startswith("SELECT") else "write"):
            return list(self._connection.execute(sql, values))

    def iterate(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Run one statement and yield its rows, for results that need not fit into memory."""
        with self._errors("read"):
            yield from self._connection.execute(sql, values)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is read within is of one moment, and quicker read: the file is locked once, not for each statement."""
        with self._errors("read"), self._connection:  # a savepoint: one within another is a part of it
            yield

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do `work` in one transaction: all or nothing, durable on return.

        A full disk is met with the reserve before it is an error; `work` is then called a second time. Called by such a
        `work` itself, it takes part in the transaction that there is.
        """
        if self._connection.in_transaction:
            return work(self._connection)
        with self._errors("write"):
            try:
                result = self._transact(work)
            except (apsw.FullError, apsw.IOError):
                if not self._reserve.exists():
                    raise
                self._reserve.unlink()
                result = self._transact(work)
        faults.point("journal.after_commit")
        return result

    def _transact(self, work: Callable[[apsw.Connection], T]) -> T:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
            faults.point("journal.before_commit")
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself where it could not write.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    def set_reserve(self) -> None:
        """Keep a little disk back, so that a rollback can still be written down when the disk is full.

        Asked for by new runs only: a resume on a full disk has to go on without.

        Raises:
            JournalError: there is not even that much space left.
        """
        if self._reserve.exists():
            return
        descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, RESERVE)
            else:
                os.write(descriptor, bytes(RESERVE))
        except OSError as error:
            self._reserve.unlink()
            raise JournalError(
                f"cannot reserve {RESERVE >> 20} MiB for the journal {self.path}",
                error.strerror or str(error),
                "free some disk space",
            ) from error
        finally:
            os.close(descriptor)

    def integrity(self) -> list[str]:
        """What SQLite's own check finds wrong with the file, one line each."""
        try:
            return [row[0] for row in self.execute("SELECT * FROM pragma_integrity_check") if row[0] != "ok"]
        except JournalError as error:
            return [error.why]

    def close(self) -> None:
        """Close the connection; the WAL stays for readers."""
        with self._errors("close"):
            self._connection.close()

    @contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        try:
            yield
        except apsw.FullError as error:
            raise JournalError(
                f"cannot {verb} the journal {self.path}", "the disk is full", "free some space, then run `fsm resume`"
            ) from error
        except (apsw.CorruptError, apsw.NotADBError, UnicodeDecodeError) as error:
            raise JournalError(
                f"cannot {verb} the journal {self.path}",
                f"it is damaged or not a journal ({error})",
                "run `fsm doctor --set-aside-journal` to move it aside; installed components are not affected",
            ) from error
        except apsw.Error as error:
            why, todo = str(error), "see `fsm doctor`"
            if getattr(error, "extendedresult", 0) == apsw.SQLITE_READONLY_ROLLBACK:
                # A power cut hit it while it was made; its rollback journal is nothing that a reader can play back.
                why = "a write was cut off, and only who may write it can take that back"
                todo = "run `fsm resume` as the user whom the updater runs as"
            raise JournalError(f"cannot {verb} the journal {self.path}", why, todo) from error
        except OSError as error:
            raise JournalError(
                f"cannot {verb} the journal {self.path}", str(error), "check state_dir and its permissions"
            ) from error


def _in_memory() -> apsw.Connection:
    """An empty journal, for reports where there is none."""
    connection = apsw.Connection(":memory:")
    _migrate(connection)
    return connection


def _migrate(connection: apsw.Connection) -> None:
    """Bring the schema up to date, from whatever version another process has left it at by now."""
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    version: int = next(iter(connection.execute("PRAGMA user_version")))[0]
    for step, sql in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute(sql)
        connection.execute(f"PRAGMA user_version={step}")
