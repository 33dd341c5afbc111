"""Writes that are there whole or not at all, and the ways to make them durable.

The order is always: write under a temporary name in the same directory, sync the file, rename, sync the directory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from fsm.system import faults
from fsm.system.files import native
from fsm.system.files.naming import with_temporary_name

_PLAINLY: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""What was a file a moment ago can be a link or a pipe now."""


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file in place in one step, durably: after a power cut the old one is there, or the new one.

    A symbolic link of that name is replaced, not followed. The file belongs to the calling process.

    Args:
        path: the file; its directory must exist.
        data: the whole content.
        mode: permission bits, whatever the umask is.

    Raises:
        OSError: it cannot be written; the old file stays and no temporary one does.
    """
    with writing(path, mode) as file:
        file.write(data)


@contextmanager
def writing(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file to be written piece by piece; at the end it is put in place as by `write_atomic`, which see."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    name, descriptor = with_temporary_name(lambda name: os.open(path.with_name(name), flags, 0o600))
    temporary = path.with_name(name)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        faults.point("files.write_atomic.written")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    faults.point("files.write_atomic.renamed")
    sync_dir(path.parent)


def link(path: Path, other: Path) -> None:
    """Have `other` be the very file that `path` is, in one step and durably, whatever it was before; no new disk.

    Raises:
        OSError: they are on different file systems, or it cannot be done; `other` is what it was.
    """
    name, _ = with_temporary_name(lambda name: os.link(path, other.with_name(name)))
    temporary = other.with_name(name)
    faults.point("files.link.made")
    try:
        temporary.replace(other)
    finally:
        # A rename of a file to another name of its own does nothing.
        temporary.unlink(missing_ok=True)
    faults.point("files.link.renamed")
    sync_dir(other.parent)


def sync_file(path: Path) -> None:
    """Make a file's bytes and attributes durable.

    Raises:
        OSError: they could not be written.
    """
    _sync(path, 0)


def sync_dir(path: Path) -> None:
    """Make a directory's entries durable: what was created, renamed or removed in it. No-op if that cannot be done.

    Raises:
        OSError: they could not be written.
    """
    if os.name == "nt":  # pragma: no cover - Windows cannot open a directory; NTFS journals its entries
        return
    _sync(path, os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    # Windows only syncs what is open for writing.
    access = os.O_RDWR if os.name == "nt" else os.O_RDONLY
    descriptor = os.open(path, access | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_entry(path: Path) -> None:
    """Make a file or directory durable that may be gone meanwhile; a link is with the directory that it is in.

    Raises:
        OSError: it cannot be opened, or not be written.
    """
    with suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            _sync(path, os.O_DIRECTORY | _PLAINLY)
        elif stat.S_ISREG(mode):
            _sync(path, _PLAINLY)


def sync_filesystem(path: Path) -> None:
    """Make everything durable that lies on the file system of `path`: one call instead of one per file.

    Raises:
        OSError: `path` is not there, or something could not be written.
    """
    if os.name == "nt":  # pragma: no cover - Windows has no such call; files are synced one by one there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if not native.sync_file_system(descriptor):  # pragma: no cover - not Linux
            os.sync()
    finally:
        os.close(descriptor)


def sync_places(places: Iterable[Path]) -> None:
    """Sync the file systems of some places, each once; of one that is not there, that of what it would lie in.

    Where a place cannot be opened and may lie on another file system than what it is in, all are synced.
    """
    known: set[int] = set()
    hidden = False
    for place in places:
        there = next(filter(_can_be_opened, (place, *place.parents)), Path("/"))
        device = there.stat().st_dev
        hidden = hidden or (there != place and _may_lie_elsewhere(place, device))
        if device not in known:
            known.add(device)
            sync_filesystem(there)
            faults.point("step.settled")
    if hidden and os.name != "nt":
        os.sync()


def _may_lie_elsewhere(place: Path, device: int) -> bool:
    try:
        return place.stat().st_dev != device
    except PermissionError:
        return True
    except OSError:  # it is not there
        return False


def _can_be_opened(path: Path) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK)  # which ask, where `Path.is_dir` raises
