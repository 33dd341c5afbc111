"""What is special about zip: encryption, methods, checksums, directories that lie."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import ArchiveError
from fsm.system.archive import Limits, inspect, unpack
from fsm.system.archive.model import BrokenError
from fsm.system.archive.zipreader import members
from tests.strategies_archive import Item, zipped


def write(tmp_path: Path, data: bytes) -> Path:
    """The bytes as a file."""
    path = tmp_path / "core.zip"
    path.write_bytes(data)
    return path


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """A zip with some bytes changed, counted from its first record of a kind."""
    at = data.index(signature) + offset
    return data[:at] + value + data[at + len(value) :]


GOOD = zipped([Item("a", content=b"hello" * 100), Item("d/b", content=b"x")])
STORED = zipped([Item("a", content=b"hello")], zipfile.ZIP_STORED)

CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (patched(GOOD, CENTRAL, 8, b"\x01"), 'entry "a" is encrypted'),
        (patched(GOOD, CENTRAL, 10, b"\x63"), 'entry "a" is compressed by method 99, which is not supported'),
        (zipped([Item("a", content=b"x")], zipfile.ZIP_LZMA), "by method 14, which is not supported"),
        (STORED.replace(b"hello", b"hullo"), 'entry "a" is damaged (Bad CRC-32'),
        (patched(GOOD, LOCAL, 31, b"\xff" * 10), 'entry "a" is damaged'),
        (patched(GOOD, LOCAL, 30, b"b"), 'entry "a" is damaged (File name in directory'),
        (patched(GOOD, CENTRAL, 24, struct.pack("<L", 499)), 'entry "a" is damaged'),
        (patched(GOOD, CENTRAL, 24, struct.pack("<L", 501)), 'entry "a" has 500 bytes, and 501 were declared'),
        (patched(GOOD, CENTRAL, 0, b"PK\x09"), "it is damaged (its directory is not where it should be)"),
        (GOOD[:-30], "it is truncated: the directory at its end is missing"),
        (GOOD[:-5], "it is truncated: the directory at its end is missing"),
        (patched(GOOD, END, 12, struct.pack("<L", 10**6)), "it is truncated: its directory begins beyond its end"),
        (GOOD[len(GOOD) // 3 :].replace(b"PK\x01\x02", b"PK\x03\x04", 1), "not an archive"),
        (zipped([]), "it has no entries"),
        (zipped([Item("a", "6")]), 'entry "a" is a device, a fifo or a socket'),
        (zipped([Item("a"), Item("l", "2", target="/etc")]), 'the link "l" to "/etc" leaves the archive'),
        (zipped([Item("a"), Item("l", "2", target="x" * 5000)]), 'entry "l" is a link to a name of 5000 bytes'),
        (zipped([Item("a\0b")]), r'entry "a\x00b" has a NUL'),
        (zipped([Item("..\\a")]), "has a backslash"),
        (zipped([Item("../a")]), 'entry "../a" leaves the archive'),
        (zipped([Item("a"), Item("a")]), 'entry "a" occurs twice'),
        (zipped([Item("")]), 'entry "" has no name'),
    ],
)
def test_refused_zips(tmp_path: Path, data: bytes, says: str):
    """Each with its own sentence, and nothing outside."""
    path = write(tmp_path, data)
    with pytest.raises(ArchiveError) as caught:
        unpack(path, tmp_path / "dest")
    assert says in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"core.zip", "dest"}


def test_an_undecodable_link(tmp_path: Path):
    """A link's target is text."""
    data = zipped([Item("l", "2", target="ab")], zipfile.ZIP_STORED)
    import zlib

    bad = data.replace(b"ab", b"\xff\xfe")
    crc = struct.pack("<L", zlib.crc32(b"\xff\xfe"))
    bad = patched(patched(bad, LOCAL, 14, crc), CENTRAL, 16, crc)
    with pytest.raises(ArchiveError, match="it is damaged"):
        inspect(write(tmp_path, bad))


def test_entries_are_counted_before_they_are_held(tmp_path: Path):
    """A directory with more entries than allowed is refused by counting, whatever its last record claims."""
    data = zipped([Item(str(number)) for number in range(30)])
    lying = patched(data, END, 8, struct.pack("<HH", 1, 1))
    for content in (data, lying):
        with pytest.raises(ArchiveError, match="it has more than 20 entries"):
            inspect(write(tmp_path, content), Limits(max_entries=20))
        with pytest.raises(BrokenError, match="more than 20 entries"):
            next(members(io.BytesIO(content), 20))  # the first already: no list of them was made


def test_zip64(tmp_path: Path):
    """Large archives have a second kind of directory record, which is found and counted as well."""
    data = zipped([Item(str(number)) for number in range(30)])
    at = data.index(END)
    size, offset = struct.unpack_from("<LL", data, at + 12)
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 30, 30, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4sHHHHLLH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path = write(tmp_path, data[:at] + record + locator + end)
    assert len(inspect(path).entries) == 30
    with pytest.raises(ArchiveError, match="more than 29 entries"):
        inspect(path, Limits(max_entries=29))


def test_zips_from_other_systems(tmp_path: Path):
    """Without Unix modes there are the usual ones; a comment and something before the archive do no harm."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("f", "d/"):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 0
            info.external_attr = 0o644 << 16
            archive.writestr(info, b"")
        archive.comment = b"made elsewhere"
    listing = inspect(write(tmp_path, out.getvalue()))
    assert {entry.path: entry.mode for entry in listing.entries} == {"f": 0o644, "d": 0o755}


@pytest.mark.needs_linux
def test_impossible_dates(tmp_path: Path):
    """Months and days of zero are written by some programs."""
    data = patched(STORED, CENTRAL, 14, struct.pack("<H", 0))
    unpack(write(tmp_path, data), tmp_path / "dest")
    assert (tmp_path / "dest" / "a").stat().st_mtime < 400_000_000


@given(changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_damage_surprises_us(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]):
    """However a zip is damaged, it is refused with a reason or gives what it lists."""
    data = bytearray(GOOD)
    for position, value in changes:
        data[position] = value
    path = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path_factory.getbasetemp()) / f"z{os.getpid()}"
    path.write_bytes(data)
    try:
        inspect(path, Limits(max_bytes=10_000, max_entries=10))
    except ArchiveError as error:
        assert error.why  # noqa: PT017 - being refused is one of two good outcomes
    finally:
        path.unlink()
