"""Looking into archives and unpacking them. The only place where a broken archive becomes an `ArchiveError`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from fsm.errors import ArchiveError
from fsm.system import regular
from fsm.system.archive import tarreader, zipreader
from fsm.system.archive.kinds import detect
from fsm.system.archive.model import BrokenError, Kind, Limits, Listing, Member
from fsm.system.archive.streams import opened
from fsm.system.archive.tree import Directory, Hardlink, Node, Tree, entries
from fsm.system.archive.writing import Writer, writing_to
from fsm.system.digest import Check, no_check

_DROPPINGS: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers leave at the top, beside AppleDouble's ``._name`` (RFC 1740) and ``__MACOSX/``."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes of the archive that were read, and with how many it has."""


def inspect(path: Path, limits: Limits | None = None, *, name: str | None = None, check: Check = no_check) -> Listing:
    """Find out what an archive would unpack to, and whether it may be. Reads all of it, writes nothing.

    Args:
        path: the archive: tar, tar.gz, tar.bz2, tar.xz, tar.zst, zip or wheel.
        limits: what it may hold at most; those of `Limits()` unless told.
        name: its name as it was published, where the file has another; its suffix must agree with the content.
        check: called at least once per entry and per MiB; what it raises ends the reading.

    Raises:
        ArchiveError: it is broken, hostile, or no archive.
        Unsupported: it is tar.zst, and this Python has no Zstandard.
        OSError: it cannot be read.
    """
    return _Run(path, limits, name, check).read(None)


def unpack(
    path: Path,
    dest: Path,
    *,
    limits: Limits | None = None,
    name: str | None = None,
    check: Check = no_check,
    progress: Progress | None = None,
    room: int | None = None,
) -> Listing:
    """Unpack an archive into a directory of its own.

    One top-level directory with nothing beside it is left away (not in a wheel). Set-uid, set-gid and sticky bits and
    the right of others to write are dropped, the owner is the calling process's, times of modification are kept.
    Nothing is synced: `fsm.system.files.sync_filesystem` does that at once for all.

    Args:
        path: the archive, as for `inspect`.
        dest: a directory that is missing or empty. After an error the caller removes it, with what is in it.
        limits: what it may hold at most.
        name: as for `inspect`.
        check: as for `inspect`.
        progress: told how many bytes of the archive were read, and of how many.
        room: bytes that may be written. Of an archive that has more, the rest is only judged and counted: what is in
            `dest` is then not the whole of it, and the listing's `total_bytes` says so.

    Raises:
        ArchiveError: it is broken, hostile, or no archive; nothing outside of `dest` was touched.
        Refused: `dest` is not empty.
        Unsupported: as for `inspect`, or this is Windows.
        OSError: it cannot be read, or not be written; a full disk, say.
    """
    run = _Run(path, limits, name, check, progress, room)
    with writing_to(dest, f"cannot unpack {run.name}") as writer:
        return run.read(writer)


class _Run:
    """One archive from its first byte to its last."""

    def __init__(
        self,
        path: Path,
        limits: Limits | None,
        name: str | None,
        check: Check,
        progress: Progress | None = None,
        room: int | None = None,
    ) -> None:
        self.path, self.limits, self.name = path, limits or Limits(), name or path.name
        self.check, self.progress = check, progress
        self.room = self.limits.max_bytes if room is None else room
        self._told = -1

    def read(self, writer: Writer | None) -> Listing:
        try:
            with (
                regular.beneath(self.path.parent, self.path.name) as descriptor,
                open(descriptor, "rb", closefd=False) as file,
            ):
                return self._read(file, writer)
        except BrokenError as error:
            raise ArchiveError(
                f"cannot unpack {self.name}", str(error), "the release is broken, nothing was changed"
            ) from error

    def _read(self, file: BinaryIO, writer: Writer | None) -> Listing:
        kind = detect(file, self.name)
        # Droppings are judged as everything else is, in a tree of their own that is never written.
        tree, droppings = Tree(self.limits), Tree(self.limits)
        for member in _members(file, kind, self.limits, self.check):
            self.check()
            if kind != "wheel" and _is_dropping(member):
                droppings.add(member)
                self._take(file, None, member, None)
                continue
            found = tree.add(member)
            if writer is not None and tree.total_bytes > self.room:
                writer = None
            self._take(file, found, member, writer)
        top = tree.finish(strip=kind != "wheel", check=self.check)
        stripped = None if top is tree.root else top.name
        if writer is not None:
            writer.finish(top)
        return Listing(kind, stripped, tree.total_bytes, lambda: entries(top))

    def _take(
        self, file: BinaryIO, found: tuple[Directory, Node] | None, member: Member, writer: Writer | None
    ) -> None:
        """Use up a member's bytes, and write what there is to write."""
        chunks = self._followed(file, member.chunks)
        if found is None or writer is None or member.kind == "symlink":
            for _ in chunks:
                pass
            return
        directory, node = found
        if isinstance(node, Directory):
            writer.directory(node.path)
        elif isinstance(node, Hardlink):
            writer.link(directory, node)
        else:
            writer.file(directory, node, member.mtime_ns, chunks)

    def _followed(self, file: BinaryIO, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, with a look at the clock and a word about progress between them."""
        for chunk in chunks:
            yield chunk
            self.check()
            if self.progress is not None and (at := file.tell()) != self._told:
                self._told = at
                self.progress(at, os.fstat(file.fileno()).st_size)


def _is_dropping(member: Member) -> bool:
    """Whether an entry is what a packer or a file manager left beside the release, and not part of it."""
    top, _, below = member.name.removeprefix("./").partition("/")
    if top == "__MACOSX":
        return True
    return not below and member.kind == "file" and (top in _DROPPINGS or top.startswith("._"))


def _members(file: BinaryIO, kind: Kind, limits: Limits, check: Check) -> Iterator[Member]:
    if kind in {"zip", "wheel"}:
        return zipreader.members(file, limits.max_entries, check)
    return tarreader.members(opened(file, kind, check))
