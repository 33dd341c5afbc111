"""Locks that git leaves behind, and those that somebody holds.

Git locks by creating ``index.lock`` and the like, and writes no owner into it. A git that was killed leaves its lock,
and every later one fails. So: while a process can be seen that works on this repository, its lock is waited for; what
is still held after that is explained. A lock is removed only when nobody is seen who could own it, and it is older than
the wait, or than the last boot.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fsm.adapter import StepContext
from fsm.errors import DeadlineExceeded
from fsm.model import Seconds
from fsm.system import faults
from fsm_git.repository import Places, modules

_PAUSE = 0.1


def settle(found: Places, work: Path, wait: Seconds, ctx: StepContext, *, only: Sequence[str] = ()) -> tuple[str, ...]:
    """See to it that no lock is in the way.

    Args:
        found: the repository.
        work: the checkout.
        wait: seconds to wait for a lock that somebody may own.
        ctx: the step's.
        only: refs, or directories of them, if nothing else is to be written: other locks are in nobody's way then.

    Returns:
        Notes: which locks were removed.

    Raises:
        DeadlineExceeded: somebody still holds one; the message says who.
    """
    until = time.monotonic() + wait
    notes = []
    while locks := present(found, only):
        stale = [lock for lock in locks if not owners(lock, found, work)]
        for lock in stale:
            if _is_old(lock, wait):
                with suppress(FileNotFoundError):
                    lock.unlink()
                faults.point("git.lock_removed")
                notes.append(f"removed {lock}, which an earlier git process left behind")
        left = [lock for lock in locks if lock.exists()]
        if left and time.monotonic() >= until + _PAUSE and not set(left) <= set(stale):
            raise _held(left[0], found, work)
        if left:
            ctx.sleep(_PAUSE)
    return tuple(notes)


def present(found: Places, only: Sequence[str] = ()) -> list[Path]:
    """The locks that are there and would stop an update, or the writing of some refs only."""
    packed = found.common / "packed-refs.lock"
    if only:
        below = [lock for name in only for lock in (found.common / name).rglob("*.lock")]
        named = [packed, *(found.common / f"{name}.lock" for name in only), *below]
        return [lock for lock in named if os.path.lexists(lock)]
    inner = list(modules(found))
    named = [place / name for place in (found.own, *inner) for name in ("index.lock", "HEAD.lock", "ORIG_HEAD.lock")]
    named += [place / name for place in (found.common, *inner) for name in ("config.lock", "shallow.lock")]
    refs = [lock for place in (found.common, *inner) for lock in (place / "refs").rglob("*.lock")]
    return [lock for lock in (*named, packed, *refs) if os.path.lexists(lock)]


def owners(lock: Path, found: Places, work: Path) -> list[str]:
    """The living processes that may own a lock, for people."""
    seen = []
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            why = _owns(Path("/proc", pid), lock, (found.own, found.common, work))
            if why:
                seen.append(f"{why} (pid {pid})")
    return seen


def _owns(process: Path, lock: Path, places: tuple[Path, ...]) -> str:
    """The name of a process that has the lock open, or that is a git at work in one of the places."""
    try:
        name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        if _state(process) in "ZX":
            return ""
        if any(target == str(lock.resolve()) for target in _open_files(process)):
            return name
        # Who has made a lock owns the file: a program of somebody else's is free to call itself git.
        if not name.startswith("git") or process.stat().st_uid != lock.lstat().st_uid:
            return ""
    except OSError:  # it ended while we looked
        return ""
    try:
        cwd = Path(os.readlink(process / "cwd"))
    except PermissionError:
        # A git of another user, which may work anywhere: nobody can say that it does not work here.
        return f"{name} of another user"
    except OSError:
        return ""
    return name if any(cwd.is_relative_to(place.resolve()) for place in places) else ""


def _state(process: Path) -> str:
    text = (process / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()[0]


def _open_files(process: Path) -> Iterator[str]:
    with suppress(PermissionError):
        for number in os.listdir(process / "fd"):
            with suppress(OSError):  # closed meanwhile
                yield os.readlink(process / "fd" / number)


def _is_old(lock: Path, wait: Seconds) -> bool:
    """Whether a lock is older than the wait, or than this boot. A time in the future says nothing."""
    try:
        age = time.time() - lock.lstat().st_mtime
    except FileNotFoundError:
        return False
    return not 0 <= age < wait or age > _uptime()


def _uptime() -> Seconds:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def _held(lock: Path, found: Places, work: Path) -> DeadlineExceeded:
    who = ", ".join(owners(lock, found, work)) or "somebody"
    return DeadlineExceeded(f"cannot work on {work}", f"{who} holds {lock}", "let it finish, or end it")
