"""Regular files in places where somebody else may have put something: opened without waiting, read up to a limit.

A service's user can put a pipe, a device or a link to a secret where a version file is expected. So a file is opened
by descriptors, part by part, without following links (each part by ``O_NOFOLLOW``, and no ``..``, which does what
``RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`` of openat2(2) does, on every system and without the 10 ms that `ctypes`
takes), without waiting, and what was opened is asked what it is. Never the other way round: between a look at a name
and its opening, another file can take the name.

`opened`, `read` and `read_text` are for files whose place the host chose: links are followed, but root follows one only
if root alone could have put it there, and reads nothing for people who may not read it themselves. `beneath` is for a
directory of which nothing else than what lies in it counts: it follows no link at all.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final

READ: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY: Final = (
    os.O_RDONLY | _NOFOLLOW | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_PATH", 0)
)
_LISTED: Final = READ | getattr(os, "O_DIRECTORY", 0)
_MOST_LINKS: Final = 40
"""Links that lead on to each other, as Linux counts them (path_resolution(7))."""

_KINDS: Final = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}


class Irregular(OSError):
    """What is there is not read; `strerror` says in a few words why: it is a pipe, a link, or too large."""


@contextmanager
def opened(path: Path, *, follow: bool = False) -> Iterator[int]:
    """A regular file, open for reading.

    Args:
        path: the file.
        follow: go by any link, also as root; for a file of which nobody is shown more than what fits its format.

    Raises:
        Irregular: it is something else; or this is root, and others might have put it, or a link to it, there.
        OSError: it cannot be opened.
    """
    with _closing(_last(path, path, None, READ) if follow else _open(path)) as descriptor:
        yield _only_regular(descriptor, path)


@contextmanager
def beneath(directory: Path, relative: str | PurePath) -> Iterator[int]:
    """A regular file beneath a directory, open for reading. The directory itself may be a link (see `opened`).

    Args:
        directory: what nothing leads out of.
        relative: the file's path in it.

    Raises:
        Irregular: it is something else, lies elsewhere, or a part of its path is a link.
        OSError: it cannot be opened.
    """
    with _closing(_open_beneath(directory, relative, READ)) as descriptor:
        yield _only_regular(descriptor, directory / relative)


def read_beneath(directory: Path, relative: str | PurePath, limit: int) -> bytes:
    """All bytes of a file beneath a directory; arguments and errors are those of `beneath` and `read`."""
    with beneath(directory, relative) as descriptor:
        return _all(descriptor, directory / relative, limit)


@contextmanager
def reached(directory: Path) -> Iterator[int | Path]:
    """A directory, for `os.scandir`: by the way that `beneath` goes to it.

    Raises:
        Irregular: this is root, and others might have put a link to it there.
        OSError: it cannot be opened.
    """
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows only
        yield directory
        return
    with _closing(_open_directory(directory)) as found, _closing(os.open(".", _LISTED, dir_fd=found)) as listed:
        yield listed


def names_beneath(directory: Path, relative: str | PurePath) -> tuple[str, ...]:
    """What lies in a directory beneath another one, sorted, without its directories.

    Raises:
        Irregular: as `beneath` does.
        OSError: it cannot be listed.
    """
    with _closing(_open_beneath(directory, relative, _LISTED)) as descriptor, os.scandir(descriptor) as entries:
        return tuple(sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)))


def read(path: Path, limit: int, *, follow: bool = False) -> bytes:
    """All bytes of a regular file.

    Args:
        path: the file.
        limit: bytes; a larger file is not read.
        follow: as for `opened`.

    Raises:
        Irregular: as `opened` does, or it is larger.
        OSError: it cannot be read.
    """
    with opened(path, follow=follow) as descriptor:
        return _all(descriptor, path, limit)


def read_text(path: Path, limit: int, encoding: str = "utf-8") -> str:
    """The text of a regular file, its line ends as they are; arguments and errors are those of `read`.

    Raises:
        ValueError: it is not text of this encoding.
    """
    return read(path, limit).decode(encoding)


def _all(descriptor: int, path: Path, limit: int) -> bytes:
    chunks, left = [], limit + 1
    refuse_large(descriptor, path, limit)
    while left and (chunk := os.read(descriptor, min(left, 1 << 20))):
        chunks.append(chunk)
        left -= len(chunk)
    if not left:  # it grows while it is read, or it is in /proc and says 0
        raise _large(path, limit)
    return b"".join(chunks)


def refuse_large(descriptor: int, path: Path, limit: int) -> None:
    """Refuse an open file that says that it has more bytes.

    Raises:
        Irregular: it has.
    """
    if os.fstat(descriptor).st_size > limit:
        raise _large(path, limit)


def _large(path: Path, limit: int) -> Irregular:
    return Irregular(errno.EFBIG, f"it is larger than {_said(limit)}", str(path))


def _said(limit: int) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if limit >= unit and limit % unit == 0:
            return f"{limit // unit} {name}"
    return f"{limit} bytes"


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _only_regular(descriptor: int, path: Path) -> int:
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        raise Irregular(errno.EINVAL, f"it is {_KINDS.get(kind, 'something unknown')}, not a regular file", str(path))
    return descriptor


def _open(path: Path) -> int:
    if getattr(os, "geteuid", lambda: -1)() != 0:
        return _last(path, path, None, READ)
    path = path.absolute()
    walk = _Walk(path)
    try:
        return walk.file()
    finally:
        walk.close()


def _last(name: str | Path, path: Path, dir_fd: int | None, flags: int) -> int:
    """Open a file, and say what the system's words for sockets and leases (fcntl(2)) leave unsaid."""
    try:
        return os.open(name, flags, dir_fd=dir_fd)
    except OSError as error:
        said = {errno.ENXIO: "it is a socket, not a regular file", errno.EAGAIN: "another process holds a lease on it"}
        if error.errno in said:
            raise Irregular(error.errno, said[error.errno], str(path)) from None
        raise OSError(error.errno, error.strerror, str(path)) from None


class _Walk:
    """A path from the root directory down, as root may go it: a link counts only where root alone can have put it.

    Who may write to a directory may move and link what he likes into it, so what lies below one that is not root's
    alone is never root's alone again. The exception is a directory of root's in one with the sticky bit, as ``/tmp``
    has it: nobody else can move such a one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts = list(reversed(path.parts[1:]))
        self._at = -1
        self._links = 0
        self._alone = self._sticky = False
        self._enter(path.anchor, None)

    def file(self) -> int:
        """The file at the end of the path, open."""
        while True:
            name = self._parts.pop() if self._parts else "."
            try:
                if self._parts:
                    self._enter(name, self._at)
                    continue
                descriptor = _last(name, self._path, self._at, READ | _NOFOLLOW)
            except OSError as error:
                self._follow(name, error)
                continue
            return self._readable(descriptor)

    def directory(self) -> int:
        """The directory at the end of the path, open."""
        while self._parts:
            name = self._parts.pop()
            try:
                self._enter(name, self._at)
            except OSError as error:
                self._follow(name, error)
        return os.dup(self._at)

    def close(self) -> None:
        """Let go of the directory that was reached."""
        if self._at >= 0:
            os.close(self._at)

    def _enter(self, name: str, dir_fd: int | None) -> None:
        found = os.open(name, _DIRECTORY, dir_fd=dir_fd)
        self.close()
        self._at = found
        status = os.fstat(found)
        # Whose the root directory is does not matter: he has everything below it.
        reached = dir_fd is None or self._alone or self._sticky
        self._alone = dir_fd is None or (reached and _roots_alone(status))
        self._sticky = reached and status.st_uid == 0 and bool(status.st_mode & stat.S_ISVTX)

    def _follow(self, name: str, error: OSError) -> None:
        """Go on where a link leads to, if that is why a part could not be opened."""
        # With O_DIRECTORY, Linux says of a link that it is no directory.
        target = _target(name, self._at) if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK} else None
        if target is None:
            raise type(error)(error.errno, error.strerror, str(self._path)) from None
        self._links += 1
        if self._links > _MOST_LINKS:
            raise Irregular(errno.ELOOP, "it leads through too many links", str(self._path))
        if not self._alone:
            why = f"{name} is a link, and root follows none where others may have put it"
            raise Irregular(errno.ELOOP, why, str(self._path))
        where = PurePath(target)
        if where.is_absolute():
            self._enter(where.anchor, None)
        self._parts += reversed(where.parts[1:] if where.is_absolute() else where.parts)

    def _readable(self, descriptor: int) -> int:
        """Refuse a file that somebody could have moved or linked here who may not read it."""
        if self._alone or _theirs(os.fstat(self._at), os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)
        why = "root may read it, but not everybody who may have put it there"
        raise Irregular(errno.EACCES, why, str(self._path))


def _roots_alone(directory: os.stat_result) -> bool:
    """Whether nobody but root can put anything there."""
    others = stat.S_IWOTH | (stat.S_IWGRP if directory.st_gid else 0)
    return directory.st_uid == 0 and not directory.st_mode & others


def _theirs(directory: os.stat_result, file: os.stat_result) -> bool:
    """Whether those to whom a directory belongs may read a file in it."""
    if file.st_uid == directory.st_uid != 0 or file.st_mode & stat.S_IROTH:
        return True
    return file.st_gid == directory.st_gid != 0 and bool(file.st_mode & stat.S_IRGRP)


def _target(name: str, dir_fd: int) -> str | None:
    """What a link says; None if it is none."""
    try:
        return os.readlink(name, dir_fd=dir_fd)
    except OSError:  # it is something else, or gone
        return None


def _open_beneath(directory: Path, relative: str | PurePath, flags: int) -> int:
    parts = PurePath(relative).parts
    if ".." in parts or PurePath(relative).is_absolute():
        raise Irregular(errno.EXDEV, f"it is not in {directory}", str(relative))
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows only
        return _last(directory / relative, directory / relative, None, flags)
    at, place = _open_directory(directory), directory
    try:
        for name in parts[:-1]:
            place = place / name
            child = _child(name, place, at, _DIRECTORY)
            os.close(at)
            at = child
        return _child(parts[-1] if parts else ".", directory / relative, at, flags | _NOFOLLOW)
    finally:
        os.close(at)


def _open_directory(directory: Path) -> int:
    """The directory itself may be a link; for root, where root alone can have put it there."""
    if getattr(os, "geteuid", lambda: -1)() != 0:
        return os.open(directory, _DIRECTORY & ~_NOFOLLOW)
    walk = _Walk(directory.absolute())
    try:
        return walk.directory()
    finally:
        walk.close()


def _child(name: str, place: Path, dir_fd: int, flags: int) -> int:
    """Open one part of a path; a link is refused by its name."""
    try:
        return _last(name, place, dir_fd, flags)
    except OSError as error:
        # With O_DIRECTORY, Linux says of a link that it is no directory.
        if error.errno in {errno.ELOOP, errno.EMLINK} or _target(name, dir_fd) is not None:
            raise Irregular(errno.ELOOP, f"{place} is a link", str(place)) from None
        raise
