"""The user as whom a component is touched: who that is, and what such a process may see of the updater's environment.

A tree that somebody else may write is touched with that user's rights and no others. A number that this system has no
name for gets the group of the same number only if that names no group here either: 999 is the database of a container
in one place, and the group of the Docker engine in another.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypedDict

from fsm.errors import ConfigError
from fsm.model import Model

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are searched that run as a component's user; the updater's own PATH may lead to root's files."""

NOBODY: Final = 65534
"""The group of a user whom the system gives none."""

_LINKS: Final = 40
"""Links that a path may lead through, as in the kernel."""


class User(Model):
    """A user of this host, as frozen in plans.

    Attributes:
        name: the login name; the number where the system knows none.
        uid: the number.
        gid: the number of the user's own group.
        groups: the numbers of all of the user's groups.
        home: the home directory; ``/`` where the system knows none.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a process of this user: nothing of the updater's own, and what is added."""
        own = {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}
        return {"PATH": PATH, "LANG": "C.UTF-8", **own, **(extra or {})}


def can_become_others() -> bool:
    """Whether this process may act as other users: only root may."""
    return getattr(os, "geteuid", lambda: -1)() == 0


class RunsAs(TypedDict, total=False):
    """The options of `subprocess.Popen` for a child that is somebody else's."""

    user: int
    group: int
    extra_groups: list[int]


def runs_as(user: User) -> RunsAs:
    """The options of `subprocess.Popen` for a child that is a user's; none where that is who runs already."""
    if user.uid == getattr(os, "geteuid", lambda: -1)():
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": list(user.groups)}


def named(word: str | int) -> User:
    """The user of a name or of a number.

    Raises:
        ConfigError: this system knows none of that name.
    """
    import pwd  # noqa: PLC0415 - Windows imports this module and has none

    if isinstance(word, int):
        return numbered(word)
    try:
        return _of_entry(pwd.getpwnam(word))
    except KeyError:
        raise ConfigError(
            f"cannot act as the user {word!r}", "this system knows no such user", "correct `run_as`, or add that user"
        ) from None


def numbered(uid: int) -> User:
    """The user of a number, whether or not the system knows a name."""
    import pwd  # noqa: PLC0415 - as above

    try:
        return _of_entry(pwd.getpwuid(uid))
    except KeyError:
        gid = NOBODY if _names_a_group(uid) else uid
        return User(name=str(uid), uid=uid, gid=gid)


def _of_entry(entry: object) -> User:
    name, gid = str(getattr(entry, "pw_name")), int(getattr(entry, "pw_gid"))  # noqa: B009 - a type of Unix only
    groups = tuple(sorted(set(os.getgrouplist(name, gid))))
    home = str(getattr(entry, "pw_dir")) or "/"  # noqa: B009 - as above
    return User(name=name, uid=int(getattr(entry, "pw_uid")), gid=gid, groups=groups, home=home)  # noqa: B009


def _names_a_group(gid: int) -> bool:
    import grp  # noqa: PLC0415 - as above

    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def owner_of(path: Path) -> int:
    """Who decides what is at a path: the first one on the way to it who is not root, for he could lead it elsewhere.

    So nobody can have something done as somebody else, by a link into what is that one's. Links count as what they are,
    things that their owners can point elsewhere.

    Args:
        path: absolute.

    Returns:
        A user's number; 0 if only root has a say.
    """
    return next((owner for owner in _owners(path) if owner != 0), 0)


def _owners(path: Path) -> Iterator[int]:
    """The owners of everything on the way to a path, links and what they lead to included, from the root down."""
    left, place, links = list(reversed(path.parts)), "/", 0
    while left:
        part = left.pop()
        place = "/" if part == "/" else os.path.dirname(place) if part == ".." else os.path.join(place, part)
        try:
            status = os.lstat(place)
        except OSError:  # nothing is there, or nothing that can be looked at: what is above has decided
            return
        yield status.st_uid
        if stat.S_ISLNK(status.st_mode) and links < _LINKS:
            try:
                target = os.readlink(place)
            except OSError:  # something else by now: who could exchange it has been told of
                return
            links += 1
            left += reversed(Path(target).parts)
            place = os.path.dirname(place)
