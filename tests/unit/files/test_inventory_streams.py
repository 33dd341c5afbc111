"""Inventories as streams: sorted as they come, two at a time, and never all in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.errors import IntegrityError
from fsm.system.inventory import Differences, Entry, differences, load, paired, read, scan, write

pytestmark = pytest.mark.needs_linux

MANY = 10_000


def entry(path: str, size: int = 0) -> Entry:
    """A file of that name."""
    return Entry(path, "file", size, 0o644, 1, 0, 0, None, None)


def many() -> Iterator[Entry]:
    """As many as a large tree has."""
    return (entry(f"assets/directory/file{number:08}.py", number) for number in range(MANY))


@pytest.mark.parametrize("hash", [False, True])
def test_names_that_sort_between_a_directory_and_what_is_in_it(tmp_path: Path, hash: bool):
    """The order is that of whole paths, as `sorted` has it: a slash comes after a dash, and before a letter."""
    root = tmp_path / "root"
    for path in ("a/x/y", "a-b/x", "a.c", "a/x-", "a/x0", "a0", "a b", "B"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x" * 100_000)
    found = [each.path for each in scan(root, hash=hash)]
    assert found == sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_a_skipped_directory_is_not_entered(tmp_path: Path):
    """Nothing below it is listed, and its namesakes are."""
    for name in ("a/b", "a-/b", "c/a/b"):
        (tmp_path / name).mkdir(parents=True)
    assert [each.path for each in scan(tmp_path, skip=lambda path: str(path) == "a")] == [
        "a-",
        "a-/b",
        "c",
        "c/a",
        "c/a/b",
    ]


def test_two_streams_are_gone_through_together():
    """Each path comes once, with what either side has of it."""
    one, other = [entry("a"), entry("b"), entry("d")], [entry("b", 1), entry("c"), entry("e")]
    found = [(a and a.path, b and b.path) for a, b in paired(one, other)]
    assert found == [("a", None), ("b", "b"), (None, "c"), ("d", None), (None, "e")]
    assert differences(one, other) == Differences(added=("c", "e"), removed=("a", "d"), changed=("b",))
    assert list(paired([], [])) == []


def test_a_large_inventory_is_never_all_in_memory(tmp_path: Path):
    """Written, read and compared in a fraction of what its entries take up."""
    tracemalloc.start()
    try:
        assert write(many(), tmp_path / "inventory") == MANY
        assert not differences(read(tmp_path / "inventory"), many())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20
    assert len(load(tmp_path / "inventory")) == MANY


def test_nothing_is_read_of_a_damaged_one(tmp_path: Path):
    """The last line is looked at before the first one is believed."""
    write(many(), tmp_path / "inventory")
    data = (tmp_path / "inventory").read_bytes()
    (tmp_path / "inventory").write_bytes(data[:-10] + b"x" + data[-9:])
    with pytest.raises(IntegrityError, match="cut off or edited"):
        next(read(tmp_path / "inventory"))


def test_an_inventory_of_an_older_program_is_read(tmp_path: Path):
    """It has a header without spaces behind it."""
    write([entry("a")], tmp_path / "inventory")
    head, _, rest = (tmp_path / "inventory").read_bytes().partition(b"\n")
    (tmp_path / "inventory").write_bytes(head.rstrip(b" ") + b"\n" + rest)
    assert list(read(tmp_path / "inventory")) == [entry("a")]
