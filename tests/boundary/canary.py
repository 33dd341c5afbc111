"""A directory of root's that must stay as it is, whatever somebody else's links lead a program of root's to.

It has one of each kind of thing, and two secrets. `Canary.harm` says what has changed; `Canary.read` what has been read
that only root may read: the file system under it must keep times of access (mount option ``strictatime``).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LONG_AGO: Final = 1_234_567_890 * 10**9 + 123_456_789
"""Nanoseconds: when everything here was last changed."""

MARKERS: Final = {
    "a secret of root's": b"marker-of-root-4f1d29c07b",
    "a secret of the neighbour's": b"marker-of-neighbour-93ac5de1f2",
    "a secret of the app's": b"marker-of-app-7e90b2d4c8",
    "the updater's environment": b"marker-of-environment-0b7755ee31",
    "the source's token": b"marker-of-token-2c81f0be66",
}
"""Values that stand where no attacker may read. Whoever finds one elsewhere has found a hole."""

SECRET: Final = MARKERS["a secret of root's"] + b"\n"

STICKY: Final = "sticky"
"""A directory like ``/tmp``: everybody may put something in, and what root has in it is root's."""

OPEN: Final = "open"
"""A file that everybody may write, and so may have a second name for."""


@dataclass(frozen=True)
class Entry:
    """What one thing is. Times are nanoseconds; `content` is a digest, or where a link leads."""

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int = 0
    modified: int = 0
    changed: int = 0
    names: int = 0
    content: str = ""
    attributes: tuple[tuple[str, bytes], ...] = ()

    def differs(self, other: Entry) -> str:
        """What is not the same, in words."""
        fields = ("kind", "mode", "owner", "size", "content", "modified", "changed", "names", "attributes")
        return ", ".join(name for name in fields if getattr(self, name) != getattr(other, name))


class Canary:
    """The directory, and what it was.

    Args:
        root: where; it is made.
        neighbour: a user who has a file in it.
    """

    def __init__(self, root: Path, neighbour: int) -> None:
        self.root = root
        self.private = ("secret", "private", "private/key")
        self._make(neighbour)
        self._before = snapshot(root)
        self.rest()

    def _make(self, neighbour: int) -> None:
        for folder, mode in (("", 0o755), ("dir", 0o755), ("dir/two", 0o755), ("empty", 0o755), ("private", 0o700)):
            (self.root / folder).mkdir()
            (self.root / folder).chmod(mode)
        files = {
            "file": (b"a file of root's\n", 0o644),
            "secret": (SECRET, 0o600),
            "program": (b"#!/bin/true\n", 0o4755),
            "dir/one": (b"one\n", 0o644),
            "dir/two/three": (b"three\n", 0o640),
            "private/key": (SECRET, 0o600),
            "neighbours": (MARKERS["a secret of the neighbour's"] + b"\n", 0o600),
            OPEN: (b"everybody may write here\n", 0o666),
        }
        for name, (data, mode) in files.items():
            (self.root / name).write_bytes(data)
            (self.root / name).chmod(mode)
        os.chown(self.root / "neighbours", neighbour, neighbour)
        (self.root / STICKY).mkdir()
        (self.root / STICKY / "roots").write_bytes(b"root's, where everybody may write\n")
        (self.root / STICKY).chmod(0o1777)
        for name, target in (("link", "file"), ("dirlink", "dir"), ("dangling", "nowhere")):
            (self.root / name).symlink_to(target)
        os.mkfifo(self.root / "fifo", 0o600)
        with suppress(PermissionError):  # a container without the right to make devices
            os.mknod(self.root / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        with suppress(OSError):  # a file system without extended attributes
            os.setxattr(self.root / "file", "user.note", b"of root's")
        for path in [*self.root.rglob("*"), self.root]:
            os.utime(path, ns=(LONG_AGO, LONG_AGO), follow_symlinks=False)

    def rest(self) -> None:
        """Set back the times of access: what is read from now on counts."""
        self._read = self._times()

    def read(self) -> list[str]:
        """What only root may read, and was read since `rest`."""
        now = self._times()
        return [f"canary/{name} was read" for name in self.private if now[name] != self._read[name]]

    def harm(self) -> list[str]:
        """What has changed, one line for each thing."""
        return differences(self._before, snapshot(self.root), "canary")

    def _times(self) -> dict[str, int]:
        return {name: (self.root / name).stat(follow_symlinks=False).st_atime_ns for name in self.private}


def differences(before: Mapping[str, Entry], after: Mapping[str, Entry], where: str) -> list[str]:
    """How two snapshots of one directory differ."""
    found = [f"{where}/{name} is gone" for name in sorted(before.keys() - after.keys())]
    for name in sorted(after.keys() - before.keys()):
        if not name.startswith(f"{STICKY}/") or after[name].owner[0] == 0:
            found.append(f"{where}/{name} is new, of {after[name].owner[0]}")
    for name in sorted(before.keys() & after.keys()):
        if how := before[name].differs(after[name]):
            found.append(f"{where}/{name} has another {how}")
    return found


_ANYBODY: Final = (-1, -1)


def snapshot(root: Path) -> dict[str, Entry]:
    """Everything below a directory, by its path; nothing is followed, and no time of access changes."""
    return dict(_entries(root, ""))


def _entries(root: Path, name: str) -> Iterator[tuple[str, Entry]]:
    path = root / name
    info = path.lstat()
    if name.startswith(f"{STICKY}/") and os.path.samestat(info, (root / OPEN).lstat()):
        yield name, Entry("-", info.st_mode, _ANYBODY)  # who may write a file may give it another name
        return
    yield name, _entry(path, name, info)
    if stat.S_ISDIR(info.st_mode):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NOATIME)
        try:
            names = os.listdir(fd)
        finally:
            os.close(fd)
        for below in sorted(names):
            yield from _entries(root, f"{name}/{below}" if name else below)


def _entry(path: Path, name: str, info: os.stat_result) -> Entry:
    kind, owner = stat.filemode(info.st_mode)[0], (info.st_uid, info.st_gid)
    if name == OPEN:  # its bytes and its names are anybody's; its owner and its mode are not
        return Entry(kind, info.st_mode, owner)
    if name == STICKY or (name.startswith(f"{STICKY}/") and info.st_uid != 0):  # anybody's as well, even a terabyte
        return Entry(kind, info.st_mode, owner)
    content = ""
    if kind == "l":
        content = os.readlink(path)
    elif kind == "-":
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME)
        with os.fdopen(fd, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(
        kind,
        info.st_mode,
        owner,
        info.st_size,
        info.st_mtime_ns,
        info.st_ctime_ns,
        info.st_nlink,
        content,
        tuple(_attributes(path)),
    )


def _attributes(path: Path) -> Iterator[tuple[str, bytes]]:
    with suppress(OSError):
        for name in os.listxattr(path, follow_symlinks=False):
            yield name, os.getxattr(path, name, follow_symlinks=False)
