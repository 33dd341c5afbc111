"""Copying and comparing the bytes of open files, as fast as the kernel allows."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Final

from fsm.system.digest import BLOCK, Check

_FICLONE: Final = 0x40049409
"""linux/fs.h: ``_IOW(0x94, 9, int)``; shares the blocks on btrfs, XFS and bcachefs."""

_AT_ONCE: Final = 16 << 20
_SMALL: Final = 16 << 10
"""Bytes; sharing so few blocks saves nothing worth a call."""
_CANNOT: Final = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM}
)
"""What a kernel or file system says when it does not offer a shortcut; then the bytes go through user space."""


def copy_bytes(source: int, target: int, check: Check) -> None:
    """Copy a file's bytes into an empty one; holes stay holes.

    Args:
        source: an open regular file.
        target: an open, empty, writable one.
        check: called at least once per 16 MiB.

    Raises:
        OSError: a byte could not be read or written.
    """
    check()
    status = os.fstat(source)
    if _copied_at_once(source, target, status) or _clone(source, target):
        return
    for start, end in _segments(source, status):
        os.lseek(source, start, os.SEEK_SET)
        os.lseek(target, start, os.SEEK_SET)
        _copy_segment(source, target, end - start, check)
    if os.fstat(target).st_size < status.st_size:  # the last part of a sparse file is a hole
        os.ftruncate(target, status.st_size)


def _copied_at_once(source: int, target: int, status: os.stat_result) -> bool:
    """Copy a small file without holes: most are, and each of the kernel's ways takes longer to find out about."""
    size = status.st_size
    if size > _SMALL or status.st_blocks * 512 < size:
        return False
    # Asked for a byte more than there is, a regular file gives less at its end only.
    data = os.read(source, size + 1)
    if len(data) > size or not data:  # it grows; or it is in /proc, and says that it is empty
        os.lseek(source, 0, os.SEEK_SET)
        return False
    _write(target, data)
    return True


def _clone(source: int, target: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def _segments(source: int, status: os.stat_result) -> Iterator[tuple[int, int]]:
    """The parts of a file that hold data; the whole of one that has no holes, to its very end."""
    if not hasattr(os, "SEEK_DATA") or status.st_blocks * 512 >= status.st_size:
        yield 0, 1 << 62
        return
    position = 0
    while position < status.st_size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        position = os.lseek(source, start, os.SEEK_HOLE)
        yield start, position


def _copy_segment(source: int, target: int, length: int, check: Check) -> None:
    left = length
    while left > 0 and (count := _copy_in_kernel(source, target, min(left, _AT_ONCE))):
        left -= count
        check()
    # A kernel that cannot (or a file in /proc, which claims to be empty) leaves the rest to us.
    while left > 0 and (block := os.read(source, min(left, BLOCK))):
        _write(target, block)
        left -= len(block)
        check()


def _copy_in_kernel(source: int, target: int, count: int) -> int:
    if not hasattr(os, "copy_file_range"):  # pragma: no cover - Linux only
        return 0
    try:
        return os.copy_file_range(source, target, count)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return 0


def _write(target: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(target, view) :]


def same_bytes(first: int, second: int, check: Check) -> bool:
    """Whether two open files hold the same bytes, from their beginnings."""
    for descriptor in (first, second):
        os.lseek(descriptor, 0, os.SEEK_SET)
    while True:
        check()
        one, other = _read_full(first), _read_full(second)
        if one != other:
            return False
        if not one:
            return True


def _read_full(descriptor: int) -> bytes:
    """One block, or less at the end of the file only."""
    block = os.read(descriptor, BLOCK)
    while 0 < len(block) < BLOCK and (more := os.read(descriptor, BLOCK - len(block))):
        block += more
    return block
