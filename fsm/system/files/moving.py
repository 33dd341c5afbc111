"""Renames by directory descriptors: between directories of ours and directories that belong to somebody else.

Where an app's directory lies in one of root's, root alone can exchange it. Below, everything is the app's user's, who
may put anything under any name at any time. So no name below is looked up twice, no link is followed, and what has
arrived in root's directory is looked at once it is there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple, Self

from fsm.system.digest import Check, no_check
from fsm.system.files import native
from fsm.system.files.copying import copy_at, make_dir
from fsm.system.files.nofollow import open_above, open_child_dir, open_dir

GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What a call says of a path whose entry, or a directory above it, is not there any more, or was replaced by a link."""


class Spot(NamedTuple):
    """A name in an open directory.

    Attributes:
        directory: its descriptor.
        name: one segment.
    """

    directory: int
    name: str

    def status(self) -> os.stat_result | None:
        """Of what is there, a link's own; None if nothing is."""
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_directory(self, owner: int | None = None) -> bool:
        """Whether a directory is there, and that user's."""
        status = self.status()
        return status is not None and stat.S_ISDIR(status.st_mode) and owner in (None, status.st_uid)


@contextmanager
def open_below(directory: Path, *names: str) -> Iterator[int]:
    """A descriptor of a directory some levels below another one; no link is followed from there on.

    Args:
        directory: one that the caller trusts.
        names: one segment each.

    Raises:
        OSError: one of them is missing, a link, or something else.
    """
    with open_dir(directory) as top, open_above(PurePosixPath(*names, "entry"), top) as descriptor:
        yield descriptor


def exchange_spots(first: Spot, second: Spot) -> None:
    """Exchange what is at two spots, in one step: at no moment is either missing. `sync_spots` makes it durable.

    It is its own undo, so whoever resumes must look which of the two is where before calling it again. Links are
    exchanged themselves. Linux: renameat2(2) with RENAME_EXCHANGE; macOS: renameatx_np(2) with RENAME_SWAP.

    Raises:
        OSError: nothing was changed: one is missing, a mount point, on another file system (EXDEV; also a directory of
            an overlayfs lower layer), or inside the other, or it cannot be done here (see `can_exchange`).
    """
    native.exchange_names(os.fsencode(first.name), os.fsencode(second.name), first.directory, second.directory)


def move_spot(source: Spot, dest: Spot) -> None:
    """Rename what is at a spot to another one, where nothing may be.

    Raises:
        OSError: it cannot be renamed, or something is there.
    """
    if dest.status() is not None:
        raise FileExistsError(errno.EEXIST, "something is there already", dest.name)
    os.rename(source.name, dest.name, src_dir_fd=source.directory, dst_dir_fd=dest.directory)


class Mover:
    """Moves entries of a tree to the same places in another one, whose directories are made where they are missing.

    On neither side a link is followed. Across file systems an entry is copied, with everything that belongs to it. The
    directories of the last one stay open for the next: of 100,000 entries most lie beside each other.

    Args:
        source: the root of the tree.
        target: the root of the other one.
        check: called at least once per 16 MiB of a copy.
    """

    def __init__(self, source: Path, target: Path, check: Check = no_check) -> None:
        self._roots = source, target
        self._check = check
        self._stack = ExitStack()
        self._chain: list[tuple[str, int, int]] = []

    def __enter__(self) -> Self:
        source, target = self._roots
        with ExitStack() as stack:
            here, there = stack.enter_context(open_dir(source)), stack.enter_context(open_dir(target))
            self._stack = stack.pop_all()
        self._chain = [("", here, there)]
        return self

    def __exit__(self, *_: object) -> None:
        self._go_up(1)
        self._stack.close()

    def move(self, path: PurePosixPath) -> bool:
        """Move one entry.

        Args:
            path: relative to both roots, not empty.

        Returns:
            Whether it was moved; if not, it was not there any more.

        Raises:
            OSError: it cannot be moved.
        """
        try:
            here, there = self._at(path.parts[:-1])
            _move(path.name, here, there, self._check)
        except OSError as error:
            if error.errno not in GONE:
                raise
            return False
        return True

    def _at(self, names: tuple[str, ...]) -> tuple[int, int]:
        """The directories of those names on both sides."""
        same = 1
        for name, (known, below, _), (_, above, _) in zip(names, self._chain[1:], self._chain, strict=False):
            if name != known or not _is_still(name, above, below):
                break
            same += 1
        self._go_up(same)
        for name in names[same - 1 :]:
            _, here, there = self._chain[-1]
            below = open_child_dir(name, here)
            try:
                make_dir(name, there)
                self._chain.append((name, below, open_child_dir(name, there)))
            except BaseException:
                os.close(below)
                raise
        return self._chain[-1][1:]

    def _go_up(self, length: int) -> None:
        while len(self._chain) > length:
            for descriptor in self._chain.pop()[1:]:
                os.close(descriptor)


def _is_still(name: str, directory: int, descriptor: int) -> bool:
    """Whether what is open is what has that name by now: another directory may have taken its place."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(status, os.fstat(descriptor))


def _move(name: str, source: int, target: int, check: Check) -> None:
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_at(name, source, name, target, check, durable=True)
        os.fsync(target)  # else a power cut could take both
        os.unlink(name, dir_fd=source)


def sync_spots(*spots: Spot) -> None:
    """Make the entries at spots durable.

    Raises:
        OSError: they could not be written.
    """
    for directory in {spot.directory for spot in spots}:
        os.fsync(directory)
