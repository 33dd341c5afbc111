"""Which directories are mount points, bind mounts included."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from fsm.errors import Refused
from fsm.system.files.naming import shown

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


def mounts_within(path: Path) -> tuple[Path, ...]:
    """The mount points at or below a directory, sorted.

    Linux lists them in ``/proc/self/mountinfo`` (proc_pid_mountinfo(5): the fifth field, spaces and backslashes as
    octal escapes). That finds bind mounts of the same file system, which no comparison of device numbers does.
    Elsewhere the tree is walked.

    Args:
        path: a directory; links in the path are followed, except in its last segment.
    """
    path = path.absolute()
    real = path.parent.resolve() / path.name
    try:
        lines = _MOUNTINFO.read_bytes().splitlines()
    except OSError:  # pragma: no cover - macOS, or a chroot without /proc
        return mounts_by_walking(real)
    itself = os.fsencode(real)
    below = itself.rstrip(b"/") + b"/"
    points = {_OCTAL.sub(_unescape, line.split(b" ", 5)[4]) for line in lines}
    return tuple(sorted(Path(os.fsdecode(each)) for each in points if each == itself or each.startswith(below)))


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)])


def mounts_by_walking(path: Path) -> tuple[Path, ...]:
    """The same by looking at each directory, for platforms without a list. Bind mounts stay unseen."""
    return tuple(sorted(Path(directory) for directory, _, _ in os.walk(path) if os.path.ismount(directory)))


def refuse_mounts(path: Path) -> None:
    """Make sure that removing a directory would not reach into another file system.

    Raises:
        Refused: it is a mount point or has one below it; names the first.
    """
    for point in mounts_within(path)[:1]:
        raise Refused(
            f"cannot remove {shown(path)}",
            f"{shown(point)} is a mount point, and what is mounted there is not ours to delete",
            f"unmount it first: umount {point}",
        )
