"""Files and directories of the updater's own: nobody else can read them, lock them, or put others in their place.

Whoever can open a lock can hold it, and whoever can open the journal's files can keep it from being written. So
directories are 0700 and files 0600, whatever the umask is; what is wider is narrowed by its owner. Where somebody else
could exchange them, root does not work at all.

Imports next to nothing: `fsm status` comes here.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from fsm.errors import Refused
from fsm.system import trusted

DIRECTORY: Final = 0o700
FILE: Final = 0o600
_PASSAGE: Final = 0o711
_ABOVE: Final = 0o755
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OURS: Final = (
    *("journal.db", "locks", "logs", "services", "containers", "staging", "repositories", "glance.json"),
    *(".glance.json", ".doctor-"),
)
"""How the names of everything that is kept in a state directory begin."""


def state(path: Path) -> Path:
    """The state directory, made where it is missing.

    One that has files of others beside ours stays as wide as it is, so that these can be reached; ours are closed
    each by itself.

    Raises:
        Refused: somebody else could change what is in it; says who, and what to do.
        OSError: it cannot be made.
    """
    look(path)
    _make(path)
    status = os.stat(path)
    if _is_wide(status) and status.st_uid == _me() and _only_ours(path):
        _narrow(path, status)
        _refuse_planted(path)
    look(path)
    return path


def directory(path: Path) -> Path:
    """A directory in the state directory, made where it is missing, closed to others.

    One that is there and does not have a name of ours stays as it is: it could be ``/dev``.

    Raises:
        OSError: it cannot be made.
    """
    if not _make(path) and path.name.startswith(_OURS):
        _narrow(path, os.stat(path))
    return path


def passage(path: Path) -> Path:
    """A directory that others can go through to what they know of, but cannot look into.

    Raises:
        OSError: it cannot be made.
    """
    _make(path)
    path.chmod(_PASSAGE)
    return path


def opened(path: Path, flags: int) -> int:
    """A descriptor of a file of ours, made where it is missing, closed to others.

    Raises:
        OSError: it cannot be opened, or it is a link.
    """
    safely = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | os.O_CREAT | safely, FILE)
    try:
        close(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def close(path: Path, status: os.stat_result | None = None) -> None:
    """Take a file away from others, where it is ours; by its name, for a descriptor of a database must not be closed.

    What is no file stays as it is: it could be a device of the host's.

    Raises:
        OSError: it is not there.
    """
    status = status or os.stat(path)
    if stat.S_ISREG(status.st_mode) and status.st_mode & _OTHERS and status.st_uid == _me():
        path.chmod(FILE)


def look(state_dir: Path) -> None:
    """Refuse a state directory in which somebody else decides, or which is none of this user's business.

    Raises:
        Refused: says who may ask, and what to do.
    """
    if _me() != 0:
        refuse_stranger(state_dir)
    found = (trusted.doubt(state_dir) if _me() == 0 else None) or _shared(state_dir)
    if found is not None and not _will_be_narrow(found.place, state_dir):
        what = f"cannot keep the state of this host in {state_dir}"
        only = "only root writes, such as /var/lib/fsm" if _me() == 0 else "nobody else writes"
        raise Refused(
            what,
            f"{found.why}, and so decide what is done here",
            f"{found.todo}, or set state_dir to a place where {only}",
        )


def refuse_stranger(place: Path) -> None:
    """Refuse who may not read a file or directory of the state.

    Raises:
        Refused: says who may.
    """
    try:
        status = os.stat(place)
    except FileNotFoundError:
        return
    if status.st_uid != _me() and not os.access(place, os.R_OK):
        who = "root" if status.st_uid == 0 else trusted.user(status.st_uid)
        raise Refused(
            "cannot tell the state of this host",
            f"{place} belongs to {who}, and nobody else may read it",
            "use sudo" if status.st_uid == 0 else f"run this as {who}",
        )


def _me() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else -1


def _make(path: Path) -> bool:
    """Make a directory, and those above it; whether it was missing."""
    try:
        path.mkdir(DIRECTORY)
    except FileExistsError:
        if not path.is_dir():
            raise
        return False
    except FileNotFoundError:
        path.parent.mkdir(_ABOVE, parents=True, exist_ok=True)
        return _make(path)
    return True


def _is_wide(status: os.stat_result) -> bool:
    return stat.S_IMODE(status.st_mode) & _OTHERS not in (0, _PASSAGE & _OTHERS)


def _narrow(path: Path, status: os.stat_result) -> None:
    if _is_wide(status) and status.st_uid == _me():
        path.chmod(DIRECTORY)


def _shared(state_dir: Path) -> trusted.Doubt | None:
    """A directory like /tmp is safe to go through, but no place for names that we have not taken yet."""
    wide = stat.S_IWOTH | (stat.S_IWGRP if _me() == 0 else 0)
    if state_dir.is_dir() and os.stat(state_dir).st_mode & wide:
        return trusted.Doubt(state_dir, f"others may write to {state_dir}", f"`chmod go-w {state_dir}`")
    return None


def _will_be_narrow(place: Path, state_dir: Path) -> bool:
    """Whether it is wide only because we have not narrowed it yet: then that is no reason to doubt."""
    if place != state_dir or state_dir.is_symlink():
        return False
    status = os.stat(state_dir)
    return status.st_uid == _me() and not status.st_mode & stat.S_ISVTX and _only_ours(state_dir)


def _only_ours(state_dir: Path) -> bool:
    return all(name.startswith(_OURS) for name in os.listdir(state_dir))


def _refuse_planted(state_dir: Path) -> None:
    """Refuse what others may have put into a directory while it was open to them."""
    for name in os.listdir(state_dir):
        place = state_dir / name
        if os.lstat(place).st_uid not in (0, _me()):
            raise Refused(
                f"cannot keep the state of this host in {state_dir}",
                f"{place} belongs to {trusted.user(os.lstat(place).st_uid)}",
                "find out how it came there, and move it away",
            )
