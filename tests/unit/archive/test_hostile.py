"""Whatever an archive holds: nothing outside of the destination changes, and it is unpacked whole or refused."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import ArchiveError
from fsm.system.archive import Limits, Listing, inspect, unpack
from fsm.system.inventory import take
from tests.strategies_archive import KINDS, Item, benign, hostile, packed

pytestmark = pytest.mark.needs_linux

LIMITS = Limits(max_bytes=20_000, max_entries=50)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory in memory with things around the destination that must not change."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        root = Path(directory)
        (root / "around" / "dest.d").mkdir(parents=True)
        for name in ("passwd", "around/evil", "around/a", "around/dest.d/b"):
            (root / name).write_bytes(b"precious")
        yield root


def outcome(archive: Path, dest: Path, limits: Limits) -> tuple[Listing | None, str]:
    """What was unpacked, or why it was refused; anything else is an error of ours."""
    try:
        return unpack(archive, dest, limits=limits), ""
    except ArchiveError as error:
        return None, str(error)


def on_disk(dest: Path) -> dict[str, tuple[str, int, int, str | None]]:
    """What lies in a directory, in the terms of a listing."""
    return {entry.path: (entry.kind, entry.size, entry.mode, entry.target) for entry in take(dest)}


def said(listing: Listing) -> tuple[object, ...]:
    """All that a listing says."""
    return listing.kind, listing.stripped, listing.total_bytes, listing.entries


def promised(listing: Listing) -> dict[str, tuple[str, int, int, str | None]]:
    """The same as a listing says it; a hard link is a file with its original's size and mode."""
    by_path = {entry.path: entry for entry in listing.entries}
    found: dict[str, tuple[str, int, int, str | None]] = {}
    for path, entry in by_path.items():
        if entry.kind == "link":
            original = by_path[entry.target or ""]
            found[path] = ("file", original.size, original.mode, None)
        else:
            found[path] = (entry.kind, entry.size, entry.mode, entry.target)
    return found


@given(data=hostile())
def test_nothing_outside_changes_and_the_result_is_whole_or_refused(place: Path, data: bytes):
    """Refused with a reason, or unpacked to exactly what the listing says; in both cases nothing else was touched."""
    archive, dest = place / "around" / "release", place / "around" / "dest"
    shutil.rmtree(dest, ignore_errors=True)
    archive.write_bytes(data)
    before = take(place)
    listing, refusal = outcome(archive, dest, LIMITS)
    if listing is None:
        assert refusal.startswith("cannot unpack release: ")
        assert refusal.endswith("; the release is broken, nothing was changed")
        with pytest.raises(ArchiveError, match="cannot unpack release"):
            inspect(archive, LIMITS)
    else:
        assert on_disk(dest) == promised(listing)
        assert said(inspect(archive, LIMITS)) == said(listing)
        assert_harmless(dest, listing)
    outside = take(place, skip=PurePosixPath("around/dest").__eq__)
    assert not before.compare(outside)


def assert_harmless(dest: Path, listing: Listing) -> None:
    """No link leads out, no bit gives anybody rights, nothing is larger than allowed."""
    assert listing.total_bytes <= LIMITS.max_bytes
    for path in dest.rglob("*"):
        status = path.lstat()
        if path.is_symlink():
            assert path.resolve().is_relative_to(dest.resolve())
        else:
            assert not stat.S_IMODE(status.st_mode) & 0o7022
            assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
            assert status.st_uid == os.geteuid()


def described(items: list[Item]) -> dict[str, tuple[str, bytes]]:
    """What benign entries unpack to, worked out from their names alone."""
    found: dict[str, tuple[str, bytes]] = {}
    for item in items:
        path = str(PurePosixPath(item.name))
        if item.type == "5":
            found[path] = ("dir", b"")
        elif item.type == "2":
            found[path] = ("symlink", item.target.encode())
        elif item.type == "1":
            found[path] = found[str(PurePosixPath(item.target))]
        else:
            found[path] = ("file", item.content)
    for path in list(found):
        for parent in list(PurePosixPath(path).parents)[:-1]:
            found.setdefault(str(parent), ("dir", b""))
    found.pop(".", None)
    tops = {path.split("/")[0] for path in found}
    if len(tops) == 1 and found[top := tops.pop()][0] == "dir":
        found = {path[len(top) + 1 :]: value for path, value in found.items() if path != top}
    return found


def contents(dest: Path) -> dict[str, tuple[str, bytes]]:
    """What a directory holds, to compare with a description."""
    found = {}
    for path in dest.rglob("*"):
        name = str(path.relative_to(dest))
        if path.is_symlink():
            found[name] = ("symlink", os.readlink(path).encode())
        else:
            found[name] = ("dir", b"") if path.is_dir() else ("file", path.read_bytes())
    return found


@given(items=benign(), kind=st.sampled_from(KINDS))
def test_a_benign_archive_gives_its_tree(place: Path, items: list[Item], kind: str):
    """Every way of packing gives the tree that was described, at most refused for a link that leaves it."""
    if kind == "zip":
        items = [item for item in items if item.type != "1"]
        if not items:
            return
    archive, dest = place / f"core.{kind}", place / "dest"
    shutil.rmtree(dest, ignore_errors=True)
    archive.write_bytes(packed(items, kind))
    listing, refusal = outcome(archive, dest, Limits())
    archive.unlink()
    if listing is None:
        assert " runs in a circle;" in refusal  # the only thing that the strategy does not keep from happening
        return
    assert contents(dest) == described(items)
    assert listing.total_bytes == sum(len(item.content) for item in items if item.type == "0")
