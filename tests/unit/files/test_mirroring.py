"""Making one tree equal to another, whatever happens in between."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import IntegrityError, Refused, Unsupported
from fsm.system.files import mirror
from tests.unit.files.trees import TREES, build, snapshot

pytestmark = pytest.mark.needs_linux


def write(path: Path, content: bytes = b"", mode: int = 0o644) -> None:
    """A file, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def fresh(parent: Path, *descriptions: dict[str, Any]) -> list[Path]:
    """New directories with the described trees; those of the last example are gone."""
    made = []
    for number, description in enumerate(descriptions):
        root = parent / str(number)
        for folder, _, _ in os.walk(root):  # a user must open up what is closed even to its owner
            os.chmod(folder, 0o700)
        shutil.rmtree(root, ignore_errors=True)
        build(description, root)
        made.append(root)
    return made


@pytest.fixture(scope="module")
def place() -> Any:
    """One directory in memory for all examples of a property."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        yield Path(directory)


@given(src=TREES, dst=TREES)
def test_any_tree_becomes_equal_to_any_other(place: Path, src: dict[str, Any], dst: dict[str, Any]):
    """Bytes, modes, owners, times and links are equal afterwards, the directory is the same, a second call is idle."""
    one, other = fresh(place, src, dst)
    inode = other.stat().st_ino
    mirror(one, other)
    assert snapshot(other) == snapshot(one)
    assert other.stat().st_ino == inode
    again = mirror(one, other)
    assert (again.copied, again.linked, again.removed, again.size) == (0, 0, 0, 0)


class Killed(BaseException):
    """Stands for a SIGKILL between two entries."""


def killed_at(count: int) -> Callable[[], None]:
    """A check that raises when it is called once more than `count` times."""
    left = [count]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    return check


@given(src=TREES, dst=TREES, kills=st.lists(st.integers(0, 12), max_size=4))
def test_killed_mirrors_converge(place: Path, src: dict[str, Any], dst: dict[str, Any], kills: list[int]):
    """However often and wherever it is interrupted, the next whole call leads to the same end."""
    one, other = fresh(place, src, dst)
    for count in kills:
        try:
            mirror(one, other, check=killed_at(count))
        except Killed:
            continue
    mirror(one, other)
    assert snapshot(other) == snapshot(one)


KILLED = """
import os, signal, sys
from pathlib import Path
from fsm.system import faults
from fsm.system.files import mirror
left = [int(sys.argv[4])]
def fault(name):
    left[0] -= name == sys.argv[3]
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
faults.install(fault)
mirror(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.processes
@pytest.mark.parametrize("point", ["files.copy.written", "files.mirror.entry", "files.remove_tree.removed"])
@pytest.mark.parametrize("count", [0, 2])
def test_a_really_killed_mirror_converges(tmp_path: Path, point: str, count: int):
    """After SIGKILL a second call makes the trees equal; half a file under a temporary name does not stay."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    for name in ("a", "b/c", "b/d", "e/f/g"):
        write(src / name, name.encode())
    (src / "h").hardlink_to(src / "a")
    for name in ("old/1", "old/2", "old/sub/3", "b"):
        write(dst / name)
    argv = [sys.executable, "-c", KILLED, str(src), str(dst), point, str(count)]
    assert subprocess.run(argv, check=False, timeout=30).returncode == -9
    mirror(src, dst)
    assert snapshot(dst) == snapshot(src)


def test_dst_is_made_when_missing(tmp_path: Path):
    """A missing directory is made, but not for a source that is not there."""
    write(tmp_path / "src" / "f", b"x", 0o600)
    (tmp_path / "src").chmod(0o750)
    report = mirror(tmp_path / "src", tmp_path / "dst")
    assert snapshot(tmp_path / "dst") == snapshot(tmp_path / "src")
    assert (report.copied, report.size, report.notes) == (1, 1, ())
    with pytest.raises(FileNotFoundError):
        mirror(tmp_path / "missing", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("other", [".", "src/below", ".."])
def test_nested_trees_are_refused(tmp_path: Path, other: str):
    """A tree cannot become a part of itself."""
    (tmp_path / "src" / "below").mkdir(parents=True)
    with pytest.raises(Refused, match="one lies inside the other"):
        mirror(tmp_path / "src", tmp_path / "src" / other)


def test_what_is_skipped_is_left_alone_on_both_sides(tmp_path: Path):
    """Neither copied nor deleted, with everything below it; a directory that holds such a thing stays."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "data" / "new")
    write(src / "f")
    write(dst / "data" / "old")
    write(dst / "gone" / "keep" / "x")
    write(dst / "gone" / "go")
    write(dst / "gone too" / "y")
    skipped = {PurePosixPath("data"), PurePosixPath("gone/keep")}
    report = mirror(src, dst, skip=skipped.__contains__)
    files = {str(path.relative_to(dst)) for path in dst.rglob("*") if path.is_file()}
    assert files == {"f", "data/old", "gone/keep/x"}
    assert report.removed == 1


OWNER = pytest.param("owner", marks=pytest.mark.needs_root)  # only root can give files away


@pytest.mark.parametrize("change", ["time", "mode", OWNER, "size", "target"])
def test_each_difference_counts(tmp_path: Path, change: str):
    """One thing that differs is enough for a file or link to be copied again."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "f", b"one")
    (src / "l").symlink_to("f")
    mirror(src, dst)
    if change == "time":
        os.utime(dst / "f", ns=(0, (src / "f").stat().st_mtime_ns + 1))
    elif change == "mode":
        (dst / "f").chmod(0o600)
    elif change == "owner":
        os.chown(dst / "f", 1, 1)
    elif change == "size":
        status = (dst / "f").stat()
        (dst / "f").write_bytes(b"more")
        os.utime(dst / "f", ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        (dst / "l").unlink()
        (dst / "l").symlink_to("g")
        status = (src / "l").lstat()
        os.utime(dst / "l", ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
    report = mirror(src, dst)
    assert (report.copied, report.unchanged) == (1, 1)
    assert snapshot(dst) == snapshot(src)


def test_verify_trusts_no_times(tmp_path: Path):
    """Other bytes under the same size and time are found when asked for, and only then."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    for root, content in ((src, b"right"), (dst, b"wrong")):
        write(root / "f", content)
        os.utime(root / "f", ns=(10**18, 10**18))
    assert mirror(src, dst).copied == 0
    assert mirror(src, dst, verify=True).copied == 1
    assert (dst / "f").read_bytes() == b"right"
    assert mirror(src, dst, verify=True).unchanged == 1


def test_verify_finds_a_file_that_changed_meanwhile(tmp_path: Path):
    """Who writes to the source while it is copied is told so."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "f", b"before")
    calls = [0]

    def check() -> None:
        calls[0] += 1
        if calls[0] == 3:  # once for the entry, once before its bytes, once after them
            (src / "f").write_bytes(b"after!")

    with pytest.raises(IntegrityError, match=r'"f": its bytes changed.*stop what writes to it'):
        mirror(src, dst, verify=True, check=check)


def test_hard_links_that_only_look_right_are_broken(tmp_path: Path):
    """Two files of the source that are one in the target are made two, also when metadata agree."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    for name in ("a", "b", "c", "d"):
        write(src / name, b"x")
    (src / "a2").hardlink_to(src / "a")
    (src / "b2").hardlink_to(src / "b")
    dst.mkdir()
    write(dst / "a", b"x")
    for name in ("b", "c", "d", "a2", "b2"):
        (dst / name).hardlink_to(dst / "a")
    write(src / "e", b"y")
    write(src / "f", b"y")
    write(dst / "e", b"y")
    (dst / "f").hardlink_to(dst / "e")
    for root in (src, dst):
        for path in root.iterdir():
            os.utime(path, ns=(10**18, 10**18))
    mirror(src, dst)
    assert snapshot(dst) == snapshot(src)


def test_a_hard_link_that_takes_a_directorys_place(tmp_path: Path):
    """Interrupted while the directory goes, it leaves no temporary name; called again it converges."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "a", b"x")
    (src / "b").hardlink_to(src / "a")
    write(dst / "b" / "c" / "d")
    seen = []

    def check() -> None:
        seen.append((dst / "a").exists() and (dst / "b" / "c").exists())
        if seen.count(True) == 2:  # before the second name, and then while the directory is being removed
            raise Killed

    with pytest.raises(Killed):
        mirror(src, dst, check=check)
    assert {path.name for path in dst.iterdir()} == {"a", "b"}
    mirror(src, dst)
    assert snapshot(dst) == snapshot(src)


@pytest.mark.parametrize("there", ["nothing", "file", "dir"])
@pytest.mark.parametrize("kind", ["file", "dir"])
def test_what_disappears_meanwhile_counts_as_not_there(tmp_path: Path, kind: str, there: str):
    """A running program removes things at any moment: that is no error, and the target lacks them as well."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "a", b"x")
    write(src / "z", b"x")
    write(src / "gone" / "f" if kind == "dir" else src / "gone", b"source")
    dst.mkdir()
    if there != "nothing":
        write(dst / "gone" / "f" if there == "dir" else dst / "gone", b"target")

    def check() -> None:
        if (dst / "a").exists():
            shutil.rmtree(src / "gone", ignore_errors=True)
            (src / "gone").unlink(missing_ok=True)

    mirror(src, dst, check=check)
    assert {path.name for path in dst.iterdir()} == {"a", "z"}


def test_a_missing_target_is_no_disappearance(tmp_path: Path):
    """When the target's directory goes, that is an error, and not taken for an empty source."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "a", b"x")

    def check() -> None:
        if dst.exists():
            shutil.rmtree(dst)

    with pytest.raises(FileNotFoundError):
        mirror(src, dst, check=check)


def test_an_error_of_the_disk_while_linking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Only what a file system cannot do is done another way."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "a", b"x")
    (src / "b").hardlink_to(src / "a")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fsm.system.files.treecopy.os.link", fail)
    with pytest.raises(OSError, match="Input/output"):
        mirror(src, dst)


def test_special_files_are_noted_and_not_touched(tmp_path: Path):
    """A fifo of the source is not copied; what the target has under its name stays; one it has alone goes."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    for root in (src, dst):
        root.mkdir()
        os.mkfifo(root / "fifo")
    os.mkfifo(src / "other")
    os.mkfifo(dst / "surplus")
    report = mirror(src, dst)
    assert report.notes == ('"fifo" was left out: it is a fifo', '"other" was left out: it is a fifo')
    assert [path.name for path in dst.iterdir()] == ["fifo"]


@pytest.mark.parametrize("skip", [None, lambda path: path.name == "never"])
@pytest.mark.parametrize("deep", ["src", "dst"])
def test_bottomless_trees(tmp_path: Path, deep: str, skip: Callable[[PurePosixPath], bool] | None):
    """A tree that is too deep is refused with a word about it, not with a crash for want of descriptors."""
    (tmp_path / "src").mkdir()
    (tmp_path / "dst").mkdir()
    (tmp_path / deep / "/".join("d" * 300)).mkdir(parents=True)
    if deep == "dst" and skip is None:
        mirror(tmp_path / "src", tmp_path / "dst")
        assert list((tmp_path / "dst").iterdir()) == []
    else:
        with pytest.raises(Unsupported, match="more than 200 directories deep"):
            mirror(tmp_path / "src", tmp_path / "dst", skip=skip)


@pytest.mark.needs_root
def test_mount_points(tmp_path: Path, mount):
    """The target may be a mount point, and have some in it; surplus ones are refused, links across them are copies."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    write(src / "a", b"x")
    (src / "data").mkdir()
    (src / "data" / "b").hardlink_to(src / "a")
    mount(dst, "-t", "tmpfs", "none")
    mount(dst / "data", "-t", "tmpfs", "none")
    report = mirror(src, dst)
    assert (report.copied, report.linked) == (2, 0)
    assert (dst / "data" / "b").read_bytes() == b"x"
    shutil.rmtree(src / "data")
    with pytest.raises(Refused, match="is a mount point"):
        mirror(src, dst)
    assert (dst / "data" / "b").exists()


@pytest.mark.needs_root
def test_without_rights(theirs: Path, as_nobody):
    """An unprivileged mirror of a foreign tree converges as well, read-only directories and all."""
    src = theirs / "src"
    write(src / "sub" / "f", b"x", 0o4755)
    (src / "sub" / "link").symlink_to("f")
    (src / "sub").chmod(0o555)
    with as_nobody():
        mirror(src, theirs / "dst")
        (theirs / "dst").chmod(0o500)
        again = mirror(src, theirs / "dst")
    assert (again.copied, again.unchanged) == (0, 2)
    assert (theirs / "dst" / "sub").stat().st_mode & 0o7777 == 0o555
    assert (theirs / "dst" / "sub" / "f").stat().st_mode & 0o7777 == 0o755
    (src / "sub" / "f").write_bytes(b"longer")
    (src / "new").write_bytes(b"")
    (theirs / "dst").chmod(0o500)
    with as_nobody():
        mirror(src, theirs / "dst")
    assert (theirs / "dst" / "sub" / "f").read_bytes() == b"longer"
