"""What an archive may hold at most, and what it was found to hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from fsm.model import Model

Kind = Literal["tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "zip", "wheel"]
EntryKind = Literal["file", "dir", "link", "symlink"]


class Limits(Model):
    """What an archive may hold at most.

    Attributes:
        max_bytes: bytes of all files together, counted while they are decompressed: what the archive says of itself
            is believed only when it is too much.
        max_entries: files, directories and links.
    """

    max_bytes: Annotated[int, Field(gt=0)] = 4 << 30
    max_entries: Annotated[int, Field(gt=0)] = 200_000


class Entry(NamedTuple):
    """One entry of the tree that an archive unpacks to.

    Attributes:
        path: relative to the directory it is unpacked into, with ``/``.
        kind: `link` is a hard link, whose bytes are counted with the file that it is another name of.
        size: bytes of a file; 0 for everything else.
        mode: permission bits that it gets; 0 for links.
        target: of a link: for a symbolic one what it says, for a hard one the path of the file.
    """

    path: str
    kind: EntryKind
    size: int = 0
    mode: int = 0
    target: str | None = None


@dataclass(frozen=True, eq=False)
class Listing:
    """What an archive unpacks to.

    Attributes:
        kind: how it is packed.
        stripped: the only top-level directory, which is left away; None if there is not exactly one. What packers
            leave beside it (``__MACOSX/``, ``.DS_Store``) is no part of the tree.
        total_bytes: of all files together.
        listed: makes the entries.
    """

    kind: Kind
    stripped: str | None
    total_bytes: int
    listed: Callable[[], Iterator[Entry]]

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The whole tree sorted by path, with directories that the archive only implies; made when first asked for."""
        return tuple(self.listed())


class BrokenError(Exception):
    """What is wrong with an archive, in a few words; `fsm.system.archive.unpacking` makes an `ArchiveError` of it."""


class Member(NamedTuple):
    """What an archive says about one of its entries, not yet believed.

    Attributes:
        name: as it is written there.
        kind: what it is.
        size: bytes that `chunks` should give.
        mode: permission bits as they are written there.
        mtime_ns: nanoseconds since 1970.
        target: of a link.
        chunks: a file's bytes; to be used up before the next member is asked for.
    """

    name: str
    kind: EntryKind
    size: int
    mode: int
    mtime_ns: int
    target: str = ""
    chunks: Iterable[bytes] = ()
