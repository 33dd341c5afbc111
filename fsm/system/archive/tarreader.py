"""Reading a tar archive as a stream, strictly: what is not understood is refused, not passed over."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from fsm.system.archive.model import BrokenError, EntryKind, Member
from fsm.system.archive.streams import Source
from fsm.system.archive.tarheader import BLOCK, END, Header, parse, parse_pax
from fsm.system.files import shown

_CHUNK: Final = 1 << 20
_EXTENSION: Final = 1 << 20
"""Bytes that one extended header may have; it is read into memory."""
_EXTENSIONS_IN_A_ROW: Final = 8
_PADDING: Final = 64 << 20
"""Bytes that may follow the end: archives are padded to whole records, and records can be large."""

_SECONDS: Final = re.compile(rb"^(-?\d{1,15})(?:\.(\d{1,20}))?$")
_REFUSED: Final = {
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"S": "a sparse file",
    b"M": "a part of a file from another volume",
    b"D": "a directory of an incremental backup",
    b"V": "a volume label",
}
_KINDS: Final[dict[bytes, EntryKind]] = {b"0": "file", b"1": "link", b"2": "symlink", b"5": "dir"}
_KINDS_OF_LINKS: Final = frozenset({b"1", b"2"})
_DIGITS: Final = 19
_GNU_LONG: Final = {b"L": "path", b"K": "linkpath"}
_OVERRIDES: Final = frozenset({"path", "linkpath", "size"})


class Raw(NamedTuple):
    """One entry as the archive has it, extended headers included.

    Attributes:
        name: its bytes, whatever they are.
        type: the type flag: ``0`` a file, ``1`` a hard link, ``2`` a symbolic one, ``5`` a directory.
        mode: permission bits.
        uid: owner.
        gid: group.
        size: bytes of content, which follow.
        mtime_ns: nanoseconds since 1970.
        link: the target's bytes.
        chunks: the content; to be used up before the next entry is asked for.
    """

    name: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    link: bytes
    chunks: Iterator[bytes]


def raw_entries(source: Source) -> Iterator[Raw]:
    """The entries of an uncompressed tar archive in their order, whatever they are called.

    Args:
        source: its bytes. They are read to their end, also past the archive's own.

    Raises:
        BrokenError: it is damaged, truncated, or has an entry that is neither file, directory nor link.
    """
    reader = _Reader(source)
    extended: dict[str, bytes] = {}
    in_a_row = 0
    while (block := reader.exactly(BLOCK)) != END:
        header = parse(block)
        found = _extension(header, reader)
        if found is None:
            yield _raw(header, extended, reader)
            extended, in_a_row = {}, 0
            continue
        extended.update(found)
        in_a_row += 1
        if in_a_row > _EXTENSIONS_IN_A_ROW:
            raise BrokenError(f"an entry in it has more than {_EXTENSIONS_IN_A_ROW} extended headers")
    if extended:
        raise BrokenError("it is truncated: an extended header in it has no entry")
    reader.finish()


def members(source: Source) -> Iterator[Member]:
    """The entries of an uncompressed tar archive in their order, their names as text.

    Args:
        source: as for `raw_entries`.

    Raises:
        BrokenError: as for `raw_entries`, or a name is not UTF-8.
    """
    for raw in raw_entries(source):
        name = _decoded(raw.name)
        target = _decoded(raw.link) if raw.type in _KINDS_OF_LINKS else ""
        kind = _KINDS[raw.type]
        size = raw.size if kind == "file" else 0
        yield Member(name, kind, size, raw.mode, raw.mtime_ns, target, raw.chunks)


def _extension(header: Header, reader: _Reader) -> dict[str, bytes] | None:
    """What an extended header says about the entry after it; None when this is no extended header."""
    if header.type in _GNU_LONG:
        return {_GNU_LONG[header.type]: reader.extension(header.size).split(b"\0", 1)[0]}
    if header.type == b"x":
        return parse_pax(reader.extension(header.size))
    if header.type == b"g":
        # Git writes the commit into one. One that renames every entry is not for us to interpret.
        if not _OVERRIDES.isdisjoint(parse_pax(reader.extension(header.size))):
            raise BrokenError("a global header in it changes the name or the size of every entry")
        return {}
    return None


def _raw(header: Header, extended: dict[str, bytes], reader: _Reader) -> Raw:
    if not extended and header.type == b"0" and not header.name.endswith(b"/"):  # most entries
        mode, size = header.mode & 0o7777, header.size
        mtime_ns, chunks = header.mtime * 10**9, reader.content(size)
        return Raw(header.name, b"0", mode, header.uid, header.gid, size, mtime_ns, header.link, chunks)
    name = extended.get("path", header.name)
    kind = header.type
    if any(key.startswith("GNU.sparse.") for key in extended):
        kind = b"S"
    if kind == b"0" and name.endswith(b"/"):  # how directories were written before there was a type for them
        kind = b"5"
    if kind not in _KINDS:
        what = _REFUSED.get(kind, f"of the unknown type {kind.decode('latin-1')!r}")
        raise BrokenError(f"entry {_shown(name)} is {what}")
    # A directory may say how much space it wants to have reserved; no bytes follow it.
    size = 0 if kind == b"5" else _number(extended, "size", header.size, name)
    if size and kind in _KINDS_OF_LINKS:
        raise BrokenError(f"entry {_shown(name)} is a link with content of its own")
    return Raw(
        name=name,
        type=kind,
        mode=header.mode & 0o7777,
        uid=_number(extended, "uid", header.uid, name),
        gid=_number(extended, "gid", header.gid, name),
        size=size,
        mtime_ns=_mtime(header, extended),
        link=extended.get("linkpath", header.link),
        chunks=reader.content(size),
    )


def _number(extended: dict[str, bytes], key: str, plain: int, name: bytes) -> int:
    if key not in extended:
        return plain
    digits = extended[key]
    if not digits.isdigit() or len(digits) > _DIGITS:
        raise BrokenError(f"entry {_shown(name)} claims a {key} that is not a number")
    return int(digits)


def _mtime(header: Header, extended: dict[str, bytes]) -> int:
    """Nanoseconds since 1970; the plain header's seconds where the extended one is no number."""
    match = _SECONDS.match(extended.get("mtime", b""))
    if match is None:
        return header.mtime * 10**9
    return int(match[1]) * 10**9 + int((match[2] or b"0")[:9].ljust(9, b"0"))


def _decoded(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise BrokenError(f"entry {_shown(name)} has a name that is not UTF-8") from None


def _shown(name: bytes) -> str:
    """A name for a message: a hostile one can be a megabyte long."""
    return shown(os.fsdecode(name[:200]))


class _Reader:
    """Whole blocks of a source that may give less than asked for. It is read in large pieces: most files are small."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ready = b""
        self._position = 0

    def exactly(self, size: int) -> bytes:
        end = self._position + size
        while end > len(self._ready):
            more = self._source.read(_CHUNK)
            if not more:
                raise BrokenError("it is truncated")
            self._ready = self._ready[self._position :] + more
            self._position, end = 0, size
        data = self._ready[self._position : end]
        self._position = end
        return data

    def extension(self, size: int) -> bytes:
        if size > _EXTENSION:
            raise BrokenError(f"an extended header in it has {size} bytes, more than any name needs")
        return self.exactly(size + _to_block(size))[:size]

    def content(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            chunk = self._some(left)
            left -= len(chunk)
            yield chunk
        self.exactly(_to_block(size))

    def _some(self, most: int) -> bytes:
        """So many bytes or less, at least one."""
        if self._position == len(self._ready):
            self._ready, self._position = self._source.read(_CHUNK), 0
            if not self._ready:
                raise BrokenError("it is truncated")
        data = self._ready[self._position : self._position + most]
        self._position += len(data)
        return data

    def finish(self) -> None:
        """Read what follows the end: a compressed file has its checksum there."""
        seen = len(self._ready) - self._position
        while rest := self._source.read(_CHUNK):
            seen += len(rest)
            if seen > _PADDING:
                raise BrokenError(f"it goes on for more than {_PADDING >> 20} MiB after its end")


def _to_block(size: int) -> int:
    return -size % BLOCK
