"""Copying one entry with everything that belongs to it.

A copied file appears under its name whole or not at all: it is written under a temporary name and renamed.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Final

from fsm.system import faults
from fsm.system.digest import Check, no_check
from fsm.system.files.content import copy_bytes
from fsm.system.files.metadata import copy_link_metadata, copy_metadata
from fsm.system.files.naming import shown, with_temporary_name
from fsm.system.files.nofollow import CREATE, READ, closing, open_child_dir, open_dir, open_writable_child_dir
from fsm.system.files.removing import remove_at

_SPECIAL: Final = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def copy_entry(src: Path, dst: Path, *, check: Check = no_check, durable: bool = False) -> tuple[str, ...]:
    """Copy one file, link or directory (without what is in it) with mode, owner, times, attributes and ACL.

    The owner is kept by root, others get their own. What is at `dst` is replaced in one step; a directory is kept and
    takes on the metadata, and is in the way of a file (IsADirectoryError).

    Args:
        src: what to copy; a link is copied itself.
        dst: its new name; the directory must exist.
        check: called at least once per 16 MiB.
        durable: sync a file's bytes before it takes its name (the directory is not synced).

    Returns:
        Notes for people: what could not be copied. A fifo, socket or device is left out with a note.

    Raises:
        OSError: it cannot be read or written; `dst` is as before, or whole.
    """
    with open_dir(src.parent) as source, open_dir(dst.parent) as target:
        return copy_at(src.name, source, dst.name, target, check, durable)


def copy_within(source: Path, target: Path, path: PurePosixPath, *, check: Check = no_check) -> tuple[str, ...]:
    """Copy one entry of a tree to the same place in another one, as `copy_entry` does.

    The directories above it are made as they are in the source, where they are missing. On neither side a link is
    followed: whoever writes to a tree may put one in a directory's place at any time.

    Args:
        source: the root of the tree; links in its own path are followed.
        target: the root of the other one.
        path: relative to both, not empty.
        check: as for `copy_entry`.

    Returns:
        As `copy_entry`.

    Raises:
        OSError: as for `copy_entry`; also if a directory above it is none any more.
    """
    notes: tuple[str, ...] = ()
    with ExitStack() as stack:
        here, there = stack.enter_context(open_dir(source)), stack.enter_context(open_dir(target))
        for name in path.parts[:-1]:
            here = stack.enter_context(closing(open_child_dir(name, here)))
            made = make_dir(name, there)
            there = stack.enter_context(closing(open_writable_child_dir(name, there)))
            if made:
                notes += copy_metadata(here, there, os.fstat(here), name)
        return notes + copy_at(path.name, here, path.name, there, check)


def copy_at(name: str, source: int, to: str, target: int, check: Check, durable: bool = False) -> tuple[str, ...]:
    """`copy_entry` by directory descriptors: `name` in `source` becomes `to` in `target`."""
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        return _copy_file(name, source, to, target, check, durable)
    if stat.S_ISLNK(status.st_mode):
        return _copy_link(name, source, to, target, status)
    if stat.S_ISDIR(status.st_mode):
        return _copy_dir(name, source, to, target, status)
    return (special_note(name, status),)


def special_note(name: str, status: os.stat_result) -> str:
    """The note about something that is neither file, directory nor link."""
    return f"{shown(name)} was left out: it is {_SPECIAL.get(stat.S_IFMT(status.st_mode), 'of an unknown kind')}"


def _copy_file(name: str, source: int, to: str, target: int, check: Check, durable: bool) -> tuple[str, ...]:
    with closing(os.open(name, READ, dir_fd=source)) as reading:
        status = os.fstat(reading)
        if not stat.S_ISREG(status.st_mode):  # put there since we looked
            return (special_note(name, status),)
        temporary, descriptor = with_temporary_name(lambda free: os.open(free, CREATE, 0o600, dir_fd=target))
        try:
            with closing(descriptor) as writing:
                copy_bytes(reading, writing, check)
                notes = copy_metadata(reading, writing, status, name)
                if durable:
                    os.fsync(writing)
            faults.point("files.copy.written")
            os.rename(temporary, to, src_dir_fd=target, dst_dir_fd=target)
        except BaseException:
            os.unlink(temporary, dir_fd=target)
            raise
    return notes


def _copy_link(name: str, source: int, to: str, target: int, status: os.stat_result) -> tuple[str, ...]:
    points_to = os.readlink(name, dir_fd=source)
    temporary, _ = with_temporary_name(lambda free: os.symlink(points_to, free, dir_fd=target))
    try:
        copy_link_metadata(temporary, target, status)
        os.rename(temporary, to, src_dir_fd=target, dst_dir_fd=target)
    except BaseException:
        os.unlink(temporary, dir_fd=target)
        raise
    return ()


def _copy_dir(name: str, source: int, to: str, target: int, status: os.stat_result) -> tuple[str, ...]:
    make_dir(to, target)
    with closing(open_child_dir(name, source)) as reading, closing(open_writable_child_dir(to, target)) as writing:
        return copy_metadata(reading, writing, status, name)


def make_dir(name: str, dir_fd: int) -> bool:
    """Make sure that a directory is there; a file or link of that name gives way. Whether it had to be made."""
    try:
        os.mkdir(name, 0o700, dir_fd=dir_fd)
    except FileExistsError:
        if stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            return False
        os.unlink(name, dir_fd=dir_fd)
        os.mkdir(name, 0o700, dir_fd=dir_fd)
    return True


def clear_way(name: str, dir_fd: int, check: Check) -> None:
    """Remove a directory of that name, with what is in it: a file is to take its place, and no rename replaces it."""
    try:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        remove_at(name, dir_fd, check)
