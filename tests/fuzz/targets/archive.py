"""Archives of releases: unpacked into a directory, beside which nothing may change.

The first byte chooses the name, and so what the archive has to be; the second whether it is packed here (else no input
would get past a compressor's checksum), and whether the checksums of tar headers are made right (else none would get
past those).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from fsm.errors import ArchiveError, FsmError
from fsm.system.archive import Limits, Listing, inspect, read_wheel, unpack, verify_tar_zst
from fsm.system.archive.streams import zstandard
from fsm.system.inventory import Inventory

NAMES: Final = ("a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.tar.zst", "a.zip", "a-1.0-py3-none-any.whl", "a")
LIMITS: Final = Limits(max_bytes=1 << 20, max_entries=100)
PACKED: Final = 1
MENDED: Final = 2

WORDS = (
    *(b"ustar\x0000", b"ustar  \0", b"../", b"./", b"/etc/passwd", b"path=", b"linkpath=", b"size=", b"mtime="),
    *(b"GNU.sparse.major=1\n", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"),
)
LONGEST = 10240


def run(data: bytes) -> None:
    """Look into it, unpack it, and compare both with what is on the disk."""
    name, flags = NAMES[data[0] % len(NAMES)] if data else "a", data[1] if len(data) > 1 else 0
    Path(name).write_bytes(_content(data[2:], name, flags))
    path, dest = Path.cwd() / name, Path.cwd() / "dest"
    try:
        _archive(path, dest)
        if name.endswith(".whl"):
            with suppress(ArchiveError):
                read_wheel(path)
        if name.endswith(".zst"):
            verify_tar_zst(path, Inventory({}))
    finally:
        shutil.rmtree(dest, ignore_errors=True)
        path.unlink()


def _archive(path: Path, dest: Path) -> None:
    found, made = _outcome(lambda: inspect(path, LIMITS)), _outcome(lambda: unpack(path, dest, limits=LIMITS))
    assert {*os.listdir()} <= {path.name, "dest"}, f"unpacking left {os.listdir()}"
    assert _plain(found) == _plain(made), f"inspect says {_plain(found)}, unpack {_plain(made)}"
    if isinstance(made, Listing):
        _compare(made, dest)


def _outcome(call: object) -> Listing | str:
    assert callable(call)
    try:
        found = call()
    except FsmError as error:
        return str(error)
    assert isinstance(found, Listing)
    return found


def _plain(outcome: Listing | str) -> object:
    """What two outcomes have in common if they are the same."""
    if isinstance(outcome, str):
        return outcome
    return outcome.kind, outcome.stripped, outcome.total_bytes, outcome.entries


def _compare(listing: Listing, dest: Path) -> None:
    """What is there is what was listed, within the limits, and leads nowhere else."""
    entries = {entry.path: entry for entry in listing.entries}
    there = {str(Path(top, name).relative_to(dest)) for top, dirs, files in os.walk(dest) for name in (*dirs, *files)}
    assert there == set(entries), f"listed {sorted(entries)}, unpacked {sorted(there)}"
    total, top = 0, os.path.realpath(dest)
    for name, entry in entries.items():
        status = os.lstat(dest / name)
        assert (
            not status.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWOTH) or entry.kind == "symlink"
        )
        if entry.kind == "symlink":
            leads = os.path.realpath(dest / name)
            assert leads == top or leads.startswith(f"{top}/"), f"{name!r} leads to {leads!r}"
            continue
        assert not stat.S_IMODE(status.st_mode) & ~0o755, f"{name!r} has the mode {status.st_mode:o}"
        if entry.kind == "file":
            assert status.st_size == entry.size
            total += status.st_size
    assert total == listing.total_bytes <= LIMITS.max_bytes
    assert len(there) <= LIMITS.max_entries


def _content(data: bytes, name: str, flags: int) -> bytes:
    if flags & MENDED:
        data = _mended(data)
    if not flags & PACKED:
        return data
    match name.rpartition(".")[2]:
        case "gz":
            return gzip.compress(data, 1, mtime=0)
        case "bz2":
            return bz2.compress(data, 1)
        case "xz":
            return lzma.compress(data, preset=0)
        case "zst":
            packed: bytes = zstandard().compress(data)
            return packed
    return data


def _mended(data: bytes) -> bytes:
    """The same blocks with right checksums wherever there is the mark of a header."""
    blocks = [data[start : start + 512] for start in range(0, len(data), 512)]
    return b"".join(_signed(block) if len(block) == 512 and block[257:262] == b"ustar" else block for block in blocks)


def _signed(block: bytes) -> bytes:
    rest = block[:148] + b" " * 8 + block[156:]
    return rest[:148] + f"{sum(rest):06o}\0 ".encode() + rest[156:]


def seeds() -> Iterator[bytes]:
    """A tree with everything that an archive may hold, packed in each way."""
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        plain = _tar(format)
        for number, name in enumerate(NAMES[:5]):
            yield bytes((number, PACKED | MENDED)) + plain
            yield bytes((number, 0)) + _content(plain, name, PACKED)
    yield bytes((5, 0)) + _zip("a/b.txt", "a/c/d.txt")
    yield bytes((6, 0)) + _zip("a/__init__.py", "a-1.0.dist-info/METADATA", "a-1.0.dist-info/RECORD")


def _tar(format: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, kind, link in (
            ("a", tarfile.DIRTYPE, ""),
            ("a/b.txt", tarfile.REGTYPE, ""),
            ("a/ö" if format == tarfile.PAX_FORMAT else "a/o", tarfile.SYMTYPE, "b.txt"),
            ("a/l", tarfile.LNKTYPE, "a/b.txt"),
            ("a/" + "long" * (30 if format == tarfile.GNU_FORMAT else 3), tarfile.REGTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, 0o755
            info.mtime = 1_700_000_000.5 if format == tarfile.PAX_FORMAT else 1_700_000_000
            info.size = 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"abc"))
    whole = out.getvalue()
    return whole[: len(whole.rstrip(b"\0")) // 512 * 512 + 512 * 3]


def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, "Name: a\nRequires-Dist: b\n\n", zipfile.ZIP_DEFLATED)
        link = zipfile.ZipInfo("link", (2026, 1, 1, 0, 0, 0))
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, names[0])
    return out.getvalue()
