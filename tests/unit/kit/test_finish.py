"""Keeping the version that an update replaces: its record, its place, and when it goes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from fsm import DeadlineExceeded, Done, Failed, Refused, StepFailed, Transient, kit
from fsm.adapter import StepContext
from fsm.engine.performing import perform
from fsm.kit import BackupRecord, Layout, Retention, Retire, Tidy
from fsm.system.files import native
from tests.world import Crash, crash_at

NOW = datetime.now(UTC)


def context(run: int, *, provisional: bool = False) -> Any:
    """What the steps ask of the executor."""
    return SimpleNamespace(run_id=run, provisional=provisional, check=lambda: None, results={})


def keep(layout: Layout, run: int, *, days: float = 0, version: str | None = None) -> Path:
    """A run that has kept a version, which was replaced some days ago."""
    place = layout.make_run(run)
    (place / "file").write_text(f"{run}")
    made_at = (NOW - timedelta(days=days)).isoformat(timespec="seconds")
    kit.write_record(place, BackupRecord(run=run, version=version or f"1.{run}", made_at=made_at))
    return place


def retire(layout: Layout, run: int, **given: Any) -> Path:
    """A backup."""
    version = given.setdefault("version", f"1.{run}")
    keep(layout, run, **given)
    done = Retire(layout=layout, from_version=version).do(context(run))
    assert isinstance(done, Done)
    return Path(done.data["backup"])


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Where everything lies."""
    return Layout(root=tmp_path / ".app.fsm")


@pytest.mark.parametrize(
    ("count", "days", "left"),
    [(1, 0, [5]), (2, 0, [5, 4]), (1, 2.5, [5, 4, 3]), (3, 2.5, [5, 4, 3]), (9, 0, [5, 4, 3, 2, 1])],
)
def test_old_versions_go_by_number_and_by_age(layout: Layout, count: int, days: float, left: list[int]):
    """So many stay whatever their age, and all that are young."""
    for run in range(1, 6):
        retire(layout, run, days=5 - run)
    done = Tidy(layout=layout, retention=Retention(count=count, days=days)).do(context(6))
    assert isinstance(done, Done)
    assert [record.run for _, record in layout.records(BackupRecord)] == left
    assert [each.run_id for each in layout.kept(BackupRecord)] == left
    assert [note.partition(" from ")[0] for note in done.notes] == [
        f"1.{run}" for run in (4, 3, 2, 1) if run not in left
    ]
    assert not [path for path in layout.backups.iterdir() if not (path / "record.json").exists()]


def test_a_run_that_may_go_back_forgets_none_that_it_could_need(layout: Layout):
    """What it has replaced itself does not count as long as the others of its set are waited for; it never goes."""
    retire(layout, 1, days=3)
    retire(layout, 2, days=2)
    rule = Retention(count=1, days=0)
    assert [record.run for _, record in rule.expired(layout.records(BackupRecord), context(2, provisional=True))] == []
    assert [record.run for _, record in rule.expired(layout.records(BackupRecord), context(2))] == [1]
    (path, record), *_ = layout.records(BackupRecord)
    assert rule.expired([(path, record), (path, record)], context(2)) == []


def test_a_retirement_can_be_killed_done_again_and_undone(layout: Layout):
    """The directory is in one of the two places, whole."""
    keep(layout, 1)
    step = Retire(layout=layout, from_version="1.1")
    with crash_at(0, only="retire.renamed"), pytest.raises(Crash):
        step.do(context(1))
    for _ in range(2):
        step.do(context(1))
        assert (layout.backup("1.1", 1) / "file").read_text() == "1"
        assert not layout.run(1).exists()
    for _ in range(2):
        step.undo(context(1))
        assert (layout.run(1) / "file").read_text() == "1"
        assert not layout.backup("1.1", 1).exists()


def test_undoing_a_retirement_leaves_a_place_for_what_is_undone_next(layout: Layout):
    """`Tidy` has removed what was no backup."""
    layout.make_run(1)
    step = Retire(layout=layout, from_version=None)
    step.do(context(1))
    assert layout.backup(None, 1) == layout.backups / "unknown@1"
    Tidy(layout=layout, retention=Retention()).do(context(1))
    assert not layout.backups.exists()
    step.undo(context(1))
    assert layout.run(1).is_dir()


def test_half_a_backup_is_none_and_goes(layout: Layout):
    """A power cut between the record and the rest leaves what nobody can go back to; the next update removes it."""
    place = retire(layout, 1, days=9)
    retire(layout, 2)
    tidy = Tidy(layout=layout, retention=Retention(count=1, days=0))

    with crash_at(0, only="files.remove_tree.removed"), pytest.raises(Crash):
        tidy.do(context(3))
    assert place.is_dir()
    assert [record.run for _, record in layout.records(BackupRecord)] == [2]
    assert tidy.do(context(3)) == Done()
    assert not place.exists()


def test_undoing_removes_half_a_backup_as_well(layout: Layout):
    """What was removed does not come back."""
    (retire(layout, 1) / "record.json").unlink()
    whole = retire(layout, 2)
    assert Tidy(layout=layout, retention=Retention()).undo(context(3)) == Done()
    assert list(layout.backups.iterdir()) == [whole]


def test_a_download_is_no_part_of_a_backup(layout: Layout):
    """It has been used."""
    (keep(layout, 1) / "download").mkdir()
    Retire(layout=layout, from_version="1.1").do(context(1))
    Tidy(layout=layout, retention=Retention()).do(context(1))
    assert sorted(path.name for path in layout.backup("1.1", 1).iterdir()) == ["file", "record.json"]


class _Failing(Tidy):
    error: ClassVar[Exception]

    def tidy(self, ctx: StepContext) -> Iterator[str]:
        yield "something was removed"
        raise self.error


@pytest.mark.parametrize(
    "error",
    [OSError("disk"), StepFailed("cannot", "why"), DeadlineExceeded("cannot"), Refused("no"), Transient("later")],
    ids=lambda error: type(error).__name__,
)
def test_tidying_fails_no_update(layout: Layout, error: Exception):
    """What went wrong is said, after what was done."""
    _Failing.error = error
    done = _Failing(layout=layout, retention=Retention()).do(context(1))
    assert isinstance(done, Done)
    assert done.notes[0] == "something was removed"
    assert done.notes[1].startswith("could not remove everything that is no longer needed: ")


def test_a_sync_that_fails_fails_no_update(layout: Layout, monkeypatch: pytest.MonkeyPatch):
    """As of a full disk: the new version is verified, and only what was removed may come back."""
    retire(layout, 1, days=9)
    retire(layout, 2)
    step = Tidy(layout=layout, retention=Retention(count=1, days=0))

    def refuse(descriptor: int) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(native, "sync_file_system", refuse)
    done = perform(step, "do", context(3))
    assert isinstance(done, Done)
    assert done.notes[-1].startswith("what was removed may be back after a power cut: [Errno 28]")
    assert perform(step, "undo", context(3)) == Done()


BROKEN = (
    "",
    "{",
    '{"run": "x"}',
    '{"run": 1, "version": null, "made_at": "2026-01-02T03:04:05+00:00", "more": 1}',
    '{"run": 1, "version": null, "made_at": "/canary/dir"}',
    '{"run": 1, "version": null, "made_at": "2026-01-02T03:04:05"}',
)


@pytest.mark.parametrize("text", BROKEN)
def test_a_record_that_cannot_be_read_is_none(layout: Layout, text: str):
    """Nobody rolls back to what nobody knows."""
    place = retire(layout, 1)
    (place / "record.json").write_text(text)
    assert layout.records(BackupRecord) == []
    assert kit.read_record(place, BackupRecord) is None
    assert kit.read_record(layout.root / "nowhere", BackupRecord) is None


def test_the_highest_number_of_all_that_is_left(layout: Layout):
    """A new journal begins behind it."""
    assert layout.last_run() == 0
    retire(layout, 3)
    assert layout.last_run() == 3
    layout.make_run(7)
    (layout.aside / "9").mkdir(parents=True)
    assert layout.last_run() == 9
    assert layout.leftovers() == [layout.run(7)]


def test_a_run_s_directory_is_made_swept_and_removed(layout: Layout, umask: Callable[[int], object]):
    """With its mode, whatever the mask; with it goes all that is empty."""
    umask(0o077)
    place = layout.make_run(1)
    assert (layout.root.stat().st_mode & 0o777, place.stat().st_mode & 0o777) == (0o711, 0o711)
    (place / ".fsm-tmp-999999999-0").write_text("left by a process that is gone")
    more = layout.root / "more"
    more.mkdir()
    assert list(layout.make_run(1).iterdir()) == []
    layout.remove_run(1, lambda: None, more)
    assert not layout.root.exists()
    layout.remove_run(1, lambda: None, more)


class _Host(kit.HostStep):
    name: ClassVar[str] = "host"

    def act(self, ctx: StepContext) -> Done:
        raise StepFailed("cannot do it", "the disk is gone", "replace it")


def test_what_the_host_cannot_do_is_not_the_release_s_fault():
    """So the release may be tried again."""
    assert _Host().do(context(1)) == Failed(why="cannot do it: the disk is gone", todo="replace it", blame="host")
