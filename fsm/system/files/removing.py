"""Removing a tree: never through a link, never into another file system, and as often as it takes."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from fsm.system import faults
from fsm.system.digest import Check, no_check
from fsm.system.files.mounts import refuse_mounts
from fsm.system.files.naming import with_temporary_name
from fsm.system.files.nofollow import DEEPEST, closing, open_dir, open_writable_child_dir


def remove_tree(path: Path, check: Check = no_check) -> None:
    """Remove a directory with everything below it; a file or a link of that name likewise. Missing is fine.

    Directories without write permission are opened up first. It may be killed anywhere and called again.

    Args:
        path: what to remove; a link is removed itself, never what it points to.
        check: called before each entry; what it raises ends the removal half way.

    Raises:
        Refused: the tree is, or holds, a mount point; nothing was removed.
        OSError: something could not be removed.
    """
    path = path.absolute()
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        path.unlink(missing_ok=True)
        return
    refuse_mounts(path)
    with open_dir(path.parent) as parent:
        remove_at(path.name, parent, check)


def remove_at(name: str, dir_fd: int, check: Check) -> None:
    """Remove the directory `name` in the directory `dir_fd`. The caller has looked for mount points.

    Args:
        name: one segment.
        dir_fd: an open directory.
        check: called before each entry.
    """
    with closing(open_writable_child_dir(name, dir_fd)) as top:
        # Each round takes away `DEEPEST` levels; what lay deeper has been moved to the top meanwhile.
        while _empty(top, top, 0, check):
            pass
    os.rmdir(name, dir_fd=dir_fd)


def _empty(directory: int, top: int, depth: int, check: Check) -> bool:
    """Remove what is in an open directory; whether something deep was moved to the top, for another round."""
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    moved = False
    for name, is_dir in found:
        check()
        if not is_dir:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
        else:
            with closing(open_writable_child_dir(name, directory)) as child:
                if depth < DEEPEST:
                    moved = _empty(child, top, depth + 1, check) or moved
            if depth < DEEPEST:
                os.rmdir(name, dir_fd=directory)
            else:
                _move_up(name, directory, top)
                moved = True
        faults.point("files.remove_tree.removed")
    return moved


def _move_up(name: str, directory: int, top: int) -> None:
    """Move a directory to the top of the tree that is being removed, so that its depth costs no descriptors."""
    with_temporary_name(lambda free: os.rename(name, free, src_dir_fd=directory, dst_dir_fd=top))
