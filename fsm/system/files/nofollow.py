"""Opening things by directory descriptor, without ever following a symbolic link.

A tree that a service may write to while we work in it can change under us: a directory that was checked a moment ago
can be a link to ``/etc`` now. A path is looked up anew each time, a descriptor is not. So whatever walks a tree holds
descriptors, names one segment at a time, and refuses links.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from fsm.errors import Unsupported
from fsm.system.files.naming import shown

DEEPEST: Final = 200
"""Directories that may lie in each other. Each level costs a descriptor or two, and a process has 1024."""

# Windows lacks most of these; there nothing below is called, but the module must import.
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
READ: Final = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_NONBLOCK", 0)
"""Without blocking: what was a file when it was listed may be a fifo now."""
CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW
_DIRECTORY: Final = os.O_RDONLY | _NOFOLLOW | getattr(os, "O_DIRECTORY", 0)


@contextmanager
def open_dir(path: Path) -> Iterator[int]:
    """A descriptor of the directory that a path names. Links in the path are followed: the caller chose it.

    Raises:
        Unsupported: the platform has no directory descriptors (Windows).
        OSError: it cannot be opened, or is no directory.
    """
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows only
        raise Unsupported(
            f"cannot work in {shown(path)}",
            f"{sys.platform} has no directory descriptors, and without them a tree cannot be walked safely",
            "run this on Linux or macOS",
        )
    with closing(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as descriptor:
        yield descriptor


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Close a descriptor on the way out."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_child_dir(name: str, dir_fd: int) -> int:
    """A descriptor of the directory `name` in the directory `dir_fd`; the caller closes it.

    Raises:
        OSError: it is a link, something else, or not readable.
    """
    return os.open(name, _DIRECTORY, dir_fd=dir_fd)


@contextmanager
def open_above(path: PurePosixPath, dir_fd: int) -> Iterator[int]:
    """A descriptor of the directory that an entry is in, some levels below an open one.

    Args:
        path: the entry, relative to `dir_fd`.
        dir_fd: an open directory.

    Raises:
        OSError: a directory on the way is missing, a link, or something else.
    """
    with ExitStack() as stack:
        for name in path.parts[:-1]:
            dir_fd = stack.enter_context(closing(open_child_dir(name, dir_fd)))
        yield dir_fd


def open_writable_child_dir(name: str, dir_fd: int) -> int:
    """Like `open_child_dir`, after giving the owner the right to list and change the directory.

    Raises:
        OSError: it is a link or something else, or belongs to somebody else who does not let us in.
    """
    try:
        descriptor = open_child_dir(name, dir_fd)
    except PermissionError:
        _let_us_in(name, dir_fd)
        descriptor = open_child_dir(name, dir_fd)
    make_writable(descriptor)
    return descriptor


def make_writable(descriptor: int) -> None:
    """Give the owner of an open directory the right to list and change it, when that is us (root has it anyway)."""
    status = os.fstat(descriptor)
    if status.st_mode & 0o700 != 0o700 and os.geteuid() in {0, status.st_uid}:
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | 0o700)


def _let_us_in(name: str, dir_fd: int) -> None:
    """Change the mode of a directory that may not even be opened, without following a link put in its place."""
    if not hasattr(os, "O_PATH"):  # pragma: no cover - macOS changes the mode of a link itself when asked to
        os.chmod(name, 0o700, dir_fd=dir_fd, follow_symlinks=False)
        return
    with closing(os.open(name, os.O_PATH | _DIRECTORY, dir_fd=dir_fd)) as descriptor:
        # Linux before 6.6 cannot change a mode by an O_PATH descriptor, but by its name in /proc it can.
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)


def listing(dir_fd: int) -> dict[str, os.stat_result]:
    """The entries of an open directory by name, each with its own status (a link's, not its target's).

    What disappears while the list is made is left out.
    """
    found = {}
    with os.scandir(dir_fd) as entries:
        for entry in entries:
            try:
                found[entry.name] = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
    return found


def too_deep(what: str, where: str) -> Unsupported:
    """The error for directories nested deeper than `DEEPEST`."""
    return Unsupported(
        f"cannot {what} {shown(where)}", f"it lies more than {DEEPEST} directories deep", "flatten the tree"
    )
