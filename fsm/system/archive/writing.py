"""Writing a tree that comes entry by entry, without a way to write anything outside of it.

Everything is created by a directory descriptor and one segment of a name, never followed, never overwritten. Symbolic
links come into being last, when it is known where each of them leads; so while files are written there is no link to
be led astray by. Modes and times of directories come at the very end, because what is created in them changes both.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fsm.errors import Refused
from fsm.system.archive.tree import Directory, Hardlink, Node, Symlink, directories
from fsm.system.files import shown
from fsm.system.files.nofollow import CREATE, closing, open_child_dir, open_dir

_LATEST: Final = (1 << 32) * 10**9
"""The year 2106. Not the present: a host that has just been switched on may think it is 1970."""


class Writer:
    """The tree below one open directory.

    Args:
        root: a descriptor of the directory, which is empty.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._chain: list[int] = []
        self._path: tuple[str, ...] = ()
        self._now = time.time_ns()

    def close(self) -> None:
        """Close the directories that are still open."""
        self._go_up(0)

    def directory(self, path: tuple[str, ...]) -> int:
        """A descriptor of a directory in the tree, made when it is missing; it stays open until the next call."""
        if path == self._path:
            return self._here()
        common = 0
        while common < min(len(path), len(self._path)) and self._path[common] == path[common]:
            common += 1
        self._go_up(common)
        for name in path[common:]:
            parent = self._here()
            with suppress(FileExistsError):  # whatever it is: what is opened next must be a directory
                os.mkdir(name, 0o700, dir_fd=parent)
            self._chain.append(open_child_dir(name, parent))
            self._path = (*self._path, name)
        return self._here()

    def file(self, directory: Directory, node: Node, mtime_ns: int | None, chunks: Iterable[bytes]) -> None:
        """A new file with its bytes, mode and time."""
        descriptor = os.open(node.name, CREATE, 0o600, dir_fd=self.directory(directory.path))
        try:
            for chunk in chunks:
                written = os.write(descriptor, chunk)
                while written < len(chunk):
                    written += os.write(descriptor, memoryview(chunk)[written:])
            os.fchmod(descriptor, node.mode)
            os.utime(descriptor, ns=self._times(mtime_ns))
        finally:
            os.close(descriptor)

    def link(self, directory: Directory, node: Hardlink) -> None:
        """One more name of a file that is there."""
        with closing(os.dup(self.directory(node.above))) as source:
            target = self.directory(directory.path)
            os.link(node.original, node.name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)

    def finish(self, top: Directory) -> None:
        """Leave away the top-level directory, make the symbolic links, and give the directories modes and times.

        Args:
            top: what is left away; the tree's root where nothing is.
        """
        if top.path:
            self.directory(top.path)  # which may hold nothing but links, and they are still to come
            self._strip(top.name)
        self._go_up(0)
        skipped = len(top.path)
        found = [(each.path[skipped:], each) for each in directories(top)]
        for path, directory in found:
            for node in directory.children.values():
                if isinstance(node, Symlink):
                    parent = self.directory(path)
                    os.symlink(node.target, node.name, dir_fd=parent)
                    os.utime(node.name, ns=self._times(node.mtime_ns), dir_fd=parent, follow_symlinks=False)
        for path, directory in reversed(found[1:]):
            descriptor = self.directory(path)
            os.fchmod(descriptor, directory.mode)
            os.utime(descriptor, ns=self._times(directory.mtime_ns))
        self._go_up(0)

    def _strip(self, top: str) -> None:
        """Move what is in the top-level directory one up. It may hold something of its own name."""
        with closing(open_child_dir(top, self._root)) as descriptor:
            names = os.listdir(descriptor)
            aside = top
            while aside in names:
                aside = f".{aside[:200]}"
            os.rename(top, aside, src_dir_fd=self._root, dst_dir_fd=self._root)
            for name in names:
                os.rename(name, name, src_dir_fd=descriptor, dst_dir_fd=self._root)
        os.rmdir(aside, dir_fd=self._root)

    def _times(self, mtime_ns: int | None) -> tuple[int, int]:
        """Access now, modification as the archive says, within what file systems can store."""
        mtime = self._now if mtime_ns is None else min(max(mtime_ns, 0), _LATEST)
        return self._now, mtime

    def _here(self) -> int:
        return self._chain[-1] if self._chain else self._root

    def _go_up(self, length: int) -> None:
        while len(self._chain) > length:
            os.close(self._chain.pop())
        self._path = self._path[:length]


@contextmanager
def writing_to(dest: Path, what: str) -> Iterator[Writer]:
    """A writer for an empty directory, which is made when it is missing.

    Args:
        dest: the directory; a link is refused.
        what: what could not be done otherwise, for the error.

    Raises:
        Refused: something is in it, or it is no directory.
        Unsupported: the platform has no directory descriptors (Windows).
        OSError: it cannot be made.
    """
    dest.mkdir(mode=0o755, exist_ok=True)
    if dest.is_symlink() or any(dest.iterdir()):
        raise Refused(
            what, f"{shown(dest)} is not an empty directory", "nothing was changed; remove it, or name another"
        )
    with open_dir(dest) as root:
        writer = Writer(root)
        try:
            yield writer
        finally:
            writer.close()
