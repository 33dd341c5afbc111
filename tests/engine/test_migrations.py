"""The journal's schema: each version leads to the next one, with all that is in the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from fsm.errors import JournalError
from fsm.journal import Journal, Kind, Record, database
from fsm.journal.database import APPLICATION_ID
from fsm.journal.migrations import MIGRATIONS, VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "state" / "journal.db"


def test_a_newer_schema_is_refused(path):
    """An older updater must not write into a newer journal."""
    Journal(path).close()
    with apsw.Connection(str(path)) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(JournalError, match=f"schema {VERSION + 1}"):
        Journal(path)


def test_version_1_is_made_from_nothing(path):
    """The first migration; later ones get a test each, beginning from a file of the version before."""
    assert len(MIGRATIONS) == 2
    with Journal(path) as journal:
        tables = {row[0] for row in journal.database.execute("SELECT name FROM sqlite_schema WHERE type='table'")}
        strict = {row[1] for row in journal.database.execute("PRAGMA table_list") if row[5] == 1}
    assert tables == {"run", "plan", "log", "policy", "quarantine", "checked"}
    assert tables <= strict


def test_version_2_knows_runs_that_belong_together(path):
    """A file of version 1 is taken up with its runs, one of them in progress, and its chain stays whole."""
    path.parent.mkdir(exist_ok=True)
    db = apsw.Connection(str(path))
    db.execute(MIGRATIONS[0])
    db.execute(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1; PRAGMA journal_mode=WAL")
    values = "1,'c','t','update','1',NULL,'updating',3,1,'','',0,'2026','2026',NULL,0,zeroblob(32)"
    db.execute(f"INSERT INTO run VALUES ({values})")
    db.close()
    with Journal(path) as journal:
        (run,) = journal.runs(in_progress=True)
        assert (run.component, run.position, run.part_of) == ("c", 3, None)
        journal.write(run, [Record(Kind.RESUMED)])
        own = journal.begin("d", "t", part_of=run.id)
        assert journal.members(run.id) == [own]
        assert journal.verify()[0] == []


def test_two_processes_that_open_at_once_migrate_once(path):
    """The second one finds the first one's schema."""
    script = (
        "from pathlib import Path; import sys; from fsm.journal import Journal;"
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
