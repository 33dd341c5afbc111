"""A file of people's is changed by one rename, and goes back by one, for which a full disk has room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsm.system import files
from fsm_container.layout import SavedFile
from fsm_container.replace import old_beside, put, put_back
from fsm_container.splice import FileEdit, Splice, digest

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_tmpfs]

CTX: Any = SimpleNamespace(component="web", run_id=7)
TEXT = b"services:\n  web:\n    image: web:1.0.0\n" + b"# by hand\n" * 2000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 128 KiB."""
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=0755", "none", str(point)], check=True)
    yield point
    subprocess.run(["umount", "--lazy", str(point)], check=True)


def fill(disk: Path) -> None:
    """Leave no room on it."""
    descriptor = os.open(disk / "log", os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, bytes(512))
    os.close(descriptor)
    assert os.statvfs(disk).f_bavail == 0


def saved(path: Path, place: Path) -> SavedFile:
    """A copy of it, as a run keeps it."""
    place.mkdir()
    files.copy_entry(path, place / path.name)
    return SavedFile(path=path, sha256=digest(path.read_bytes()), copy_name=path.name)


def edited(path: Path) -> FileEdit:
    """The change of its image."""
    splice = Splice(offset=TEXT.index(b"1.0.0"), old="1.0.0", new="1.1.0")
    return FileEdit.of(path, path.read_bytes(), [splice])


@pytest.mark.parametrize("same_disk", [True, False])
def test_a_full_disk_does_not_keep_the_old_file_from_coming_back(disk, tmp_path, same_disk):
    """Bytes, times and mode, and nothing beside it; wherever the copy is that the run has made."""
    path, place = disk / "compose.yml", (disk if same_disk else tmp_path) / "place"
    path.write_bytes(TEXT)
    path.chmod(0o640)
    before, copy, edit = path.stat(), saved(path, place), edited(path)
    assert put(edit, path.parent, CTX)
    assert path.read_bytes() == TEXT.replace(b"1.0.0", b"1.1.0")
    fill(disk)
    assert put_back(edit, copy, place, CTX, known=True) == []
    after = path.stat()
    assert path.read_bytes() == TEXT
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert {each.name for each in disk.iterdir()} - {"place"} == {"compose.yml", "log"}


def test_a_full_disk_when_the_old_file_is_held_no_more(disk):
    """A set goes back after its members have tidied up: the copy itself takes the name."""
    path = disk / "compose.yml"
    path.write_bytes(TEXT)
    copy, edit = saved(path, disk / "place"), edited(path)
    assert put(edit, path.parent, CTX)
    old_beside(path, "web").unlink()
    fill(disk)
    assert put_back(edit, copy, disk / "place", CTX, known=True) == []
    assert path.read_bytes() == TEXT


def test_a_full_disk_after_somebody_has_changed_another_line(disk):
    """What they wrote stays, and only the image goes back."""
    path = disk / "compose.yml"
    path.write_bytes(TEXT)
    copy, edit = saved(path, disk / "place"), edited(path)
    theirs = TEXT.replace(b"# by hand\n", b"# by another hand\n", 1)
    path.write_bytes(theirs)
    assert put(edit, path.parent, CTX)
    fill(disk)
    assert put_back(edit, copy, disk / "place", CTX, known=True) == [
        f"{path} was changed during the update; only the image in it went back"
    ]
    assert path.read_bytes() == theirs


def test_what_an_earlier_run_has_left_is_not_taken_for_the_old_file(disk):
    """It was killed, and its run set aside with the journal."""
    path = disk / "compose.yml"
    path.write_bytes(TEXT)
    old_beside(path, "web").write_bytes(b"of another day")
    copy, edit = saved(path, disk / "place"), edited(path)
    assert put(edit, path.parent, CTX)
    assert put(edit, path.parent, CTX), "after a crash it is done again"
    assert put_back(edit, copy, disk / "place", CTX, known=True) == []
    assert path.read_bytes() == TEXT
    assert not old_beside(path, "web").exists()


@pytest.mark.parametrize("again", [False, True])
def test_a_file_that_was_not_changed_by_us_stays_what_others_made_of_it(disk, again):
    """The line is gone, so that the change is refused; also when that had come up to its rename before a crash."""
    path = disk / "compose.yml"
    path.write_bytes(TEXT)
    copy, edit = saved(path, disk / "place"), edited(path)
    if again:
        os.link(path, old_beside(path, "web"))
    theirs = TEXT.replace(b"1.0.0", b"1.0.5")
    path.write_bytes(theirs)
    assert not put(edit, path.parent, CTX)
    assert put_back(edit, copy, disk / "place", CTX, known=False) == []
    assert path.read_bytes() == theirs
    assert {each.name for each in disk.iterdir()} == {"place", "compose.yml"}


def test_a_change_that_was_made_before_a_crash_goes_back(disk):
    """Nobody has written down that it was."""
    path = disk / "compose.yml"
    path.write_bytes(TEXT)
    copy, edit = saved(path, disk / "place"), edited(path)
    assert put(edit, path.parent, CTX)
    path.write_bytes(path.read_bytes() + b"# theirs\n")
    assert len(put_back(edit, copy, disk / "place", CTX, known=False)) == 1
    assert path.read_bytes() == TEXT + b"# theirs\n"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("planted", ["symlink", "hard link", "fifo"])
def test_nothing_is_written_through_what_somebody_puts_there(disk, monkeypatch, there, planted):
    """Between the copy and its opening, in a directory that others may write: the file elsewhere stays as it is."""
    path, victim = disk / "compose.yml", disk / "victim"
    victim.write_bytes(b"precious")
    path.write_bytes(TEXT)
    copy, edit = saved(path, disk / "place"), edited(path)
    new = path.with_name(".compose.yml.fsm-web")
    kinds = {"symlink": lambda: new.symlink_to(victim), "hard link": lambda: os.link(victim, new)}

    def plant(*_: Any, **__: Any) -> None:
        new.unlink(missing_ok=True)
        kinds.get(planted, lambda: os.mkfifo(new))()

    if there:
        monkeypatch.setattr(files, "copy_entry", plant)
        with pytest.raises(OSError, match=r"\[Errno "):
            put(edit, disk, CTX)
    else:
        plant()
        path.unlink()
        with suppress(OSError):
            put_back(edit, copy, disk / "place", CTX, known=True)
    assert victim.read_bytes() == b"precious"
