"""Inventories: taking, keeping, comparing."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given

from fsm.errors import IntegrityError
from fsm.system.inventory import Differences, Entry, load, take
from tests.unit.files.trees import TREES, build

pytestmark = pytest.mark.needs_linux


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one of everything."""
    root = tmp_path / "tree"
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "small").write_bytes(b"small")
    (root / "large").write_bytes(b"L" * 300_000)
    (root / "link").symlink_to("d/small")
    os.mkfifo(root / "fifo")
    (root / "d" / "small").chmod(0o4640)
    return root


def test_take_has_everything(tree: Path):
    """Files with digests, directories, links with targets, and special files, sorted by path."""
    inventory = take(tree)
    assert list(inventory.entries) == sorted(inventory.entries) == ["d", "d/e", "d/small", "fifo", "large", "link"]
    small, large, link = (inventory.entries[path] for path in ("d/small", "large", "link"))
    status = (tree / "d" / "small").stat()
    assert small == Entry(
        "d/small",
        "file",
        5,
        0o4640,
        status.st_mtime_ns,
        status.st_uid,
        status.st_gid,
        f"sha256:{hashlib.sha256(b'small').hexdigest()}",
        None,
    )
    assert large.sha256 == f"sha256:{hashlib.sha256(b'L' * 300_000).hexdigest()}"
    assert (link.kind, link.target, link.mode) == ("symlink", "d/small", 0)
    assert [entry.kind for entry in inventory] == ["dir", "dir", "file", "other", "file", "symlink"]
    assert len(inventory) == 6


def test_take_without_digests_and_with_skip(tree: Path):
    """Reading the files can be left out, and so can whole directories."""
    inventory = take(tree, hash=False, skip=lambda path: path == PurePosixPath("d"))
    assert list(inventory.entries) == ["fifo", "large", "link"]
    assert inventory.entries["large"].sha256 is None


def test_take_of_a_missing_root_is_an_error(tmp_path: Path):
    """Nothing there is not the same as an empty tree."""
    with pytest.raises(FileNotFoundError):
        take(tmp_path / "missing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        take(tmp_path / "file")


def test_what_disappears_meanwhile_is_left_out(tree: Path):
    """A log that is rotated, a directory that is removed: a live tree does not hold still."""
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 1:
            (tree / "d" / "small").unlink()
            (tree / "d" / "e").rmdir()
            (tree / "d").rmdir()
            (tree / "large").unlink()

    left = take(tree, check=check)
    assert set(left.entries) <= {"d", "fifo", "link"}


def test_take_stops_when_told(tree: Path):
    """What `check` raises comes out."""

    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(tree, check=check)


def test_save_and_load(tree: Path, tmp_path: Path):
    """What is loaded is what was saved, names that are no text included; the file is for its owner only."""
    (tree / os.fsdecode(b"\xff\n")).write_bytes(b"x")
    inventory = take(tree)
    inventory.save(tmp_path / "inventory")
    assert load(tmp_path / "inventory") == inventory
    assert (tmp_path / "inventory").stat().st_mode & 0o777 == 0o600
    header = json.loads((tmp_path / "inventory").read_text(encoding="ascii").splitlines()[0])
    assert (header["format"], header["schema_version"], header["count"]) == ("fsm-inventory", 1, 7)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[: data.index(b"\n") + 1],
        lambda data: data.replace(b"small", b"smell"),
        lambda data: data + data.splitlines(keepends=True)[-1],
        lambda data: data.replace(b'"count":6', b'"count":7'),
    ],
)
def test_a_damaged_inventory_is_refused(tree: Path, tmp_path: Path, damage: Any):
    """Cut off at any place, edited, or longer: it does not pass for one."""
    path = tmp_path / "inventory"
    take(tree).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IntegrityError, match="was cut off or edited"):
        load(path)


@pytest.mark.parametrize("data", [b"", b"hello\n", b'{"format": "other"}\n'])
def test_another_file_is_no_inventory(tmp_path: Path, data: bytes):
    """An empty file, a text, another program's JSON."""
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(IntegrityError, match="not the header of an inventory"):
        load(tmp_path / "f")


def test_a_newer_schema_is_named(tree: Path, tmp_path: Path):
    """A newer program's inventory is not misread, and the error says which program to use."""
    path = tmp_path / "inventory"
    take(tree).save(path)
    path.write_bytes(path.read_bytes().replace(b'"schema_version":1', b'"schema_version":2'))
    with pytest.raises(IntegrityError, match=r"its schema is 2, and this program knows 1; use the fsm that wrote it"):
        load(path)


def test_compare_names_what_changed(tree: Path):
    """Bytes, mode, kind and target count; times do not."""
    before = take(tree)
    assert not before.verify(tree)
    os.utime(tree / "large", ns=(1, 1))
    assert before.verify(tree) == Differences()
    (tree / "large").write_bytes(b"l" * 300_000)
    (tree / "d" / "e").chmod(0o700)
    (tree / "link").unlink()
    (tree / "link").symlink_to("elsewhere")
    (tree / "fifo").unlink()
    (tree / "new").write_bytes(b"")
    found = before.verify(tree)
    assert found == Differences(added=("new",), removed=("fifo",), changed=("d/e", "large", "link"))
    assert found


@pytest.mark.needs_root
def test_compare_counts_owners(tree: Path):
    """A file that somebody else owns now is another file."""
    before = take(tree)
    os.chown(tree / "large", 5, 6)
    assert before.verify(tree).changed == ("large",)


def test_without_digests_sizes_have_to_do(tree: Path):
    """An inventory without digests does not call every file changed."""
    before = take(tree, hash=False)
    (tree / "large").write_bytes(b"l" * 300_000)
    assert not before.verify(tree)
    assert not before.compare(take(tree))
    (tree / "large").write_bytes(b"l")
    assert before.verify(tree).changed == ("large",)


@given(description=TREES)
def test_any_tree_survives_being_written_down(tmp_path_factory: pytest.TempPathFactory, description: dict[str, Any]):
    """Take, save, load and verify find no difference in a tree that did not change."""
    root = tmp_path_factory.mktemp("tree")
    build(description, root / "root")
    inventory = take(root / "root")
    inventory.save(root / "inventory")
    assert not load(root / "inventory").verify(root / "root")
