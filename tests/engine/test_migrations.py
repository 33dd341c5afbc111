"""The journal's schema: each version leads to the next one, with all that is in the file."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from fsm.engine.journal import Highest, Journal, Kind, Record, database
from fsm.engine.journal.database import APPLICATION_ID
from fsm.engine.journal.migrations import MIGRATIONS, VERSION
from fsm.errors import JournalError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "state" / "journal.db"


AT = "2026-01-01T00:00:00.000+00:00"


def test_a_newer_schema_is_refused(path):
    """An older updater must not write into a newer journal."""
    Journal(path).close()
    with apsw.Connection(str(path)) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(JournalError, match=f"schema {VERSION + 1}"):
        Journal(path)


def test_version_1_is_made_from_nothing(path):
    """The first migration; later ones get a test each, beginning from a file of the version before."""
    assert len(MIGRATIONS) == 3
    with Journal(path) as journal:
        tables = {row[0] for row in journal.database.execute("SELECT name FROM sqlite_schema WHERE type='table'")}
        strict = {row[1] for row in journal.database.execute("PRAGMA table_list") if row[5] == 1}
    assert tables == {"run", "plan", "log", "policy", "quarantine", "checked", "keyring", "seen", "withdrawn"}
    assert tables <= strict


def test_version_2_knows_runs_that_belong_together(path):
    """A file of version 1 is taken up with its runs, one of them in progress, and its chain stays whole."""
    path.parent.mkdir(exist_ok=True)
    db = apsw.Connection(str(path))
    db.execute(MIGRATIONS[0])
    db.execute(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1; PRAGMA journal_mode=WAL")
    values = f"1,'c','t','update','1',NULL,'updating',3,1,'','',0,'{AT}','{AT}',NULL,0,zeroblob(32)"
    db.execute(f"INSERT INTO run VALUES ({values})")
    db.close()
    with Journal(path) as journal:
        (run,) = journal.runs(in_progress=True)
        assert (run.component, run.position, run.part_of) == ("c", 3, None)
        journal.write(run, [Record(Kind.RESUMED)])
        own = journal.begin("d", "t", part_of=run.id)
        assert journal.members(run.id) == [own]
        assert journal.verify()[0] == []


def test_version_3_remembers_what_signed_documents_have_shown(path):
    """A file of version 2 keeps what it has; one that is only read knows nothing, and is not changed."""
    path.parent.mkdir(exist_ok=True)
    db = apsw.Connection(str(path))
    db.execute("".join(MIGRATIONS[:2]))
    db.execute(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=2; PRAGMA journal_mode=WAL")
    db.execute("INSERT INTO policy VALUES ('c', NULL, '', '1.0')")
    db.close()
    with Journal(path, readonly=True) as journal:
        assert journal.trusted.keyring("root") is None
        assert journal.trusted.highest("root", "c", "o/r", ()) is None
        assert journal.database.schema == 2
    with Journal(path) as journal:
        assert journal.policy.pin("c") == "1.0"
        trusted = journal.trusted
        assert trusted.keep_keyring("root", b"1", b"s", lambda kept: False)
        assert trusted.keep_keyring("root", b"2", b"t", lambda kept: kept == (b"1", b"s"))
        assert not trusted.keep_keyring("root", b"3", b"u", lambda kept: False)
        assert trusted.keyring("root") == (b"2", b"t")
        trusted.saw("root", "c", "o/r", ["A", "B"], Highest(5, "1.0"), "2026-01-02T00:00:00Z")
        trusted.saw("root", "c", "o/r", ["A"], Highest(4, "0.9"), "2026-01-03T00:00:00Z")
        trusted.saw("root", "c", "o/r", ["A"], Highest(7, "1.1"), "2026-01-01T00:00:00Z")
        assert trusted.highest("root", "c", "o/r", ()) == (7, "1.1")
        assert trusted.highest("root", "c", "o/r", {"A"}) == (5, "1.0")
        assert trusted.highest("root", "c", "o/other", ()) is None
        trusted.saw("root", "d", "o/r", ["B", "C"], Highest(1, "1.0"), "")
        newest = datetime(2026, 1, 2, tzinfo=UTC)
        assert trusted.newest_times("root") == {"A": newest, "B": newest}
        assert trusted.keep_withdrawn("root", "o/r", b"w", b"s", lambda kept: False)
        assert not trusted.keep_withdrawn("root", "o/r", b"x", b"s", lambda kept: False)
        assert trusted.withdrawn("root", "o/r") == (b"w", b"s")


@pytest.mark.processes
def test_two_processes_that_open_at_once_migrate_once(path):
    """The second one finds the first one's schema."""
    script = (
        "from pathlib import Path; import sys; from fsm.engine.journal import Journal;"
        "Journal(Path(sys.argv[1])).begin(sys.argv[2], 't')"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, str(path), f"c{index}"]) for index in range(4)]
    assert [child.wait(60) for child in children] == [0, 0, 0, 0]
    with Journal(path, readonly=True) as journal:
        assert len(journal.runs()) == 4
        assert journal.verify()[0] == []


def test_a_new_journal_that_stays_locked_is_said(path, monkeypatch):
    """Somebody holds the file: waiting ends, with an error in one line."""
    path.parent.mkdir()
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0)
    with pytest.raises(JournalError, match="locked"):
        Journal(path)
    other.close()
