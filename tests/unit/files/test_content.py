"""The bytes of a copy: shortcuts of the kernel, holes, and what happens when there are none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fsm.system.digest import no_check
from fsm.system.files import copy_entry
from fsm.system.files.content import copy_bytes, same_bytes

pytestmark = pytest.mark.needs_linux


def test_large_files_are_interruptible(tmp_path: Path):
    """`check` is called while the bytes go over."""
    src = tmp_path / "f"
    src.write_bytes(bytes(40 << 20))
    calls = []
    copy_entry(src, tmp_path / "g", check=lambda: calls.append(1))
    assert len(calls) >= 2
    assert (tmp_path / "g").stat().st_size == 40 << 20


@pytest.mark.parametrize("holes", [[(0, b"x"), (9 << 20, b"end")], [(5 << 20, b"mid")], []])
def test_holes_stay_holes(fast: Path, holes: list[tuple[int, bytes]]):
    """A sparse file needs as little room after the copy as before, also when it ends in a hole."""
    src, dst = fast / "f", fast / "g"
    with src.open("wb") as file:
        for position, data in holes:
            file.seek(position)
            file.write(data)
        file.truncate(10 << 20)
    copy_entry(src, dst)
    assert dst.read_bytes() == src.read_bytes()
    assert dst.stat().st_blocks <= src.stat().st_blocks


def test_files_that_claim_to_be_empty(tmp_path: Path):
    """A file in /proc has bytes, whatever its size says."""
    copy_entry(Path("/proc/self/mountinfo"), tmp_path / "m")
    assert b" / / " in (tmp_path / "m").read_bytes()


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EIO])
def test_bytes_go_through_user_space_where_the_kernel_will_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    """Without copy_file_range they are read and written; an error of the disk is no reason to try another way."""
    data = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(data)

    def refuse(*_: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fsm.system.files.content.os.copy_file_range", refuse)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output"):
            copy_entry(tmp_path / "f", tmp_path / "g")
    else:
        copy_entry(tmp_path / "f", tmp_path / "g")
        assert (tmp_path / "g").read_bytes() == data


def test_shared_blocks_where_the_file_system_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A clone by the kernel (btrfs, XFS) replaces the copying; stood in for by a write, so that it runs anywhere."""
    import fcntl

    data = b"data" * 5000
    (tmp_path / "f").write_bytes(data)
    asked = []

    def clone(target: int, request: int, source: int) -> int:
        asked.append(request)
        os.write(target, os.pread(source, len(data), 0))
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    copy_entry(tmp_path / "f", tmp_path / "g")
    assert asked == [0x40049409]
    assert (tmp_path / "g").read_bytes() == data


def test_small_files_are_copied_whole_while_they_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A byte more than was there is asked for: what has come since is copied as well, and nothing twice."""
    for size in (0, 1, 4096, 16 << 10, (16 << 10) + 1):
        (tmp_path / "f").write_bytes(b"x" * size)
        copy_entry(tmp_path / "f", tmp_path / "g")
        assert (tmp_path / "g").read_bytes() == b"x" * size
    (tmp_path / "f").write_bytes(b"one")
    told = os.fstat

    def grow(descriptor: int) -> os.stat_result:
        status = told(descriptor)
        with (tmp_path / "f").open("ab") as file:
            file.write(b", two")
        return status

    with (tmp_path / "f").open("rb") as source, (tmp_path / "h").open("wb") as target:
        monkeypatch.setattr("fsm.system.files.content.os.fstat", grow)
        copy_bytes(source.fileno(), target.fileno(), no_check)
        monkeypatch.undo()
    assert (tmp_path / "h").read_bytes().startswith(b"one, two")


def test_an_error_while_looking_for_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A sparse file on a broken disk is not taken for an empty one."""
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 20)

    def broken(*_: int) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fsm.system.files.content.os.lseek", broken)
    with pytest.raises(OSError, match="Input/output"):
        copy_entry(tmp_path / "f", tmp_path / "g")
    assert not (tmp_path / "g").exists()


def test_a_copy_across_file_systems(fast: Path, tmp_path: Path):
    """From memory to disk and back the bytes stay the same."""
    data = os.urandom(2 << 20)
    (fast / "f").write_bytes(data)
    copy_entry(fast / "f", tmp_path / "f")
    copy_entry(tmp_path / "f", fast / "g")
    assert (fast / "g").read_bytes() == data


def test_a_full_disk_is_an_error(tmp_path: Path):
    """What cannot be written is not reported as copied."""
    (tmp_path / "f").write_bytes(b"x" * 100)
    with (
        (tmp_path / "f").open("rb") as source,
        Path("/dev/full").open("wb") as target,
        pytest.raises(OSError, match="No space left"),
    ):
        copy_bytes(source.fileno(), target.fileno(), lambda: None)


def test_same_bytes_with_short_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file system that gives less than asked for does not make equal files differ."""
    for name in "12":
        (tmp_path / name).write_bytes(bytes(range(256)) * 20)
    real, sizes = os.read, iter([100, 7, 3000] * 1000)
    monkeypatch.setattr("fsm.system.files.content.os.read", lambda fd, size: real(fd, min(size, next(sizes))))
    with (tmp_path / "1").open("rb") as first, (tmp_path / "2").open("rb") as second:
        assert same_bytes(first.fileno(), second.fileno(), lambda: None)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (b"", b"", True),
        (b"a", b"", False),
        (b"a" * (3 << 20), b"a" * (3 << 20), True),
        (b"a" * 9, b"a" * 8 + b"b", False),
    ],
)
def test_same_bytes(tmp_path: Path, one: bytes, other: bytes, equal: bool):
    """Files are compared to their last byte."""
    (tmp_path / "1").write_bytes(one)
    (tmp_path / "2").write_bytes(other)
    with (tmp_path / "1").open("rb") as first, (tmp_path / "2").open("rb") as second:
        assert same_bytes(first.fileno(), second.fileno(), lambda: None) is equal
