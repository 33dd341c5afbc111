"""Values in the journal that are not what was written there: SQLite does not notice, whoever reads them has to."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest

from fsm.engine.journal import SET, Highest, Journal, Kind, Record
from fsm.engine.report import run_report
from fsm.errors import JournalError
from fsm.host.quick_status import About, Hosted, in_sets, status_of
from fsm.lifecycle import State
from fsm.model import Version

ABOUT = About("web", "python_app", {"type": "directory"}, False, None)
RELEASE = {"version": "1.1", "tag": "1.1", "prerelease": False, "draft": False, "notes": ""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with a run, a set in progress, a version that failed, a check, and what a key has shown."""
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        run = journal.begin("web", "python_app")
        journal.write(run, [Record(Kind.STATE, data={"event": "ok"})])
        journal.write(run, [Record(Kind.STEP_FAILED, 0, {"why": "x"})], state=State.FAILED, ended=True)
        journal.begin("@all", "", kind=SET, data={"needs": {"web": []}})
        journal.policy.quarantine("web", Version("1.1"), "it failed")
        journal.policy.remember_check("web", {"source": ABOUT.source, "cached": {"releases": [RELEASE]}})
        journal.trusted.saw("d", "web", "a/b", ["K"], Highest(1, "1.1"), "2026-01-01T00:00:00Z")
    return path


def ask(path: Path) -> None:
    """Ask all that a report asks."""
    with Journal(path, readonly=True) as journal:
        for run in journal.runs():
            run_report(journal, run).model_dump_json()
        journal.policy.blocks("web", Version("1.1"))
        journal.trusted.newest_times("d")
        status_of(Hosted(journal, path.parent, in_sets(journal, path.parent)), ABOUT, None, "", lambda _: None)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log SET data='{\"notes'",
        "UPDATE log SET data='[]'",
        "UPDATE log SET data='{\"notes\": 1}'",
        'UPDATE log SET data=\'{"notes": ["\\ud800"]}\'',
        "UPDATE log SET data='{}' WHERE kind='state'",
        "UPDATE log SET data='{}' WHERE kind='step_failed'",
        "UPDATE log SET data='{}' WHERE kind='started'",
        "UPDATE log SET data='{\"needs\": {\"web\": 1}}' WHERE kind='started'",
        "DELETE FROM log",
        "UPDATE log SET at='2026-13-01'",
        "UPDATE log SET kind='begun'",
        "UPDATE run SET state='upgrading'",
        "UPDATE run SET started_at='yesterday'",
        "UPDATE run SET updated_at='2026-06-01T00:00:00'",
        "UPDATE run SET component=CAST(x'ff' AS TEXT)",
        "UPDATE quarantine SET failed_at=''",
        "UPDATE quarantine SET failed_at='9999-12-31T23:59:59+00:00'",
        "UPDATE checked SET checked_at='now'",
        "UPDATE checked SET data='{'",
        "UPDATE checked SET data=replace(data, 'cached', 'kept')",
        "UPDATE checked SET data=replace(data, '1.1', '?')",
        "UPDATE seen SET released_at='soon'",
    ],
)
def test_a_damaged_value(path: Path, change: str):
    """It is the journal's error, which says what to do, and not a bug of the program."""
    ask(path)
    with apsw.Connection(str(path)) as db:
        db.execute("DROP TRIGGER log_is_append_only_update; DROP TRIGGER log_is_append_only_delete")
        db.execute(change)
    with pytest.raises(JournalError):
        ask(path)


def test_a_number_of_no_step(path: Path):
    """A plan's step that a damaged row names and that is not there ends a resume before anything is done."""
    from fsm.adapter import Registry
    from fsm.engine.executor.run_record import RunRecord
    from fsm.engine.plan import Plan

    with Journal(path) as journal:
        run = journal.begin("api", "python_app")
        plan = Plan(component="api", component_type="python_app", to_version=Version("2"), steps=())
        run = journal.write(run, [Record(Kind.STEP_DONE, 7)], plan=plan.model_dump_json())
        with pytest.raises(JournalError, match="there is no step 7"):
            RunRecord(journal, Registry.discover(), run)
        run = journal.write(run, [], position=3)
        with pytest.raises(JournalError, match="there is no step 3"):
            RunRecord(journal, Registry.discover(), run)


@pytest.mark.parametrize("data", [{"wanted": 1}, {"to": ["1.0"]}, {"force": "yes"}])
def test_what_was_asked_for_is_of_its_types(tmp_path: Path, data: dict[str, object]):
    """A resume in `checking` looks for that release again."""
    with Journal(tmp_path / "journal.db") as journal:
        run = journal.begin("web", "python_app", data=data)
        with pytest.raises(JournalError, match="row 1 of its log is damaged"):
            journal.asked(run)


def test_a_process_that_a_run_has_started_must_be_one(rig):
    """Nothing is signalled that a damaged row may mean."""
    with rig.journal() as journal:
        run = journal.begin("c", "cells", from_version="1")
        journal.write(run, [Record(Kind.CHILD, data={"identity": {"pid": "x"}, "argv0": "sleep"})])
    with pytest.raises(JournalError, match="row 2 of its log is damaged"):
        rig.resume()


def test_a_write_that_was_cut_off_is_taken_back_by_who_may_write(tmp_path: Path):
    """A reader says so: SQLite would have it write to a database that is read-only."""
    made, cut = tmp_path / "made.db", tmp_path / "state" / "journal.db"
    cut.parent.mkdir(mode=0o700)
    with apsw.Connection(str(made)) as db:
        list(db.execute("PRAGMA cache_size=2; CREATE TABLE big (bytes)"))
    db.execute("BEGIN IMMEDIATE")
    for _ in range(100):
        db.execute("INSERT INTO big VALUES (zeroblob(4000))")
    shutil.copy(made, cut)
    shutil.copy(f"{made}-journal", f"{cut}-journal")
    db.close()
    with pytest.raises(JournalError, match="a write was cut off"):
        Journal(cut, readonly=True)
    with pytest.raises(JournalError, match="belongs to another program"):
        Journal(cut)
    with pytest.raises(JournalError, match="belongs to another program"):
        Journal(cut, readonly=True)
