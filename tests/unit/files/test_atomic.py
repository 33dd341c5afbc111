"""Atomic writes, their leavings, and syncing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fsm.system import faults
from fsm.system.files import sweep_temporaries, sync_dir, sync_file, sync_filesystem, sync_places, write_atomic
from fsm.system.files.leftovers import is_leftover
from fsm.system.files.naming import maker, shown, with_temporary_name
from tests import fault_points


def test_write_atomic_makes_and_replaces(tmp_path: Path):
    """The file has the bytes and exactly the mode that were asked for, whatever the umask is."""
    path = tmp_path / "status.json"
    before = os.umask(0o077)
    try:
        write_atomic(path, b"one", 0o664)
        assert path.stat().st_mode & 0o7777 == 0o664
        write_atomic(path, b"two\r\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"two\r\n"
    assert path.stat().st_mode & 0o7777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_write_atomic_replaces_a_link_itself(tmp_path: Path):
    """What a link points to is not written to."""
    (tmp_path / "victim").write_bytes(b"safe")
    (tmp_path / "link").symlink_to("victim")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "victim").read_bytes() == b"safe"
    assert not (tmp_path / "link").is_symlink()


def test_write_atomic_leaves_nothing_when_it_fails(tmp_path: Path):
    """A target that cannot be replaced stays, and no temporary file does."""
    (tmp_path / "dir").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "dir", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["dir"]


def test_write_atomic_from_many_threads(tmp_path: Path):
    """Writers of the same file do not disturb each other: one of them wins, whole."""
    path = tmp_path / "f"
    contents = [bytes([65 + number]) * 10_000 for number in range(8)]
    threads = [threading.Thread(target=write_atomic, args=(path, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from fsm.system import faults
from tests import fault_points
from fsm.system.files import write_atomic
faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == sys.argv[2] else None)
write_atomic(Path(sys.argv[1]), b"new")
"""


@pytest.mark.processes
@pytest.mark.needs_linux
@pytest.mark.parametrize(
    ("point", "content", "left"), [("files.write_atomic.written", b"old", 1), ("files.write_atomic.renamed", b"new", 0)]
)
def test_a_killed_write_is_whole_or_swept(tmp_path: Path, point: str, content: bytes, left: int):
    """After SIGKILL the old file is there, or the new one; what it left is found and removed."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    subprocess.run([sys.executable, "-c", KILLED, str(path), point], check=False, timeout=30)
    assert path.read_bytes() == content
    assert len(sweep_temporaries(tmp_path)) == left
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_keeps_what_is_still_being_written(tmp_path: Path):
    """Temporary files of living processes stay, so do other files; those of dead ones go, directories too."""
    with_temporary_name(lambda name: (tmp_path / name).write_bytes(b""))
    (tmp_path / ".fsm-tmp-1-0").write_bytes(b"")  # init lives, and is not ours to signal
    (tmp_path / "file").write_bytes(b"")
    dead = tmp_path / ".fsm-tmp-4194999-3"  # above the highest number that Linux gives
    dead.mkdir()
    (dead / "x").write_bytes(b"")
    (tmp_path / f".fsm-tmp-{10**30}-0").symlink_to("nowhere")
    assert {path.name for path in sweep_temporaries(tmp_path)} == {dead.name, f".fsm-tmp-{10**30}-0"}
    assert len(list(tmp_path.iterdir())) == 3


def test_sweep_takes_abandoned_ones_of_reused_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A number that another process got meanwhile does not keep a file for ever: an hour without a change is enough."""
    (tmp_path / ".fsm-tmp-1-0").write_bytes(b"")
    now = (tmp_path / ".fsm-tmp-1-0").stat().st_ctime
    monkeypatch.setattr("fsm.system.files.leftovers.time.time", lambda: now + 3000)
    assert sweep_temporaries(tmp_path) == ()
    monkeypatch.setattr("fsm.system.files.leftovers.time.time", lambda: now + 4000)
    assert len(sweep_temporaries(tmp_path)) == 1


@pytest.mark.needs_root
def test_a_place_that_cannot_be_looked_at_is_synced_with_everything(theirs: Path, as_nobody, monkeypatch):
    """As the data of a Docker engine, for a user of it: nobody knows on which file system they lie."""
    everything: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: everything.append(True))
    closed = theirs / "closed"
    (closed / "docker").mkdir(parents=True)
    closed.chmod(0o700)
    with as_nobody():
        sync_places([closed / "docker", closed / "docker"])
        assert everything == [True]
        sync_places([theirs / "not" / "there"])
    assert everything == [True]


@pytest.mark.needs_root
def test_a_place_that_cannot_be_opened_may_be_a_file_system_of_its_own(theirs: Path, as_nobody, mount, monkeypatch):
    """What it lies in is another one, and to sync that does not help."""
    everything: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: everything.append(True))
    mount(theirs / "docker", "-t", "tmpfs", "-o", "mode=0710", "tmpfs").chmod(0o710)
    with as_nobody():
        sync_places([theirs / "docker"])
    assert everything == [True]


@pytest.mark.needs_root
def test_a_foreign_process_is_alive(as_nobody):
    """A process that we may not signal exists all the same."""
    with as_nobody():
        assert not is_leftover(".fsm-tmp-1-0")
    assert not is_leftover("file")


def test_temporary_names_step_over_taken_ones(tmp_path: Path):
    """A name that an earlier process of the same number left behind is passed over; a full supply is an error."""
    tried = []

    def make(name: str) -> None:
        tried.append(name)
        if len(tried) < 4:
            raise FileExistsError

    name, _ = with_temporary_name(make)
    assert name == tried[3]
    assert maker(name) == os.getpid()
    assert len(set(tried)) == 4

    def never(_: str) -> None:
        raise FileExistsError

    with pytest.raises(FileExistsError):
        with_temporary_name(never)


def test_sync(tmp_path: Path):
    """Files, directories and whole file systems can be synced; what is missing is an error."""
    (tmp_path / "f").write_bytes(b"x")
    sync_file(tmp_path / "f")
    sync_dir(tmp_path)
    sync_filesystem(tmp_path)
    sync_filesystem(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        sync_filesystem(tmp_path / "nothing")
    with pytest.raises(NotADirectoryError):
        sync_dir(tmp_path / "f")


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("plain", '"plain"'),
        ("a\nb\x1b", r'"a\nb\x1b"'),
        ("\udcff", r'"\xff"'),
        ("ä b", '"ä b"'),
        ("\u202e", r'"\u202e"'),
    ],
)
def test_names_are_shown_harmlessly(name: str, seen: str):
    """A name cannot end a line, colour a terminal, turn the writing direction, or break the output's encoding."""
    assert shown(name) == seen
    assert shown(Path(name)) == seen


def test_points_are_declared():
    """The fault points of the file layer can be listed from the source, each name once."""
    names = [name for name, _ in fault_points.declared(Path(faults.__file__).parent / "files")]
    assert sorted(names) == [
        "files.copy.written",
        "files.link.made",
        "files.link.renamed",
        "files.mirror.entry",
        "files.remove_tree.removed",
        "files.write_atomic.renamed",
        "files.write_atomic.written",
        "step.settled",
    ]
