"""The journal's file: settings, chain, migrations, damage, a full disk, other users."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from fsm.engine.journal import Journal, Kind, Record, Run
from fsm.engine.journal.database import APPLICATION_ID, RESERVE
from fsm.engine.journal.migrations import VERSION
from fsm.engine.journal.policy import BACK_OFF, BACK_OFF_MAX
from fsm.errors import JournalError
from fsm.lifecycle import State
from fsm.model import Version
from tests import strace


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "state" / "journal.db"


def edit(path: Path, sql: str) -> None:
    """Change the file as somebody with a database tool would."""
    with apsw.Connection(str(path)) as db:
        db.execute("DROP TRIGGER log_is_append_only_update; DROP TRIGGER log_is_append_only_delete")
        db.execute(sql)


def filled(path: Path) -> Journal:
    """A journal with two runs of a few rows."""
    journal = Journal(path)
    for component in ("a", "b"):
        run = journal.begin(component, "t", from_version="1")
        run = journal.write(run, [Record(Kind.STEP_STARTED, 0), Record(Kind.STEP_DONE, 0, {"x": "ü"})], position=0)
        journal.write(run, [Record(Kind.ENDED)], state=State.DONE, ended=True)
    return journal


def test_several_make_it_at_the_same_time(tmp_path):
    """The first `fsm update --all` of a host does: none of them finds it locked, or takes it for somebody else's."""
    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            path, together = tmp_path / str(number) / "journal.db", threading.Barrier(4, timeout=30)

            def begin(name: str, path: Path = path, together: threading.Barrier = together) -> int:
                together.wait()
                with Journal(path) as journal:
                    return journal.begin(name, "t").id

            assert sorted(pool.map(begin, "abcd")) == [1, 2, 3, 4]


def test_it_waits_for_another_one_that_makes_it(path):
    """SQLite does not, where a new file changes to the write-ahead log."""
    path.parent.mkdir()
    other = apsw.Connection(str(path))
    with ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        opened = pool.submit(lambda: Journal(path).close())
        with pytest.raises(TimeoutError):
            opened.result(timeout=0.2)
        other.execute("ROLLBACK")
        opened.result(timeout=30)


def test_it_is_durable_and_never_blocks_readers(path):
    """The settings that the promises rest on."""
    with Journal(path) as journal:
        pragma = {
            name: journal.database.execute(f"PRAGMA {name}")[0][0]
            for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "user_version", "application_id")
        }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": 100,
        "user_version": VERSION,
        "application_id": APPLICATION_ID,
    }
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)


@pytest.mark.processes
def test_a_commit_is_synced_before_it_returns(path):
    """Seen from outside, by the system calls of a child that writes once."""
    script = (
        "from pathlib import Path; import sys; from fsm.engine.journal import *;"
        "j = Journal(Path(sys.argv[1])); r = j.begin('a', 't'); sys.stdout.write('WRITE\\n'); sys.stdout.flush();"
        "j.write(r, [Record(Kind.STEP_STARTED, 0)], position=0); sys.stdout.write('DONE\\n'); sys.stdout.flush()"
    )
    log = path.parent.parent / "trace"
    command = [*strace.command("fdatasync,fsync,write", log), sys.executable, "-c", script, str(path)]
    subprocess.run(command, check=True, capture_output=True, env=strace.environment())
    trace = log.read_text()
    between = trace[trace.index("WRITE") : trace.index("DONE")]
    assert "fdatasync" in between or "fsync" in between


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE log SET data='{}' WHERE seq=3", "row 3 was edited"),
        ("UPDATE log SET kind='undo_done' WHERE seq=2", "row 2 was edited"),
        ("DELETE FROM log WHERE seq=2", "rows 2 to 2 are missing"),
        ("DELETE FROM log WHERE seq>=8", "row 8, the last of run 2, is missing"),
        ("UPDATE run SET last_hash=zeroblob(32) WHERE id=1", "row 4 does not match the end that run 1 recorded"),
        ("UPDATE log SET prev=zeroblob(32) WHERE seq=2", "row 2 does not follow row 1"),
    ],
)
def test_an_edited_removed_or_truncated_row_is_found(path, sql, found):
    """The hash chain."""
    with filled(path) as journal:
        assert journal.verify()[0] == []
    edit(path, sql)
    with Journal(path, readonly=True) as journal:
        assert found in " ".join(journal.verify()[0])


def test_rows_cannot_be_changed_by_accident(path):
    """The log is append-only, also for our own code."""
    with filled(path) as journal:
        for sql in ("DELETE FROM log", "UPDATE log SET data=''"):
            with pytest.raises(JournalError, match="append-only"):
                journal.database.execute(sql)


def test_a_reader_sees_the_last_commit_and_needs_no_write_permission(path):
    """`fsm status` of another user."""
    writer = filled(path)
    with Journal(path, readonly=True) as reader:
        assert [run.component for run in reader.runs()] == ["b", "a"]
        writer.begin("c", "t")
        assert [run.component for run in reader.runs()] == ["c", "b", "a"]
        with pytest.raises(JournalError, match="readonly"):
            reader.begin("d", "t")
    writer.close()
    with Journal(path, readonly=True) as reader:
        assert len(reader.runs()) == 3


@pytest.mark.needs_root
@pytest.mark.needs_linux
@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize("others", [True, False])
def test_another_user_is_told_who_may_read(others: bool, readonly: bool):
    """In a directory of the updater's own, and in one that others may look into."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "state" / "journal.db"
        path.parent.mkdir()
        if others:
            (path.parent / "something").touch()
        filled(path).close()
        refused = path if others else path.parent
        assert read_as_nobody(path, readonly).endswith(
            f"{refused} belongs to root, and nobody else may read it; use sudo"
        )


def read_as_nobody(path: Path, readonly: bool) -> str:
    """What an unprivileged process is told. It imports first: the interpreter may be root's alone."""
    script = (
        "import os, sys; from pathlib import Path; from fsm.engine.journal import Journal; from fsm import Refused\n"
        "os.setuid(65534)\ntry: Journal(Path(sys.argv[1]), readonly=sys.argv[2] == 'True')\n"
        "except Refused as error: print(error)"
    )
    argv = [sys.executable, "-c", script, str(path), str(readonly)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_missing_journal_reads_as_an_empty_one(path):
    """Before the first update, `fsm status` is no error and makes no file."""
    with Journal(path, readonly=True) as journal:
        assert journal.runs() == []
        assert journal.verify()[0] == []
        assert journal.database.integrity() == []
    assert not path.exists()


def test_a_file_that_was_only_just_made_reads_as_an_empty_journal(path):
    """The updater that was about to make it was killed."""
    path.parent.mkdir()
    path.touch()
    with Journal(path, readonly=True) as journal:
        assert journal.runs() == []
    with Journal(path) as journal:
        assert journal.begin("a", "t").id == 1


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("content", [b"<html>not a journal</html>" * 400, b"SQLite format 3\0" + b"x" * 8192])
def test_garbage_is_reported_with_what_to_do_and_left_alone(path, content, readonly):
    """The file is evidence; nobody overwrites it."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(JournalError, match="set-aside-journal") as caught:
        Journal(path, readonly=readonly)
    assert "installed components are not affected" in caught.value.todo
    assert path.read_bytes() == content


def test_another_programs_database_is_not_written_to(path):
    """It might be somebody's only copy."""
    path.parent.mkdir()
    with apsw.Connection(str(path)) as db:
        db.execute("CREATE TABLE precious (x)")
    with pytest.raises(JournalError, match="another program"):
        Journal(path)


def test_damage_in_the_middle_is_reported_when_it_is_read(path):
    """A page that went bad."""
    with Journal(path) as journal:
        run = journal.begin("a", "t")
        for index in range(300):
            run = journal.write(run, [Record(Kind.STEP_DONE, index, {"text": "x" * 200})], position=index)
        journal.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[-4096 * 12 :] = b"\xff" * 4096 * 12
    path.write_bytes(data)
    with Journal(path, readonly=True) as journal:
        assert journal.database.integrity() != []
        with pytest.raises(JournalError, match="damaged"):
            list(journal.log(1))
    data[4096 * 2 : 4096 * 20] = b"\xff" * 4096 * 18
    path.write_bytes(data)
    with Journal(path, readonly=True) as journal:
        assert "damaged" in journal.database.integrity()[0]


def test_a_directory_that_cannot_be_written_is_said(path):
    """State below a file."""
    path.parent.write_text("a file")
    with pytest.raises(JournalError, match="check state_dir"):
        Journal(path)


def test_an_unknown_kind_of_row_is_said_by_name(path):
    """A newer version's row is not guessed at."""
    filled(path).close()
    edit(path, "UPDATE log SET kind='levitated' WHERE seq=2")
    with Journal(path, readonly=True) as journal, pytest.raises(JournalError, match="levitated"):
        list(journal.log(1))


def test_a_failing_transaction_leaves_nothing(path):
    """All or nothing."""
    with Journal(path) as journal:
        run = journal.begin("a", "t")
        with pytest.raises(TypeError):
            journal.write(run, [Record(Kind.STEP_DONE, 0, {"x": object()})], position=7)
        again = journal.run(run.id)
        assert again is not None
        assert again.position == -1
        assert journal.run(99) is None
        assert journal.verify()[0] == []


def fill(descriptor: int) -> None:
    """Write until the disk is full."""
    while True:
        os.write(descriptor, bytes(4096))


def write_until_it_fails(journal: Journal, run: Run) -> None:
    """Write far more than any reserve holds."""
    for index in range(10000):
        run = journal.write(run, [Record(Kind.STEP_DONE, index, {"text": "x" * 3000})], position=index)


@pytest.mark.needs_tmpfs
def test_a_full_disk_is_met_with_the_reserve(path, tmp_path):
    """A rollback on a full disk can still be written down."""
    path.parent.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "none", str(path.parent)], check=True)
    try:
        with Journal(path) as journal:
            run = journal.begin("a", "t")
            reserve = path.with_name("journal.db.reserve")
            assert reserve.stat().st_blocks * 512 >= RESERVE
            ballast = os.open(path.parent / "ballast", os.O_WRONLY | os.O_CREAT)
            with pytest.raises(OSError, match="No space"):
                fill(ballast)
            os.close(ballast)
            for index in range(100):
                run = journal.write(run, [Record(Kind.STEP_DONE, index, {"text": "x" * 300})], position=index)
            assert not reserve.exists()
            with pytest.raises(JournalError, match="disk is full"):
                write_until_it_fails(journal, run)
            assert journal.verify()[0] == []
        with Journal(path) as journal, pytest.raises(JournalError, match="cannot reserve"):
            journal.begin("b", "t")
    finally:
        subprocess.run(["umount", str(path.parent)], check=True)


def test_where_there_is_no_fallocate_the_reserve_is_written(path, monkeypatch):
    """macOS."""
    monkeypatch.delattr(os, "posix_fallocate")
    with Journal(path) as journal:
        journal.begin("a", "t")
    assert path.with_name("journal.db.reserve").stat().st_size == RESERVE


def test_a_file_system_without_wal_is_refused(path, monkeypatch):
    """Durability and unblocked readers rest on it."""
    from fsm.engine.journal import database

    real: Callable[..., object] = database.Database._scalar
    monkeypatch.setattr(
        database.Database, "_scalar", lambda self, sql: "delete" if "journal_mode" in sql else real(self, sql)
    )
    with pytest.raises(JournalError, match="write-ahead"):
        Journal(path)


class Wall:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now


def test_a_failed_version_is_tried_again_later_and_later(path):
    """8 hours, doubling, at most two weeks."""
    wall = Wall()
    with Journal(path, now=wall) as journal:
        policy, version = journal.policy, Version("1.2.0")
        waits = []
        for _ in range(10):
            policy.quarantine("a", version, "it was unhealthy")
            found = policy.quarantined("a", Version("v1.2"))
            assert found is not None
            waits.append(found.until - wall.now)
        assert waits[:3] == [BACK_OFF, BACK_OFF * 2, BACK_OFF * 4]
        assert max(waits) == BACK_OFF_MAX
        assert "has failed here 10 times (it was unhealthy)" in (policy.blocks("a", version) or "")
        wall.now += BACK_OFF_MAX
        assert policy.blocks("a", version) is None
        policy.release("a", version)
        policy.release("a", version)
        assert policy.quarantined("a", version) is None


def test_a_clock_that_jumps_back_starts_the_back_off_anew(path):
    """A Raspberry Pi that boots in 1970 must not avoid a version for fifty years."""
    wall = Wall()
    with Journal(path, now=wall) as journal:
        journal.policy.quarantine("a", Version("2"), "x")
        wall.now -= timedelta(days=10_000)
        with Journal(path, readonly=True, now=wall) as reader:
            assert reader.policy.blocks("a", Version("2"))
        assert journal.policy.blocks("a", Version("2"))
        wall.now += BACK_OFF
        assert journal.policy.blocks("a", Version("2")) is None


def test_holds_and_pins_are_kept_by_component(path):
    """And are taken away again."""
    with Journal(path) as journal:
        policy = journal.policy
        assert policy.held("a") is None
        assert policy.pin("a") is None
        policy.hold("a", "until Monday")
        policy.set_pin("a", "~=1.4")
        assert (policy.held("a") or ("", ""))[1] == "until Monday"
        assert policy.pin("a") == "~=1.4"
        policy.unhold("a")
        policy.set_pin("a", None)
        assert policy.held("a") is None
        assert policy.pin("a") is None
        assert policy.last_check("a") is None
        policy.remember_check("a", {"x": [1]})
        assert (policy.last_check("a") or (0, 0))[1] == {"x": [1]}
