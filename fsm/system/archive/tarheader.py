"""The header blocks of tar archives: pax (POSIX.1-2001), ustar, GNU and v7.

Sources: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html and
https://www.gnu.org/software/tar/manual/html_node/Standard.html. Why not `tarfile`: it takes an archive that stops in
the middle, or goes on with garbage, for one that ends there; reads extended headers of any size into memory; and
follows its own idea of which of two contradicting sizes counts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import adler32

from fsm.system.archive.model import BrokenError

BLOCK: Final = 512
"""Bytes of a tar block."""

END: Final = bytes(BLOCK)
"""The block that marks the end."""

_HALF: Final = BLOCK // 2
_GNU_MAGIC: Final = b"ustar  \0"
_USTAR_MAGIC: Final = b"ustar"
_OCTAL: Final = re.compile(rb"^[ \0]*([0-7]*)[ \0]*$")


class Header(NamedTuple):
    """What one header block says."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type: bytes
    link: bytes


def parse(block: bytes) -> Header:
    """The fields of a header block of 512 bytes.

    Raises:
        BrokenError: its checksum is wrong, or a number in it is none.
    """
    if not _checksum_fits(block):
        raise BrokenError("a header in it has a wrong checksum: it is damaged, or no tar archive")
    name, kind = _text(block[0:100]), block[156:157]
    magic = block[257:265]
    # GNU keeps times where POSIX keeps the beginning of a long name.
    if magic.startswith(_USTAR_MAGIC) and magic != _GNU_MAGIC and block[345]:
        name = _text(block[345:500]) + b"/" + name
    header = Header(
        name,
        _repeated(block[100:108]),
        _repeated(block[108:116]),
        _repeated(block[116:124]),
        _number(block[124:136]),
        _number(block[136:148]),
        b"0" if kind in {b"\0", b"7"} else kind,
        _text(block[157:257]) if block[157] else b"",
    )
    if header.size < 0:
        raise BrokenError(f"an entry in it claims a size of {header.size}")
    return header


def looks_like_tar(head: bytes) -> bool:
    """Whether a file may be an uncompressed tar archive, by its first block."""
    return len(head) >= BLOCK and head[:BLOCK] != END and _checksum_fits(head[:BLOCK])


def _checksum_fits(block: bytes) -> bool:
    """The sum of all bytes with the checksum's own taken as spaces; some old programs added signed bytes."""
    try:
        said = _number(block[148:156])
    except BrokenError:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = _sum(rest[:_HALF]) + _sum(rest[_HALF:])
    return said == unsigned or said == unsigned - 256 * sum(byte > 127 for byte in rest)


def _sum(half: bytes) -> int:
    """The sum of so few bytes that Adler-32, which starts here from 0, does not yet wrap around (65521): in C."""
    return adler32(half, 0) & 0xFFFF


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _number(field: bytes) -> int:
    """An octal number, or one that GNU writes as base 256 because it has too many digits."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    match = _OCTAL.match(field)
    if match is None:
        raise BrokenError("one of its headers has an invalid number")
    return int(match[1] or b"0", 8)


_repeated: Final = lru_cache(maxsize=64)(_number)
"""For what is the same in most headers: mode and owners."""


def parse_pax(data: bytes) -> dict[str, bytes]:
    """The records of an extended header: ``<length> <key>=<value>\\n``, the length counting all of it.

    Raises:
        BrokenError: a record is none.
    """
    records: dict[str, bytes] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        digits = data[position:space] if space >= 0 else b""
        end = position + int(digits) if digits.isdigit() else 0
        if end <= space or end > len(data) or data[end - 1 : end] != b"\n":
            raise BrokenError("an extended header in it is damaged")
        key, found, value = data[space + 1 : end - 1].partition(b"=")
        if not found:
            raise BrokenError("an extended header in it is damaged")
        records[key.decode("utf-8", "replace")] = value
        position = end
    return records
