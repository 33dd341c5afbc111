"""Each thing that has no place in a release, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fsm.errors import ArchiveError, Refused
from fsm.system.archive import Limits, inspect, unpack
from tests.strategies_archive import Item, compressed, header, packed, padded, pax_record, tar

GOOD = Item("a", content=b"x")

REFUSED: list[tuple[str, list[Item], str]] = [
    ("parent", [Item("../etc/passwd")], 'entry "../etc/passwd" leaves the archive'),
    ("parent inside", [Item("a/b/../../../x")], "leaves the archive"),
    ("absolute", [Item("/etc/passwd")], 'entry "/etc/passwd" is absolute'),
    ("drive", [Item("C:/x")], "is absolute"),
    ("drive relative", [Item("c:x")], "is absolute"),
    ("backslash", [Item("..\\x")], "has a backslash"),
    ("no name", [Item("")], "has no name"),
    ("NUL", [Item("a", pax=(("path", "a\0b"),))], "has a NUL"),
    ("not UTF-8", [Item("\udcff")], r'entry "\xff" has a name that is not UTF-8'),
    ("long segment", [Item("x" * 256)], "a segment of more than 255 bytes"),
    ("long path", [Item("/".join(["x" * 200] * 11))], "a name of more than 2048 bytes"),
    ("deep", [Item("/".join("d" * 101))], "more than 100 directories deep"),
    ("root as file", [Item(".")], "is the root of the archive, but not a directory"),
    ("twice", [GOOD, GOOD], 'entry "a" occurs twice'),
    ("directory twice", [Item("d/", "5"), Item("d/", "5")], 'entry "d" occurs twice'),
    ("case", [Item("README"), Item("readme")], '"readme" and "README" are the same name'),
    ("case of a directory", [Item("Lib/a"), Item("lib/b")], 'entry "lib/b" and "Lib" are the same name'),
    ("Unicode form", [Item("\u00e9"), Item("e\u0301")], "are the same name"),
    ("folding", [Item("straße"), Item("STRASSE")], "are the same name"),
    ("file as parent", [GOOD, Item("a/b")], 'entry "a/b" lies below "a", which is not a directory'),
    ("parent becomes file", [Item("a/b"), GOOD], 'entry "a" occurs twice, or has entries below it'),
    ("through a link", [Item("d", "2", target="."), Item("d/x")], 'lies below "d", which is not a directory'),
    ("link takes a parent's place", [Item("d/x"), Item("d", "2", target=".")], "has entries below it"),
    ("absolute link", [GOOD, Item("l", "2", target="/etc")], 'the link "l" to "/etc" leaves the archive'),
    ("drive link", [GOOD, Item("l", "2", target="C:x")], "leaves the archive"),
    ("link out", [GOOD, Item("d/l", "2", target="../../x")], 'the link "d/l" to "../../x" leaves the archive'),
    ("link out of the stripped top", [Item("t/a"), Item("t/l", "2", target="../t/a")], "leaves the archive"),
    ("link over a link", [GOOD, Item("l", "2", target="."), Item("m", "2", target="l/..")], "leaves the archive"),
    ("link over a later link", [GOOD, Item("m", "2", target="l/../../.."), Item("l", "2", target="d/e")], "leaves"),
    ("link in a circle", [GOOD, Item("l", "2", target="m"), Item("m", "2", target="l")], "runs in a circle"),
    ("link to itself", [GOOD, Item("l", "2", target="l")], "runs in a circle"),
    ("empty link", [GOOD, Item("l", "2")], "is a link that does not work everywhere"),
    ("backslash link", [GOOD, Item("l", "2", target="a\\b")], "is a link that does not work everywhere"),
    ("link with content", [Item("l", "2", target="a", content=b"x")], "is a link with content of its own"),
    ("hard link out", [GOOD, Item("h", "1", target="../x")], 'the hard link "h" to "../x" leaves the archive'),
    ("hard link to nothing", [Item("h", "1", target="a"), GOOD], 'points to "a", which is not a file before it'),
    (
        "hard link to a link",
        [GOOD, Item("l", "2", target="a"), Item("h", "1", target="l")],
        "which is not a file before it",
    ),
    ("hard link in another case", [GOOD, Item("h", "1", target="A")], "which is not a file before it"),
    ("hard link to a directory", [Item("d/", "5"), Item("h", "1", target="d")], "which is not a file before it"),
    ("fifo", [Item("f", "6")], 'entry "f" is a fifo'),
    ("character device", [Item("f", "3")], "is a character device"),
    ("block device", [Item("f", "4")], "is a block device"),
    ("sparse", [Item("f", "S")], "is a sparse file"),
    ("sparse pax", [Item("f", pax=(("GNU.sparse.major", "1"),))], "is a sparse file"),
    ("unknown type", [Item("f", "Z")], "is of the unknown type 'Z'"),
    ("negative size", [Item("f", size=-1)], "claims a size of -1"),
    ("size without number", [Item("f", pax=(("size", "-1"),))], "claims a size that is not a number"),
    ("size beyond numbers", [Item("f", pax=(("size", "9" * 30),))], "claims a size that is not a number"),
    ("too large", [Item("f", size=2000)], "unpacks to more than 1000 bytes, the most that is allowed"),
    ("too many", [Item(f"f{number}") for number in range(11)], "has more than 10 entries"),
    ("nothing", [Item("./", "5")], "has no entries"),
    ("global path", [Item("g", "g", content=pax_record("path", "x"))], "changes the name or the size of every entry"),
    ("huge header", [Item("x", "x", size=2 << 20)], "an extended header in it has 2097152 bytes"),
    ("broken header", [Item("x", "x", content=b"hello")], "an extended header in it is damaged"),
    ("header without value", [Item("x", "x", content=b"5 ab\n")], "an extended header in it is damaged"),
    ("many headers", [Item("x", "x", content=pax_record("a", "b"))] * 9 + [GOOD], "more than 8 extended headers"),
    (
        "header for nothing",
        [GOOD, Item("x", "x", content=pax_record("a", "b"))],
        "an extended header in it has no entry",
    ),
    ("checksum", [GOOD, Item("b", damage=lambda block: b"B" + block[1:])], "wrong checksum"),
    (
        "no number",
        [GOOD, Item("b", damage=lambda block: _with_mode(block, b"999999 "))],
        "one of its headers has an invalid number",
    ),
    ("no checksum", [GOOD, Item("b", damage=lambda block: block[:148] + b"zzzzzzzz" + block[156:])], "wrong checksum"),
]

ALONE = {"./", "t/a"}
"""Names of cases that are about the whole archive: they get no other entry beside them."""

LIMITS = Limits(max_bytes=1000, max_entries=10)


def _with_mode(block: bytes, mode: bytes) -> bytes:
    """A header whose mode is no number, with a checksum that is right all the same."""
    changed = bytearray(block)
    changed[100 : 100 + len(mode)] = mode
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


@pytest.mark.parametrize(("items", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_entries(tmp_path: Path, items: list[Item], says: str):
    """The reason names the entry; nothing is written outside; looking and unpacking say the same."""
    archive = tmp_path / "core-1.2.0.tar"
    archive.write_bytes(
        tar([Item("0", content=b"first"), *items] if ALONE.isdisjoint(item.name for item in items) else items)
    )
    with pytest.raises(ArchiveError) as looked:
        inspect(archive, LIMITS)
    with pytest.raises(ArchiveError) as unpacked:
        unpack(archive, tmp_path / "dest", limits=LIMITS)
    assert str(looked.value) == str(unpacked.value)
    assert says in str(looked.value)
    assert str(looked.value).startswith("cannot unpack core-1.2.0.tar: ")
    assert str(looked.value).endswith("; the release is broken, nothing was changed")
    assert {path.name for path in tmp_path.iterdir()} == {"core-1.2.0.tar", "dest"}


def test_the_whole_sentence(tmp_path: Path):
    """The example of the style guide, word by word."""
    archive = tmp_path / "core-1.2.0.tar.gz"
    archive.write_bytes(packed([Item("../etc/passwd")], "tar.gz"))
    with pytest.raises(ArchiveError) as caught:
        inspect(archive)
    assert str(caught.value) == (
        'cannot unpack core-1.2.0.tar.gz: entry "../etc/passwd" leaves the archive; '
        "the release is broken, nothing was changed"
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda data: data[:-1024], "it is truncated"),
        (lambda data: data[:600], "it is truncated"),
        (lambda data: data[:512], "it is truncated"),
        (lambda data: data[:-1024] + bytes(300), "it is truncated"),
        (lambda data: data[:-1024] + b"garbage!" * 64, "wrong checksum"),
    ],
)
def test_a_tar_that_stops_is_truncated(tmp_path: Path, make: Callable[[bytes], bytes], says: str):
    """Also where it stops between two entries, which other programs take for its end."""
    archive = tmp_path / "core.tar"
    archive.write_bytes(make(tar([GOOD, Item("b", content=b"y" * 700)])))
    with pytest.raises(ArchiveError, match=says):
        inspect(archive)


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda data: data[:-1], "it is truncated"),
        (lambda data: data[: len(data) // 2], "truncated|damaged"),
        (lambda data: data + b"garbage", "damaged|truncated"),
        (lambda data: data[:-6] + bytes(value ^ 255 for value in data[-6:]), "damaged|truncated"),
    ],
)
def test_damaged_compression(tmp_path: Path, kind: str, make: Callable[[bytes], bytes], says: str):
    """A cut-off, continued or altered stream is found by its own checksum, after the archive's end too."""
    archive = tmp_path / f"core.{kind}"
    archive.write_bytes(make(packed([Item("a", content=bytes(range(256)) * 50)], kind)))
    with pytest.raises(ArchiveError, match=says):
        inspect(archive)


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_bombs(tmp_path: Path, kind: str):
    """Gigabytes of zeros in a few kilobytes are refused by their header, and after the archive's end by counting."""
    archive = tmp_path / f"bomb.{kind}"
    head = header(Item("zeros"), b"zeros", 5 << 30)
    archive.write_bytes(compressed(head + bytes(4 << 20), kind))
    with pytest.raises(ArchiveError, match="unpacks to more than 4294967296 bytes"):
        inspect(archive)
    archive.write_bytes(compressed(tar([GOOD]) + bytes(66 << 20), kind))
    with pytest.raises(ArchiveError, match="goes on for more than 64 MiB after its end"):
        inspect(archive)


def test_an_xz_header_cannot_take_all_memory(tmp_path: Path):
    """A dictionary of more than 256 MiB is refused before it is allocated."""
    import lzma

    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(tar([GOOD]), filters=filters))
    assert data[16] == 16  # the byte that encodes 1 MiB
    data[16] = 38  # 2 GiB
    import zlib

    data[20:24] = zlib.crc32(bytes(data[12:20])).to_bytes(4, "little")
    (tmp_path / "core.tar.xz").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"damaged \(Memory usage limit exceeded\)"):
        inspect(tmp_path / "core.tar.xz")


def test_a_zstd_window_cannot_take_all_memory(tmp_path: Path):
    """The same for the window of a Zstandard frame."""
    (tmp_path / "core.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(600))
    with pytest.raises(ArchiveError, match="damaged"):
        inspect(tmp_path / "core.tar.zst")


def test_a_destination_with_something_in_it(tmp_path: Path):
    """Nothing is mixed with what is there, and a link is not taken for a directory."""
    archive = tmp_path / "core.tar"
    archive.write_bytes(tar([GOOD]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    for name in ("full", "link"):
        with pytest.raises(Refused, match="is not an empty directory"):
            unpack(archive, tmp_path / name)
    assert list((tmp_path / "empty").iterdir()) == []


def test_padding_of_gnu_headers(tmp_path: Path):
    """A long name of GNU tar's own kind is read, and one that lies is judged like any other."""
    for long, says in (("n" * 150, None), ("../" * 50 + "x", "leaves the archive")):
        archive = tmp_path / "core.tar"
        name = long.encode() + b"\0"
        archive.write_bytes(
            header(Item("l", "L"), b"././@LongLink", len(name), b"ustar  \0")
            + padded(name)
            + header(GOOD, b"short", 1, b"ustar  \0")
            + padded(b"x")
            + bytes(1024)
        )
        if says is None:
            assert [entry.path for entry in inspect(archive).entries] == [long]
        else:
            with pytest.raises(ArchiveError, match=says):
                inspect(archive)
