"""Who else could change a file: what root believes, runs or keeps must be root's alone, and so must the way to it.

A file that somebody else may write is theirs, and so is one in a directory that they may write: they put another one
in its place. So the whole path is looked at, through every link. A sticky directory (``/tmp``) lets nobody rename what
is not theirs. Ordinary users decide about their own files only: for them it is enough that a file is their own, or
root's.

Imports next to nothing: `fsm status` asks this of its configuration.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path, PurePath
from typing import Final, NamedTuple

from fsm.errors import ConfigError

_MOST_LINKS: Final = 40
"""Links that lead on to each other, as Linux counts them (path_resolution(7))."""

_ACL: Final = "system.posix_acl_access"


class Doubt(NamedTuple):
    """Why something is not to be trusted.

    Attributes:
        place: the file, or the directory above it, that somebody else may change.
        why: who may, as the end of a sentence.
        todo: what ends that.
    """

    place: Path
    why: str
    todo: str


def doubt(path: Path, like_root: Collection[int] = (), *, anybody: bool = False) -> Doubt | None:
    """Who else may change what a path leads to; None if nobody can, or if there is nothing.

    Args:
        path: a file or a directory.
        like_root: users that are trusted like root.
        anybody: whether what is missing is doubtful where everybody could put it, as in ``/tmp``: by the time it is
            opened it may be there. Who makes it himself finds out what is there.
    """
    if not hasattr(os, "geteuid"):  # pragma: no cover - Windows only
        return None
    me = os.geteuid()
    trusted = {0, me, *like_root}
    try:
        if me == 0:
            return _Way(path.absolute(), trusted, anybody=anybody).doubt()
        return _owner(path, os.stat(path), trusted)
    except OSError:  # not there, or not for us to see: whoever opens it says so
        return None


def require(path: Path, what: str, todo: str = "") -> None:
    """Refuse a file that decides what is done here, where somebody else could change it.

    Args:
        path: the file; one that is missing is not refused, but where everybody could put it there.
        what: what cannot be done then.
        todo: another remedy than to take the file away from others.

    Raises:
        ConfigError: says who could change it, and what to do.
    """
    if found := doubt(path, anybody=True):
        me = "root" if os.geteuid() == 0 else user(os.geteuid())
        remedy = f"{found.todo}, or {todo}" if todo else found.todo
        raise ConfigError(what, f"{found.why}, so {me} is not the only one who decides what it says", remedy)


def user(uid: int) -> str:
    """A user for people, e.g. ``user 1000 (pi)``."""
    import pwd  # noqa: PLC0415 - not on Windows, and only for messages

    try:
        return f"user {uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"user {uid}"


class _Way:
    """A path from the root directory down, with every link on it."""

    def __init__(self, path: Path, trusted: set[int], *, anybody: bool) -> None:
        self._parts = list(reversed(path.parts[1:]))
        self._at = Path(path.anchor)
        self._trusted = trusted
        self._anybody = anybody
        self._links = 0

    def doubt(self) -> Doubt | None:
        status = os.lstat(self._at)
        found = _written(self._at, status, self._trusted)
        while found is None and self._parts:
            status, found = self._step(status)
        return found

    def _step(self, above: os.stat_result) -> tuple[os.stat_result, Doubt | None]:
        """One part further; the status of where that leads to."""
        name = self._parts.pop()
        if name == "..":
            self._at = self._at.parent
            return os.lstat(self._at), None
        place = self._at / name
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            if not self._anybody or not above.st_mode & stat.S_IWOTH:
                raise
            return above, Doubt(place, f"everybody may put something at {place}", f"put it into {place.parent} as root")
        if not stat.S_ISLNK(status.st_mode):
            self._at = place
            return status, _written(place, status, self._trusted)
        # In a directory that others can write, which then is sticky, a link is whoever's made it. It is not looked at
        # any closer: its owner could have put something else in its place by now.
        if above.st_mode & stat.S_ISVTX and (found := _owner(place, status, self._trusted)):
            return status, found
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(place))
        target = PurePath(os.readlink(place))
        if target.is_absolute():
            self._at = Path(target.anchor)
        self._parts += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        return (os.lstat(self._at) if target.is_absolute() else above), None


def _owner(place: Path, status: os.stat_result, trusted: Collection[int]) -> Doubt | None:
    if status.st_uid in trusted:
        return None
    own = "root" if os.geteuid() == 0 else str(os.geteuid())
    return Doubt(place, f"{place} belongs to {user(status.st_uid)}", f"`chown {own} {place}`")


def _written(place: Path, status: os.stat_result, trusted: Collection[int]) -> Doubt | None:
    """Who may write it, beside its owner; in a sticky directory everybody has only what is theirs."""
    mode = status.st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX and status.st_uid in trusted:
        return None
    if found := _owner(place, status, trusted):
        return found
    if stat.S_ISCHR(mode) and os.path.samestat(status, os.stat(os.devnull)):
        return None  # where a masked unit leads: nothing stays of what anybody writes there
    if mode & stat.S_IWOTH:
        return Doubt(place, f"every user may write to {place}", f"`chmod o-w {place}`")
    if mode & stat.S_IWGRP and (_has_others(status.st_gid, trusted) or _has_list(place)):
        return Doubt(place, f"group {_group(status.st_gid)} may write to {place}", f"`chmod g-w {place}`")
    return None


def _has_others(gid: int, trusted: Collection[int]) -> bool:
    """Whether a group may have members that are not trusted. One that nobody knows may have any."""
    if gid == 0:
        return False
    import grp  # noqa: PLC0415 - not on Windows, and seldom needed
    import pwd  # noqa: PLC0415 - not on Windows, and seldom needed

    try:
        members = set(grp.getgrgid(gid).gr_mem)
    except KeyError:
        return True
    users = pwd.getpwall()
    known = {each.pw_name for each in users if each.pw_uid in trusted}
    return not members <= known or any(each.pw_gid == gid and each.pw_uid not in trusted for each in users)


def _has_list(place: Path) -> bool:
    """Whether the group's bits are those of an access control list (acl(5)), which may name anybody."""
    try:
        return bool(os.getxattr(place, _ACL, follow_symlinks=False))
    except (OSError, AttributeError):  # there is none; or the system has no such call
        return False


def _group(gid: int) -> str:
    import grp  # noqa: PLC0415 - not on Windows, and only for messages

    try:
        return f"{gid} ({grp.getgrgid(gid).gr_name})"
    except KeyError:
        return str(gid)
