"""What unpacking a good archive gives: names, modes, times, links, and what is said about it."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from fsm.errors import ArchiveError
from fsm.system.archive import Entry, Limits, inspect, unpack
from tests.strategies_archive import KINDS, TARS, Item, compressed, header, packed, padded, pax_record, tar, zipped

pytestmark = pytest.mark.needs_linux

RELEASE = [
    Item("core-1.2.0/", "5", mode=0o755),
    Item("core-1.2.0/VERSION", content=b"1.2.0\n"),
    Item("core-1.2.0/bin/run", content=b"#!/bin/sh\n", mode=0o755),
    Item("core-1.2.0/core-1.2.0/x", content=b"x"),
    Item("core-1.2.0/current", "2", target="bin/run"),
]


def release(tmp_path: Path, kind: str, items: list[Item] | None = None) -> Path:
    """A release on disk."""
    path = tmp_path / f"core.{kind}"
    path.write_bytes(packed(items or RELEASE, kind))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_one_top_level_directory_is_left_away(tmp_path: Path, kind: str):
    """Every kind gives the same tree, also where something inside has the top's own name."""
    listing = unpack(release(tmp_path, kind), tmp_path / "dest")
    assert (listing.kind, listing.stripped, listing.total_bytes) == (kind, "core-1.2.0", 17)
    assert listing.entries == (
        Entry(path="VERSION", kind="file", size=6, mode=0o644),
        Entry(path="bin", kind="dir", mode=0o755),
        Entry(path="bin/run", kind="file", size=10, mode=0o755),
        Entry(path="core-1.2.0", kind="dir", mode=0o755),
        Entry(path="core-1.2.0/x", kind="file", size=1, mode=0o644),
        Entry(path="current", kind="symlink", target="bin/run"),
    )
    dest = tmp_path / "dest"
    assert {path.name for path in dest.iterdir()} == {"VERSION", "bin", "core-1.2.0", "current"}
    assert (dest / "current").read_bytes() == b"#!/bin/sh\n"
    assert stat.S_IMODE((dest / "bin" / "run").stat().st_mode) == 0o755
    assert (dest / "VERSION").stat().st_mtime == 1_700_000_000


@pytest.mark.parametrize(
    "items",
    [
        [Item("a/x"), Item("b/x")],
        [Item("a/x"), Item("README")],
        [Item("a")],
        [Item("a", "2", target="b")],
        [Item("./x"), Item("./y")],
    ],
)
def test_several_or_other_things_at_the_top_are_kept(tmp_path: Path, items: list[Item]):
    """Only a directory with nothing beside it is left away."""
    listing = unpack(release(tmp_path, "tar", items), tmp_path / "dest")
    assert listing.stripped is None
    paths = {path.relative_to(tmp_path / "dest").as_posix() for path in (tmp_path / "dest").rglob("*")}
    assert paths == {entry.path for entry in listing.entries}


def test_wheels_are_kept_as_they_are(tmp_path: Path):
    """A wheel with a single package keeps its directory; a wheel is a zip by another name."""
    (tmp_path / "app-1.0-py3-none-any.whl").write_bytes(zipped([Item("app/__init__.py", content=b"x")]))
    listing = unpack(tmp_path / "app-1.0-py3-none-any.whl", tmp_path / "dest")
    assert (listing.kind, listing.stripped) == ("wheel", None)
    assert (tmp_path / "dest" / "app" / "__init__.py").read_bytes() == b"x"


def test_rights_are_cut_down(tmp_path: Path):
    """Set-uid, set-gid, sticky bits and others' right to write go; the owner can always read, and enter."""
    items = [
        Item("suid", mode=0o6777),
        Item("none", mode=0),
        Item("ro", mode=0o444),
        Item("d/", "5", mode=0o1777),
        Item("locked/", "5", mode=0),
        Item("locked/f"),
    ]
    before = os.umask(0o077)
    try:
        unpack(release(tmp_path, "tar", items), tmp_path / "dest")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "dest").rglob("*")}
    assert modes == {"suid": 0o755, "none": 0o400, "ro": 0o444, "d": 0o755, "locked": 0o700, "f": 0o644}
    assert (tmp_path / "dest" / "suid").stat().st_uid == os.geteuid()


@pytest.mark.parametrize(
    ("item", "mtime"),
    [
        (Item("f", mtime=0), 0),
        (Item("f", mtime=-(10**12)), 0),
        (Item("f", mtime=8**11 - 1), (1 << 32) * 10**9),
        (Item("f", pax=(("mtime", "1700000000.123456789"),)), 1_700_000_000_123_456_789),
        (Item("f", pax=(("mtime", "1700000000.5"),)), 1_700_000_000_500_000_000),
        (Item("f", pax=(("mtime", "nan"),)), 1_700_000_000 * 10**9),
        (Item("f", pax=(("mtime", "-5"),)), 0),
    ],
)
def test_times_are_kept_within_reason(fast: Path, item: Item, mtime: int):
    """Times come from the archive, to the nanosecond; impossible ones become the nearest possible."""
    unpack(release(fast, "tar", [item]), fast / "dest")
    assert (fast / "dest" / "f").stat().st_mtime_ns == mtime


def test_directories_and_links_have_times_too(tmp_path: Path):
    """A directory's time is set after its entries came, a link's is its own."""
    items = [Item("d/", "5", mtime=1000, mode=0o755), Item("d/f"), Item("l", "2", target="d", mtime=2000)]
    unpack(release(tmp_path, "tar", items), tmp_path / "dest")
    assert (tmp_path / "dest" / "d").stat().st_mtime == 1000
    assert (tmp_path / "dest" / "l").lstat().st_mtime == 2000


def test_hard_links(tmp_path: Path):
    """They are one file afterwards, listed by their original's path; a link to a link is the same file."""
    items = [
        Item("t/a", content=b"xyz"),
        Item("t/d/b", "1", target="t/a"),
        Item("t/c", "1", target="./t/d/b"),
    ]
    listing = unpack(release(tmp_path, "tar", items), tmp_path / "dest")
    dest = tmp_path / "dest"
    assert dest.joinpath("a").stat().st_ino == dest.joinpath("c").stat().st_ino == dest.joinpath("d/b").stat().st_ino
    assert {entry.path: entry.target for entry in listing.entries if entry.kind == "link"} == {"c": "a", "d/b": "a"}
    assert listing.total_bytes == 3


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("kind", TARS)
def test_what_python_writes(tmp_path: Path, form: int, kind: str):
    """Long names, long link targets and large numbers, in each of the formats that are in use."""
    src = tmp_path / "src"
    long = "/".join(["x" * 60] * 3) if form == tarfile.USTAR_FORMAT else "/".join(["y" * 120] * 4)
    (src / long).mkdir(parents=True)
    (src / long / "ä").write_bytes(b"bytes")
    if form != tarfile.USTAR_FORMAT:
        (src / "link").symlink_to(f"{long}/ä")
        (src / "hard").hardlink_to(src / long / "ä")
    plain = tmp_path / "plain"
    with tarfile.open(plain, "w", format=form) as archive:
        archive.add(src, "src")
    (tmp_path / f"core.{kind}").write_bytes(compressed(plain.read_bytes(), kind))
    unpack(tmp_path / f"core.{kind}", tmp_path / "dest")
    found = {path.relative_to(tmp_path / "dest") for path in (tmp_path / "dest").rglob("*")}
    assert found == {path.relative_to(src) for path in src.rglob("*")}
    assert (tmp_path / "dest" / long / "ä").read_bytes() == b"bytes"


@pytest.mark.processes
@pytest.mark.parametrize("options", [[], ["--format=v7"], ["--format=oldgnu"], ["--format=posix"], ["-b", "2000"]])
def test_what_gnu_tar_writes(tmp_path: Path, options: list[str]):
    """Directories without a type of their own, other record sizes, access times in extended headers."""
    (tmp_path / "src" / "d").mkdir(parents=True)
    (tmp_path / "src" / "d" / "f").write_bytes(b"x" * 1000)
    argv = ["tar", *options, "-C", str(tmp_path / "src"), "-cf", str(tmp_path / "core.tar"), "."]
    subprocess.run(argv, check=True, timeout=30)
    assert [entry.path for entry in unpack(tmp_path / "core.tar", tmp_path / "dest").entries] == ["f"]


def test_git_archives(tmp_path: Path):
    """Git puts the commit into a global header, which means nothing to us."""
    comment = pax_record("comment", "a" * 40)
    data = header(Item("g", "g"), b"pax_global_header", len(comment)) + padded(comment) + tar([Item("p/f")])
    (tmp_path / "core.tar").write_bytes(data)
    assert inspect(tmp_path / "core.tar").stripped == "p"


def test_oddities_that_are_legal(tmp_path: Path):
    """Contiguous files, signed checksums, sizes of directories, doubled slashes: old programs write such things."""
    signed = Item("\u00e9", damage=_signed_checksum)
    items = [Item("f", "7", content=b"x"), Item("d//e/", "5", size=4096), Item("old/", "\0"), signed]
    (tmp_path / "core.tar").write_bytes(tar(items))
    assert [entry.path for entry in inspect(tmp_path / "core.tar").entries] == ["d", "d/e", "f", "old", "\u00e9"]


def _signed_checksum(block: bytes) -> bytes:
    changed = bytearray(block)
    changed[148:156] = b" " * 8
    total = sum(value - 256 * (value > 127) for value in changed)
    changed[148:156] = b"%06o\0 " % total
    return bytes(changed)


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_streams_in_a_row(tmp_path: Path, kind: str):
    """Parallel compressors write several streams one after the other, and tape drives pad with zeros."""
    data = tar([Item("f", content=bytes(range(256)) * 100)])
    parts = [compressed(part, kind) for part in (data[:1000], data[1000:9000], data[9000:])]
    (tmp_path / f"core.{kind}").write_bytes(b"".join(parts) + bytes(512 * 1024))
    unpack(tmp_path / f"core.{kind}", tmp_path / "dest")
    assert (tmp_path / "dest" / "f").read_bytes() == bytes(range(256)) * 100


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_progress_and_interruption(tmp_path: Path, kind: str):
    """Progress is told in bytes of the archive; `check` can end it at any entry and within a large one."""
    archive = release(tmp_path, kind, [Item("big", content=os.urandom(5 << 20)), Item("f")])
    told: list[tuple[int, int | None]] = []
    checks: list[int] = []
    unpack(archive, tmp_path / "dest", progress=lambda *args: told.append(args), check=lambda: checks.append(1))
    size = archive.stat().st_size
    assert len(told) >= 5
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {size}
    assert 0.9 * size < told[-1][0] <= size
    assert len(checks) >= 7

    def stop() -> None:
        checks.pop()
        if len(checks) < 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "other", check=stop)
    assert 0 < (tmp_path / "other" / "big").stat().st_size <= 5 << 20


def test_a_full_disk(tmp_path: Path):
    """A disk that fills up is the host's trouble, not a broken release."""
    import resource

    archive = release(tmp_path, "tar", [Item("big", content=bytes(3 << 20))])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            unpack(archive, tmp_path / "dest")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_limits_are_exact(tmp_path: Path):
    """As many bytes and entries as are allowed do pass."""
    archive = release(tmp_path, "tar", [Item("a", content=b"x" * 10), Item("b")])
    assert inspect(archive, Limits(max_bytes=10, max_entries=2)).total_bytes == 10
    for limits in (Limits(max_bytes=9), Limits(max_entries=1)):
        with pytest.raises(ArchiveError, match="more than"):
            inspect(archive, limits)


def test_the_published_name_counts(tmp_path: Path):
    """A download under a temporary name is judged and reported by the name that it was published under."""
    (tmp_path / "core.part").write_bytes(packed(RELEASE, "tar.gz"))
    assert inspect(tmp_path / "core.part", name="core.tar.gz").kind == "tar.gz"
    with pytest.raises(ArchiveError, match=r"cannot unpack core\.zip: its name says zip, but it is a tar\.gz file"):
        unpack(tmp_path / "core.part", tmp_path / "dest", name="core.zip")


def test_names_like_options(tmp_path: Path):
    """A name is never an option of anything."""
    unpack(release(tmp_path, "tar", [Item("-rf"), Item("--help/x")]), tmp_path / "dest")
    assert (tmp_path / "dest" / "--help" / "x").exists()


DROPPINGS = [
    Item("__MACOSX/", "5"),
    Item("__MACOSX/._core-1.2.0", content=b"x"),
    Item("__MACOSX/core-1.2.0/._VERSION", content=b"x"),
    Item(".DS_Store", content=b"x"),
    Item("./._core-1.2.0", content=b"x"),
    Item("Thumbs.db", content=b"x"),
    Item("desktop.ini", content=b"x"),
]


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("first", [False, True])
def test_what_packers_leave_at_the_top_is_no_part_of_the_release(tmp_path: Path, kind: str, first: bool):
    """It would keep the top-level directory from being left away, and the version be written beside the app."""
    items = [*DROPPINGS, *RELEASE] if first else [*RELEASE, *DROPPINGS]
    listing = unpack(release(tmp_path, kind, items), tmp_path / "dest")
    assert (listing.stripped, listing.total_bytes) == ("core-1.2.0", 17)
    assert {path.name for path in (tmp_path / "dest").iterdir()} == {"VERSION", "bin", "core-1.2.0", "current"}
    assert inspect(tmp_path / f"core.{kind}").entries == listing.entries


def test_what_only_looks_like_a_packers_is_kept(tmp_path: Path):
    """Below the top it may be part of the release, and so may a directory of such a name."""
    items = [Item("a/__MACOSX/x"), Item("a/.DS_Store"), Item("a/._x")]
    assert {entry.path for entry in unpack(release(tmp_path, "tar", items), tmp_path / "dest").entries} == {
        "__MACOSX",
        "__MACOSX/x",
        ".DS_Store",
        "._x",
    }
    listing = unpack(release(tmp_path, "zip", [Item("a/x"), Item("._b/x")]), tmp_path / "two")
    assert listing.stripped is None


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_packers_droppings_are_judged_too(tmp_path: Path, kind: str):
    """No name makes a hostile entry harmless, and an archive of nothing else is empty."""
    with pytest.raises(ArchiveError, match="leaves the archive"):
        unpack(release(tmp_path, kind, [*RELEASE, Item("__MACOSX/../../evil", content=b"x")]), tmp_path / "dest")
    with pytest.raises(ArchiveError, match="it has no entries"):
        unpack(release(tmp_path, kind, DROPPINGS), tmp_path / "two")
