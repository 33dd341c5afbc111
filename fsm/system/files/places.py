"""Directories that keep the owner and mode which they have on the host, whatever a release brings in them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from fsm.system.digest import Check, no_check
from fsm.system.files.metadata import copy_metadata
from fsm.system.files.nofollow import closing, listing, open_child_dir, open_dir

_NO_SUCH: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES})
"""There is no directory of that name, or none that we may look into."""


def furnish(src: Path, dst: Path, *, check: Check = no_check) -> tuple[str, ...]:
    """Give `dst`, and every directory in it that `src` has too, the owner, mode, attributes and times it has there.

    One that its own user could not write to afterwards, if that is not root, is left as it is. May be killed anywhere
    and called again.

    Args:
        src: a directory.
        dst: one that nobody else writes to.
        check: called before each directory; what it raises ends it half way.

    Returns:
        Notes: what could not be kept.

    Raises:
        OSError: something cannot be set.
    """
    with open_dir(src) as source, open_dir(dst) as target:
        return _furnish(source, target, ".", check)


def _furnish(source: int, target: int, name: str, check: Check) -> tuple[str, ...]:
    check()
    notes: tuple[str, ...] = ()
    for child, status in sorted(listing(target).items()):
        there = _child(child, source) if stat.S_ISDIR(status.st_mode) else None
        if there is not None:
            with closing(there), closing(open_child_dir(child, target)) as here:
                notes += _furnish(there, here, f"{name}/{child}", check)
    wanted = os.fstat(source)
    if os.geteuid() == 0 or wanted.st_mode & stat.S_IWUSR:
        notes += copy_metadata(source, target, wanted, name)
    return notes


def _child(name: str, dir_fd: int) -> int | None:
    try:
        return open_child_dir(name, dir_fd)
    except OSError as error:
        if error.errno not in _NO_SUCH:
            raise
        return None
