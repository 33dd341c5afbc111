"""What a file is besides its bytes: owner, mode, extended attributes (ACLs among them), times. Copied by descriptor."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from fsm.system.files.naming import shown

_NOT_FOR_US: Final = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""What a kernel says to an attribute that the user may not set or the file system does not have."""


def wanted_owner(status: os.stat_result) -> tuple[int, int]:
    """User and group that a copy gets: the same for root; for others their own, and the group if they are in it."""
    user = os.geteuid()
    if user == 0:
        return status.st_uid, status.st_gid
    return user, status.st_gid if status.st_gid in {os.getegid(), *os.getgroups()} else os.getegid()


def wanted_mode(status: os.stat_result) -> int:
    """Mode of a copy: the same, but set-uid and set-gid only where the copy's owner is the original's."""
    mode = stat.S_IMODE(status.st_mode)
    user, group = wanted_owner(status)
    if user != status.st_uid:
        mode &= ~stat.S_ISUID
    if group != status.st_gid and not stat.S_ISDIR(status.st_mode):
        mode &= ~stat.S_ISGID
    return mode


def copy_metadata(source: int, target: int, status: os.stat_result, name: str) -> tuple[str, ...]:
    """Give an open file or directory the metadata of another; a note for each attribute that could not be kept.

    The order matters: a change of owner clears set-uid bits and capabilities, attributes cannot be written once the
    mode says read-only, and all of them touch the times.

    Args:
        source: an open descriptor.
        target: an open descriptor of something that we own.
        status: of the source, from before it was read: reading changes the access time.
        name: for the notes.

    Raises:
        OSError: mode or times cannot be set, or the disk is full.
    """
    _give(target, *wanted_owner(status))
    notes = tuple(_copy_attributes(source, target, name))
    os.fchmod(target, wanted_mode(status))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return notes


def copy_link_metadata(name: str, dir_fd: int, status: os.stat_result) -> None:
    """Give the link `name` in an open directory the owner and the times of another one.

    Raises:
        OSError: the times cannot be set.
    """
    user, group = wanted_owner(status)
    try:
        os.chown(name, user, group, dir_fd=dir_fd, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_FOR_US:
            raise
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=dir_fd, follow_symlinks=False)


def _give(target: int, user: int, group: int) -> None:
    now = os.fstat(target)
    if (now.st_uid, now.st_gid) != (user, group):
        try:
            os.fchown(target, user, group)
        except OSError as error:  # root of a user namespace knows only some numbers, vfat knows none
            if error.errno not in _NOT_FOR_US:
                raise


def _copy_attributes(source: int, target: int, name: str) -> Iterator[str]:
    if not hasattr(os, "listxattr"):  # pragma: no cover - Linux only
        return
    wanted = _attributes(source)
    for attribute in _attributes(target).keys() - wanted.keys():
        with suppress(OSError):  # security labels that the system gives by itself cannot be taken away
            os.removexattr(target, attribute)
    for attribute, value in wanted.items():
        try:
            os.setxattr(target, attribute, value)
        except OSError as error:
            if error.errno not in _NOT_FOR_US:
                raise
            yield f"{shown(name)}: the attribute {attribute} was not kept: {os.strerror(error.errno or 0)}"


def _attributes(descriptor: int) -> dict[str, bytes]:
    found = {}
    try:
        for attribute in os.listxattr(descriptor):
            with suppress(OSError):  # not ours to read, or gone since
                found[attribute] = os.getxattr(descriptor, attribute)
    except OSError as error:
        if error.errno not in _NOT_FOR_US:
            raise
    return found
