"""Finding out beforehand whether two directories can be exchanged in one step, and whether one can be renamed.

`fsm.system.files.moving` exchanges them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fsm.system.files import native
from fsm.system.files.naming import shown, with_temporary_name

_NOT_SUPPORTED: Final = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EACCES}
)
"""Also of a seccomp filter that does not know the call."""


def can_exchange(directory: Path) -> bool:
    """Whether directories inside `directory` can be exchanged: two temporary ones are made, exchanged, removed.

    Linux: renameat2(2) with RENAME_EXCHANGE; macOS: renameatx_np(2) with RENAME_SWAP.

    Raises:
        OSError: nothing can be created there at all.
    """
    with _temporary_dir(directory) as first, _temporary_dir(directory) as second:
        before = first.stat().st_ino
        try:
            native.exchange_names(os.fsencode(first), os.fsencode(second))
        except OSError as error:
            if error.errno in _NOT_SUPPORTED:
                return False
            raise
        return second.stat().st_ino == before


def why_not_renamable(path: Path) -> str | None:
    """Why a directory cannot be renamed within its parent, or None when it can.

    The kernel is asked, without a chance that the directory really moves: it is renamed onto a temporary directory
    that is not empty, which POSIX forbids (EEXIST or ENOTEMPTY,
    https://pubs.opengroup.org/onlinepubs/9699919799/functions/rename.html). Everything else that stands in the way is
    reported before that: a mount point (EBUSY), a parent that is not ours (EACCES, EPERM, EROFS), and a directory
    that overlayfs cannot rename because it is in, or merged with, a lower layer (EXDEV,
    https://docs.kernel.org/filesystems/overlayfs.html#renaming-directories).

    Args:
        path: a directory; when it is a link, the link is what would be renamed, and that always works.

    Raises:
        OSError: it does not exist.
    """
    path = path.absolute()
    if path.is_symlink():
        return None
    path.stat()
    try:
        with _temporary_dir(path.parent) as probe, _temporary_dir(probe):
            return _rename_refused(path, probe)
    except OSError as error:
        return f"nothing can be created in {shown(path.parent)}: {_text(error)}"


def _rename_refused(path: Path, probe: Path) -> str | None:
    try:
        path.rename(probe)
    except OSError as error:
        if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
            return None
        return f"{shown(path)} {_REASONS.get(error.errno or 0, 'cannot be renamed')}: {_text(error)}"
    # A file system that ignores POSIX; put the directory back at once.
    probe.rename(path)  # pragma: no cover - none is known
    return f"{shown(path)} lies on a file system whose renames cannot be trusted"  # pragma: no cover


_REASONS: Final = {
    errno.EBUSY: "is a mount point",
    errno.EXDEV: "is in a lower layer of an overlay file system, or another file system than its parent",
    errno.EACCES: "may not be renamed by this user",
    errno.EPERM: "may not be renamed by this user",
}


def _text(error: OSError) -> str:
    return f"{os.strerror(error.errno or 0)} ({errno.errorcode.get(error.errno or 0, error.errno)})"


@contextmanager
def _temporary_dir(parent: Path) -> Iterator[Path]:
    name, _ = with_temporary_name(lambda name: (parent / name).mkdir(0o700))
    try:
        yield parent / name
    finally:
        (parent / name).rmdir()
