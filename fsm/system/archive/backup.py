"""A whole tree in one tar.zst: for backups that people want on another disk.

Other than in a release, everything is kept: owners, modes with all their bits, times to the nanosecond, links wherever
they lead, names that are no text. GNU tar and bsdtar restore it: ``tar --zstd -xpf core.tar.zst -C somewhere``.
Extended attributes and ACLs are not in it, nor fifos, sockets and devices.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from fsm.errors import IntegrityError
from fsm.system import faults, regular
from fsm.system.archive.model import BrokenError
from fsm.system.archive.streams import opened, zstandard
from fsm.system.archive.tarreader import Raw, raw_entries
from fsm.system.digest import Check, hash_chunks, no_check
from fsm.system.files import shown, sync_dir
from fsm.system.files.naming import with_temporary_name
from fsm.system.files.nofollow import CREATE
from fsm.system.inventory import Differences, Entry, Inventory, Kind, take
from fsm.system.regular import Irregular

if TYPE_CHECKING:
    import tarfile

_CHUNK: Final = 1 << 20
_LEVEL: Final = 3
_TYPES: Final[dict[str, bytes]] = {"file": b"0", "symlink": b"2", "dir": b"5"}
_KINDS: Final[dict[bytes, Kind]] = {b"0": "file", b"2": "symlink", b"5": "dir"}


def write_tar_zst(src: Path, dest: Path, *, check: Check = no_check) -> None:
    """Write a tree into a tar.zst, atomically and durably, readable by its owner only. Pax headers, numeric owners.

    What disappears meanwhile is left out; a file that grows is cut off where it ended when it was opened; one that
    shrinks is filled up with zeros, as GNU tar does it.

    Args:
        src: the root of the tree.
        dest: the file; its directory must exist. Not inside `src`.
        check: called before each entry and once per MiB; what it raises ends the writing, and no file is left.

    Raises:
        Unsupported: this Python has no Zstandard.
        OSError: something cannot be read or written; a full disk, say.
    """
    zstd = zstandard()
    options = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
        zstd.CompressionParameter.nb_workers: min(4, os.cpu_count() or 1),
    }
    # Listed before the temporary file exists, which may lie in the same tree.
    entries = take(src, hash=False, check=check)
    name, descriptor = with_temporary_name(lambda free: os.open(dest.with_name(free), CREATE, 0o600))
    temporary = dest.with_name(name)
    try:
        with open(descriptor, "wb") as file:
            with zstd.ZstdFile(file, "wb", options=options) as stream:
                _write(src, entries, stream, check)
            file.flush()
            os.fsync(descriptor)
        faults.point("archive.backup.written")
        temporary.replace(dest)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_dir(dest.parent)


def _write(src: Path, entries: Inventory, out: Any, check: Check) -> None:
    names: dict[tuple[int, int], str] = {}
    for entry in entries:
        check()
        with suppress(FileNotFoundError, Irregular):  # gone, or something else by now
            if entry.kind == "file":
                _write_file(src, entry, names, out, check)
            elif entry.kind in _TYPES:
                out.write(_block(_info(entry, _TYPES[entry.kind], entry.target or "")))
    out.write(bytes(1024))


def _write_file(src: Path, entry: Entry, names: dict[tuple[int, int], str], out: Any, check: Check) -> None:
    with regular.beneath(src, entry.path) as descriptor, open(descriptor, "rb", buffering=0, closefd=False) as file:
        status = os.fstat(file.fileno())
        inode = status.st_dev, status.st_ino
        # A number alone proves nothing: that of a file that went meanwhile may be another's by now.
        if status.st_nlink > 1 and names.setdefault(inode, entry.path) != entry.path:
            out.write(_block(_info(entry, b"1", names[inode])))
            return
        out.write(_block(_info(entry._replace(size=status.st_size), b"0", "")))
        left = status.st_size
        while left:
            check()
            wanted = min(left, _CHUNK)
            chunk = file.read(wanted) or bytes(wanted)
            left -= len(chunk)
            out.write(chunk)
        out.write(bytes(-status.st_size % 512))


def _info(entry: Entry, kind: bytes, target: str) -> tarfile.TarInfo:
    import tarfile  # noqa: PLC0415 - 10 ms, only for those who make such a backup

    info = tarfile.TarInfo(entry.path)
    info.type, info.linkname = kind, target
    info.size = entry.size if kind == b"0" else 0
    info.mode, info.uid, info.gid = entry.mode, entry.uid, entry.gid
    seconds, nanoseconds = divmod(entry.mtime_ns, 10**9)
    # As text: the attribute is a float, which has no room for nanoseconds since 1970.
    info.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09d}"}
    return info


def _block(info: tarfile.TarInfo) -> bytes:
    import tarfile  # noqa: PLC0415 - as above

    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def verify_tar_zst(
    path: Path, inventory: Inventory, *, steady: Container[str] | None = None, check: Check = no_check
) -> None:
    """Make sure that a backup holds what an inventory lists: every entry, its bytes, mode and owner. Reads all of it.

    Args:
        path: what `write_tar_zst` wrote.
        inventory: of the tree, best with digests; without, sizes have to do.
        steady: the only entries to compare, where a running program changed others meanwhile.
        check: called once per entry and per MiB; what it raises ends the reading.

    Raises:
        IntegrityError: it is damaged, or something is missing, too much or different.
        Unsupported: this Python has no Zstandard.
        OSError: it cannot be read.
    """
    try:
        with regular.beneath(path.parent, path.name) as descriptor, open(descriptor, "rb", closefd=False) as file:
            found = Inventory(_read(file, check))
    except BrokenError as error:
        raise _unreliable(path, str(error)) from error
    kept = {name: entry for name, entry in inventory.entries.items() if entry.kind != "other"}
    listed, held = (
        Inventory({name: entry for name, entry in entries.items() if steady is None or name in steady})
        for entries in (kept, found.entries)
    )
    if differences := listed.compare(held):
        raise _unreliable(path, _told(differences))


def _read(file: BinaryIO, check: Check) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for raw in raw_entries(opened(file, "tar.zst", check)):
        check()
        name = os.fsdecode(raw.name.rstrip(b"/"))
        if raw.type == b"1":
            original = entries.get(os.fsdecode(raw.link))
            if original is None:
                raise BrokenError(f"the hard link {shown(name)} has no file before it")
            entries[name] = original._replace(path=name)
        else:
            entries[name] = _entry(name, raw, check)
    return entries


def _entry(name: str, raw: Raw, check: Check) -> Entry:
    kind = _KINDS[raw.type]
    sha256 = hash_chunks(_checked(raw.chunks, check)) if kind == "file" else None
    target = os.fsdecode(raw.link) if kind == "symlink" else None
    return Entry(name, kind, raw.size, raw.mode, raw.mtime_ns, raw.uid, raw.gid, sha256, target)


def _checked(chunks: Iterator[bytes], check: Check) -> Iterator[bytes]:
    for chunk in chunks:
        check()
        yield chunk


def _told(differences: Differences) -> str:
    parts = (("missing", differences.removed), ("different", differences.changed), ("too much", differences.added))
    return ", ".join(f"{len(paths)} {word} (first {shown(paths[0])})" for word, paths in parts if paths)


def _unreliable(path: Path, why: str) -> IntegrityError:
    return IntegrityError(f"cannot rely on the backup {shown(path)}", why, "it was not used; create a new backup")
