"""Archives, benign and hostile: writers that write anything, and strategies for what to write.

The writers know no rules: names, sizes, types and checksums are what they are told. What a benign archive unpacks to
is told by its description, not by reading it back.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from fsm.system.archive.streams import zstandard


@dataclass(frozen=True)
class Item:
    """One entry to write.

    Attributes:
        name: as it is to stand in the archive.
        type: tar's type flag, as a text.
        content: a file's bytes.
        target: of a link.
        mode: permission bits.
        mtime: seconds since 1970.
        size: what the header claims; None for the truth.
        pax: records of an extended header before it.
        damage: changes the finished header block.
    """

    name: str
    type: str = "0"
    content: bytes = b""
    target: str = ""
    mode: int = 0o644
    mtime: int = 1_700_000_000
    size: int | None = None
    pax: tuple[tuple[str, str], ...] = ()
    damage: Callable[[bytes], bytes] = bytes


def header(item: Item, name: bytes, size: int, magic: bytes = b"ustar\x0000") -> bytes:
    """A header block with a right checksum."""
    block = bytearray(512)
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:108] = b"%07o\0" % item.mode
    block[108:116] = block[116:124] = b"0001750\0"
    block[124:136] = b"%011o\0" % size if 0 <= size < 8**11 else b"\x80" + size.to_bytes(11, "big", signed=True)
    if size < 0:
        block[124:136] = b"\xff" + size.to_bytes(11, "big", signed=True)
    block[136:148] = (
        b"%011o\0" % item.mtime if item.mtime >= 0 else b"\xff" + item.mtime.to_bytes(11, "big", signed=True)
    )
    block[156:157] = item.type.encode("latin-1")
    block[157:257] = item.target.encode("utf-8", "surrogateescape")[:100].ljust(100, b"\0")
    block[257:265] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax_record(key: str, value: str) -> bytes:
    """One record of an extended header: its length counts itself."""
    rest = b" " + key.encode() + b"=" + value.encode("utf-8", "surrogateescape") + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def padded(data: bytes) -> bytes:
    """Filled up to whole blocks."""
    return data + bytes(-len(data) % 512)


def tar(items: Iterable[Item], end: bytes = bytes(1024)) -> bytes:
    """A tar archive. Names of more than 100 bytes get an extended header, as every program does it."""
    parts = []
    for item in items:
        name = item.name.encode("utf-8", "surrogateescape")
        target = item.target.encode("utf-8", "surrogateescape")
        pax = dict(item.pax)
        if len(name) > 100:
            pax.setdefault("path", item.name)
        if len(target) > 100:
            pax.setdefault("linkpath", item.target)
        if pax:
            data = b"".join(pax_record(key, value) for key, value in pax.items())
            parts += [header(Item("pax", "x"), b"PaxHeaders/x", len(data)), padded(data)]
        size = len(item.content) if item.size is None else item.size
        parts += [item.damage(header(item, name, size)), padded(item.content)]
    return b"".join(parts) + end


def zipped(items: Iterable[Item], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive, with links and modes as Unix programs write them."""
    out = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w", method) as archive:
        for item in items:
            info = zipfile.ZipInfo("x", (2023, 11, 14, 22, 13, 20))
            info.filename = info.orig_filename = item.name
            info.create_system, info.compress_type = 3, method
            kind = {"2": 0o120000, "5": 0o040000, "6": 0o010000}.get(item.type, 0o100000)
            info.external_attr = (kind | item.mode) << 16
            archive.writestr(info, item.target.encode() if item.type == "2" else item.content)
    return out.getvalue()


def compressed(data: bytes, kind: str) -> bytes:
    """A tar archive as one of the kinds of `fsm.system.archive`."""
    if kind == "tar.gz":
        return gzip.compress(data, 1, mtime=0)
    if kind == "tar.bz2":
        return bz2.compress(data, 1)
    if kind == "tar.xz":
        return lzma.compress(data, preset=0)
    if kind == "tar.zst":
        packed: bytes = zstandard().compress(data)
        return packed
    return data


TARS = ("tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst")
KINDS = (*TARS, "zip")


def packed(items: Iterable[Item], kind: str) -> bytes:
    """The items as an archive of any kind."""
    return zipped(items) if kind in {"zip", "wheel"} else compressed(tar(items), kind)


# Benign trees: as a description, path by path.

SEGMENTS = st.sampled_from(["a", "b", "core", "lib.py", "ä", "with space", "x" * 120, ".env", "-rf"])
CONTENTS = st.sampled_from([b"", b"one", b"x" * 511, b"y" * 512, b"z" * 1025])


@st.composite
def benign(draw: st.DrawFn) -> list[Item]:
    """The entries of a release as it should be, with everything that may be in one."""
    top = draw(st.sampled_from(["", "./", "core-1.2.0/", "./core-1.2.0/"]))
    items: dict[tuple[str, ...], Item] = {}
    for path in draw(st.lists(st.lists(SEGMENTS, min_size=1, max_size=3).map(tuple), min_size=1, max_size=8)):
        if path in items or any(path == other[: len(path)] for other in items):
            continue
        if any(items[path[:length]].type != "5" for length in range(1, len(path)) if path[:length] in items):
            continue
        items[path] = draw(_entry(path, [other for other, item in items.items() if item.type == "0"], top))
    listed = list(items.values())
    return [Item(top, "5", mode=0o755), *listed] if top and draw(st.booleans()) else listed


@st.composite
def _entry(draw: st.DrawFn, path: tuple[str, ...], files: list[tuple[str, ...]], top: str) -> Item:
    name = top + "/".join(path)
    mode = draw(st.sampled_from([0o644, 0o755, 0o600, 0o444]))
    kind = draw(st.sampled_from(["file", "file", "dir", "symlink", "link"]))
    if kind == "dir":
        return Item(name + "/", "5", mode=0o755)
    if kind == "symlink":
        return Item(name, "2", target=draw(st.sampled_from(["a", "./b/../core", "nowhere/at/all"])))
    if kind == "link" and files:
        return Item(name, "1", target=top + "/".join(draw(st.sampled_from(files))))
    return Item(name, content=draw(CONTENTS), mode=mode)


# Hostile ones: anything goes, and mostly it should not.

NASTY_SEGMENTS = st.sampled_from(
    [
        "..",
        ".",
        "",
        "a",
        "A",
        "b",
        "link",
        "\u00e9",
        "e\u0301",
        "ß",
        "ss",
        "SS",
        "x" * 256,
        "C:",
        "a\\b",
        "\0",
        "n\nl",
        "\udcff",
    ]
)
NASTY_NAMES = st.one_of(
    st.lists(NASTY_SEGMENTS, max_size=4).map("/".join),
    st.sampled_from(["/etc/passwd", "../evil", "a/../../evil", "link/evil", "", "/", "./", "C:\\x", "\\\\server\\x"]),
)
NASTY_TARGETS = st.one_of(
    NASTY_NAMES, st.sampled_from(["..", "../..", ".", "a/..", "a/../..", "link/..", "/etc", "../outside", "b/../../x"])
)
TYPES = st.sampled_from(
    ["0", "0", "0", "1", "2", "2", "5", "5", "\0", "7", "3", "4", "6", "S", "L", "K", "x", "g", "Z"]
)

NASTY_ITEMS = st.builds(
    Item,
    name=NASTY_NAMES,
    type=TYPES,
    content=st.sampled_from([b"", b"evil", b"x" * 600]),
    target=NASTY_TARGETS,
    mode=st.sampled_from([0o644, 0o7777, 0o000, 0o4755]),
    mtime=st.sampled_from([0, 1_700_000_000, 8**11 - 1, -(10**15)]),
    size=st.sampled_from([None, None, None, None, 0, 1, 10**15, -1]),
    pax=st.lists(
        st.tuples(
            st.sampled_from(["path", "linkpath", "size", "mtime", "GNU.sparse.map", "comment"]),
            st.sampled_from(["../evil", "/etc/x", "a", "-1", "12", "1e9", "nan", "9" * 30, "1700000000.5"]),
        ),
        max_size=1,
    ).map(tuple),
)


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """The bytes of an archive that a good release would not have: odd entries among good ones, or damaged bytes."""
    items = draw(benign()) if draw(st.booleans()) else []
    for item in draw(st.lists(NASTY_ITEMS, max_size=5)):
        items.insert(draw(st.integers(0, len(items))), item)
    kind = draw(st.sampled_from(["tar", "tar", "tar.gz", "tar.xz", "tar.zst", "tar.bz2", "zip", "zip"]))
    if kind == "zip":
        items = [replace(item, name=clean(item.name), target=clean(item.target)) for item in items]
    return draw(damaged(packed(items, kind)))


def clean(text: str) -> str:
    """Without what Python's zip writer cannot encode."""
    return text.replace("\udcff", "?")


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Mostly as it is; else cut off, with flipped bytes, or with something behind it."""
    how = draw(st.sampled_from(["", "", "", "cut", "flip", "append"]))
    if how == "cut":
        return data[: draw(st.integers(0, len(data)))]
    if how == "flip" and data:
        changed = bytearray(data)
        for position in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=4)):
            changed[position] ^= draw(st.integers(1, 255))
        return bytes(changed)
    if how == "append":
        return data + draw(st.sampled_from([b"\0" * 700, b"garbage", struct.pack("<L", 0)]))
    return data
