"""Archives of many entries: what each of them costs is small, and what does not fit is not written."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path

import pytest

from fsm.errors import ArchiveError
from fsm.system.archive import Limits, inspect, unpack
from fsm.system.archive.model import BrokenError, Member
from fsm.system.archive.tarheader import parse
from fsm.system.archive.tree import Tree
from tests.strategies_archive import Item, header, tar

MANY = 10_000
AN_ENTRY = 500
"""Bytes of memory that one may take up."""


def test_an_entry_takes_little_memory():
    """A hundred thousand of them fit into what a small board has to spare."""
    tree = Tree(Limits())
    tracemalloc.start()
    try:
        for number in range(MANY):
            tree.add(Member(f"app/assets/d{number // 100:03}/file{number:06}.py", "file", 700, 0o644, 1))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tree.total_bytes == 700 * MANY
    assert used / MANY < AN_ENTRY


def test_its_memory_is_free_at_once():
    """The next thing that an update does takes up as much: it does not wait for the collector of cycles."""
    gc.disable()
    tracemalloc.start()
    try:
        tree = Tree(Limits())
        for number in range(MANY):
            tree.add(Member(f"d{number // 100:03}/f{number % 100}", "file", 1, 0o644, 1))
            tree.add(Member(f"d{number // 100:03}/l{number % 100}", "link", 0, 0o644, 1, f"d{number // 100:03}/f0"))
        held, _ = tracemalloc.get_traced_memory()
        del tree
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert left < held / 10


@pytest.mark.needs_linux
def test_what_does_not_fit_is_counted_and_not_written(tmp_path: Path):
    """The archive is read once, so it is found out on the way; up to there there was room."""
    items = [Item(f"d/{name}", content=b"x" * 100) for name in "abcd"] + [Item("d/l", "2", target="a")]
    (tmp_path / "core.tar").write_bytes(tar(items))
    listing = unpack(tmp_path / "core.tar", tmp_path / "dest", room=250)
    assert listing.total_bytes == 400
    assert listing.entries == inspect(tmp_path / "core.tar").entries
    written = [path for path in (tmp_path / "dest").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) == 200
    assert unpack(tmp_path / "core.tar", tmp_path / "whole", room=400).total_bytes == 400
    assert sorted(os.listdir(tmp_path / "whole")) == ["a", "b", "c", "d", "l"]


@pytest.mark.needs_linux
def test_what_does_not_fit_is_judged_to_its_end(tmp_path: Path):
    """That an archive is too large does not hide that it is hostile."""
    items = [Item("a", content=b"x" * 100), Item("b", content=b"x" * 100), Item("../c")]
    (tmp_path / "core.tar").write_bytes(tar(items))
    with pytest.raises(ArchiveError, match="leaves the archive"):
        unpack(tmp_path / "core.tar", tmp_path / "dest", room=50)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("off", [1, -1, 65521, -65521, 65536])
def test_a_checksum_is_exact_whatever_the_bytes(off: int):
    """It is added up by Adler-32, which forgets multiples of 65,521: not in halves of a header."""
    name = b"\xff" * 100
    block = bytearray(header(Item("f"), name, 0))
    block[257:512] = b"\xff" * 255
    block[148:156] = b" " * 8
    total = sum(block)
    assert total > 65521
    block[148:156] = b"%07o\0" % total
    assert parse(bytes(block)).name == name
    block[148:156] = b"%07o\0" % (total + off)
    with pytest.raises(BrokenError, match="wrong checksum"):
        parse(bytes(block))


@pytest.mark.parametrize("name", ["d/..", "d/a\\b", "d/.", "d/" + "é" * 128, "d/A", "d/" + "x" * 256])
def test_a_name_beside_a_harmless_one_is_judged_like_any_other(name: str, tmp_path: Path):
    """The directory of the entry before is known to be fine, the last segment is not."""
    (tmp_path / "core.tar").write_bytes(tar([Item("d/a"), Item(name)]))
    with pytest.raises(ArchiveError):
        inspect(tmp_path / "core.tar")
