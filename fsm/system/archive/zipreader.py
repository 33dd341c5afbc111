"""Reading a zip archive: `zipfile` does the format, this module what it is too trusting about.

The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. `zipfile` holds the whole directory in memory,
so its entries are counted before it sees it.
"""

from __future__ import annotations

import calendar
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from fsm.system.archive.model import BrokenError, Member
from fsm.system.digest import Check, no_check
from fsm.system.files import shown

_CHUNK: Final = 1 << 20
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""What everybody writes. LZMA's header says how much memory to allocate, up to 4 GiB, and `zipfile` would."""
DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    ValueError,
)
"""What `zipfile` raises when it stumbles; an OSError is none of them, that is the disk."""
_ENCRYPTED: Final = 0x1
_UNIX: Final = (3, 19)
"""Systems (`create_system`) whose external attributes hold a mode: Unix and macOS."""
_LONGEST_TARGET: Final = 4096
_LARGEST_DIRECTORY: Final = 128 << 20
"""Bytes; `zipfile` reads all of it into memory."""

_END: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
_END64: Final = b"PK\x06\x06"
_END64_SIZE: Final = 56
_LOCATOR: Final = b"PK\x06\x07"
_LOCATOR_SIZE: Final = 20
_ENTRY: Final = b"PK\x01\x02"
_ENTRY_SIZE: Final = 46


def members(file: BinaryIO, max_entries: int, check: Check = no_check) -> Iterator[Member]:
    """The entries of a zip archive in their order.

    Args:
        file: the archive, open.
        max_entries: how many it may have.
        check: called for each while they are counted.

    Raises:
        BrokenError: it is damaged, truncated, encrypted, has too many entries, or one that does not belong into a
            release.
    """
    count_entries(file, max_entries, check)
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                yield _member(archive, info)
    except DAMAGED as error:
        raise BrokenError(f"it is damaged ({error})") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    # `filename` ends at a NUL; what was written there is in `orig_filename`.
    name = info.orig_filename
    if info.flag_bits & _ENCRYPTED:
        raise BrokenError(f"entry {shown(name)} is encrypted")
    if info.compress_type not in _METHODS:
        raise BrokenError(f"entry {shown(name)} is compressed by method {info.compress_type}, which is not supported")
    unix = info.external_attr >> 16 if info.create_system in _UNIX else 0
    mtime = _mtime(info)
    if name.endswith("/"):
        return Member(name, "dir", 0, stat.S_IMODE(unix) or 0o755, mtime)
    kind = stat.S_IFMT(unix)
    if kind == stat.S_IFLNK:
        return Member(name, "symlink", 0, 0, mtime, _target(archive, info))
    if kind not in {0, stat.S_IFREG}:
        raise BrokenError(f"entry {shown(name)} is a device, a fifo or a socket")
    mode = stat.S_IMODE(unix) or 0o644
    return Member(name, "file", info.file_size, mode, mtime, chunks=_content(archive, info))


def _target(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.file_size > _LONGEST_TARGET:
        raise BrokenError(f"entry {shown(info.orig_filename)} is a link to a name of {info.file_size} bytes")
    return b"".join(_content(archive, info)).decode("utf-8")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    size = 0
    try:
        with archive.open(info) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                yield chunk
    except DAMAGED as error:
        raise BrokenError(f"entry {shown(info.orig_filename)} is damaged ({error or 'truncated'})") from error
    if size != info.file_size:
        raise BrokenError(f"entry {shown(info.orig_filename)} has {size} bytes, and {info.file_size} were declared")


def _mtime(info: zipfile.ZipInfo) -> int:
    """Nanoseconds since 1970. Zip has local times and does not say whose; they are taken as UTC."""
    year, month, day, *rest = info.date_time
    return calendar.timegm((year, max(month, 1), max(day, 1), *rest)) * 10**9


def count_entries(file: BinaryIO, max_entries: int, check: Check = no_check) -> None:
    """Walk the directory without keeping any of it."""
    offset, size = _directory(file)
    if size > _LARGEST_DIRECTORY:
        raise BrokenError(f"it has a directory of {size >> 20} MiB")
    file.seek(offset)
    count = 0
    while size >= _ENTRY_SIZE:
        check()
        head = file.read(_ENTRY_SIZE)
        if len(head) < _ENTRY_SIZE or not head.startswith(_ENTRY):
            raise BrokenError("it is damaged (its directory is not where it should be)")
        count += 1
        if count > max_entries:
            raise BrokenError(f"it has more than {max_entries} entries")
        more = sum(struct.unpack_from("<HHH", head, 28))
        file.seek(more, 1)
        size -= _ENTRY_SIZE + more
    file.seek(0)


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Where the directory begins, and its bytes: from the record at the end of the archive."""
    length = file.seek(0, 2)
    file.seek(max(0, length - _END_SIZE - 0xFFFF - _LOCATOR_SIZE - _END64_SIZE))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise BrokenError("it is truncated: the directory at its end is missing")
    size, offset = struct.unpack_from("<LL", tail, at + 12)
    end = length - len(tail) + at
    at64 = at - _LOCATOR_SIZE - _END64_SIZE
    # The same rule as that of `zipfile`, so that both see the same directory.
    if at64 >= 0 and tail.startswith(_END64, at64) and tail.startswith(_LOCATOR, at - _LOCATOR_SIZE):
        size, offset = struct.unpack_from("<QQ", tail, at64 + 40)
        end = length - len(tail) + at64
    if offset + size > end:
        raise BrokenError("it is truncated: its directory begins beyond its end")
    return end - size, size
