"""`fsm doctor --set-aside-journal`: nothing is deleted, nothing useful is taken away."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Registry
from fsm.engine.locks import ComponentLock
from fsm.errors import JournalError
from fsm.host.config import load
from fsm.host.journal_reset import set_aside
from tests.unit.cli.conftest import Line, damage, interrupted
from tests.unit.cli.test_doctor import _Clumsy


def damage_both(journal: Path) -> bytes:
    """Damage the journal and its log, which would mend it. Returns what the log is now."""
    log = journal.with_name("journal.db-wal")
    journal.write_bytes(bytes(8192))
    log.write_bytes(log.read_bytes()[::-1])
    journal.with_name("journal.db-shm").write_bytes(bytes(100))
    return log.read_bytes()


def test_a_damaged_journal_is_set_aside_and_kept(updated: Line):
    """Its bytes and its log's stay, a new one begins, the component is untouched."""
    updated("update")
    journal = updated.app_fixture.state / "journal.db"
    log = damage_both(journal)
    (updated.app_fixture.work / "run-7").mkdir()
    ended = updated("doctor", "--set-aside-journal")
    assert ended.code == 0, ended.err
    kept = [Path(text.removeprefix("kept as ")) for text in ended.out.splitlines() if text.startswith("kept as ")]
    assert [path.name[:21] for path in kept] == ["journal.db.set-aside-"] * 3
    assert [path.name[37:] for path in kept] == ["", "-wal", "-shm"]
    assert kept[0].read_bytes() == bytes(8192)
    assert log
    assert kept[1].read_bytes() == log
    assert not journal.exists()
    assert not journal.with_name("journal.db-wal").exists()
    assert "interrupted runs, history, holds and pins are lost" in ended.out
    assert f"left over from an interrupted run: {updated.app_fixture.work}/run-7" in ended.out
    assert updated.app_fixture.version() == "1.1.0"
    assert updated("history").out == "no runs yet\n"
    assert updated("doctor").code == 0


def test_a_file_that_is_no_journal_is_set_aside(updated: Line):
    """It cannot even be opened."""
    updated("update")
    damage(updated.app_fixture.state / "journal.db")
    assert updated("status").code == 40
    assert updated("doctor", "--set-aside-journal").code == 0
    assert updated("status").code == 0


def test_a_whole_journal_is_not_set_aside(updated: Line):
    """20: it holds the history, holds and pins, and nothing would be gained. One that was edited may go."""
    updated("update")
    ended = updated("doctor", "--set-aside-journal")
    assert ended.code == 20
    assert "nothing is wrong with it; keep it" in ended.err
    with closing(sqlite3.connect(updated.app_fixture.state / "journal.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER log_is_append_only_update")
        db.execute("UPDATE log SET data='{}' WHERE seq=1")
    (done,) = updated("doctor", "--set-aside-journal", "--json").results
    assert Path(done["moved"][0]).stat().st_size > 0
    assert done["leftovers"] == []


@pytest.mark.processes
def test_a_journal_that_still_knows_how_to_go_on_is_not_set_aside(updated: Line):
    """20: an interrupted run is worth more than a new journal."""
    interrupted(updated)
    ended = updated("doctor", "--set-aside-journal")
    assert ended.code == 20
    assert "it is readable and has interrupted runs (app); finish them first with `fsm resume`" in ended.err
    assert updated("resume").code == 0


def test_a_journal_in_use_is_not_set_aside(updated: Line):
    """50, also for a component that is no longer configured."""
    updated("update")
    with ComponentLock(updated.app_fixture.state, "former"):
        ended = updated("doctor", "--set-aside-journal")
    assert ended.code == 50
    assert (updated.app_fixture.state / "journal.db").exists()


def test_no_journal_to_set_aside(line: Line):
    """20, and nothing is made."""
    ended = line("doctor", "--set-aside-journal")
    assert ended.code == 20
    assert "nothing to do" in ended.err


def test_a_journal_that_cannot_be_moved(updated: Line, monkeypatch: pytest.MonkeyPatch):
    """A second one within the same second never overwrites the first."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    updated("update")
    damage(updated.app_fixture.state / "journal.db")
    set_aside(load(updated.path), Registry.discover(), now=moment)
    updated("check")
    damage(updated.app_fixture.state / "journal.db")
    with pytest.raises(JournalError, match="set-aside-20260102T030405Z exists"):
        set_aside(load(updated.path), Registry.discover(), now=moment)
    assert (updated.app_fixture.state / "journal.db").exists()


def test_leftovers_that_cannot_be_looked_at(updated: Line):
    """What could be done is done; the rest is named."""

    class Blind(_Clumsy):
        """Cannot look."""

        def leftovers(self, target: Any, spec: Any) -> Sequence[Path]:
            raise PermissionError(13, "Permission denied")

    updated("update")
    damage(updated.app_fixture.state / "journal.db")
    done = set_aside(load(updated.path), Registry.of(Blind(KeyError())))
    assert done.leftovers == ("app: cannot be examined: [Errno 13] Permission denied",)


@pytest.mark.processes
def test_killed_while_setting_aside_the_log_is_kept(updated: Line):
    """Whatever the moment: no new journal meets the old one's log, and no bytes are lost."""
    updated("update")
    journal = updated.app_fixture.state / "journal.db"
    log = damage_both(journal)
    script = (
        "import os, signal\nfrom pathlib import Path\nfrom fsm.host.config import load\n"
        "from fsm.adapter import Registry\n"
        "from fsm.host.journal_reset import set_aside\n"
        "Path.unlink = lambda *args: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"set_aside(load(Path({str(updated.path)!r})), Registry.discover())\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == -9
    assert not journal.exists()
    assert updated("check").code == 0
    (kept,) = updated.app_fixture.state.glob("journal.db.set-aside-*-wal")
    assert kept.read_bytes() == log
