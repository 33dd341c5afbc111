"""The tar.zst of a whole tree, and the proof that everything is in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from fsm.errors import IntegrityError
from fsm.system import faults
from fsm.system.archive import verify_tar_zst, write_tar_zst
from fsm.system.archive.streams import zstandard
from fsm.system.inventory import take
from tests.strategies_archive import Item, compressed, tar
from tests.unit.files.trees import TREES, build, snapshot

pytestmark = pytest.mark.needs_linux


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A live tree with everything that may be in one."""
    root = tmp_path / "live"
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "f").write_bytes(b"x" * 3000)
    (root / "d" / "f").chmod(0o4640)
    os.utime(root / "d" / "f", ns=(10**18, 10**18 + 123_456_789))
    (root / "h").hardlink_to(root / "d" / "f")
    (root / "link").symlink_to("/etc/passwd")
    (root / ("n" * 120)).write_bytes(b"long")
    (root / os.fsdecode(b"\xff")).write_bytes(b"bytes")
    (root / "empty").write_bytes(b"")
    return root


@pytest.mark.needs_root
def test_owners_are_numbers(tree: Path, tmp_path: Path):
    """Owners come back as numbers, also large ones, whatever names this host has for them."""
    os.chown(tree / "empty", 1234, 3_000_000_000)
    write_tar_zst(tree, tmp_path / "b.tar.zst")
    verify_tar_zst(tmp_path / "b.tar.zst", take(tree))
    os.chown(tree / "empty", 1234, 4321)
    with pytest.raises(IntegrityError, match='1 different \\(first "empty"\\)'):
        verify_tar_zst(tmp_path / "b.tar.zst", take(tree))


@pytest.mark.processes
def test_gnu_tar_restores_it(tree: Path, tmp_path: Path):
    """Everything comes back with a tool that is on every host: bytes, modes, times, links."""
    backup = tmp_path / "backup.tar.zst"
    write_tar_zst(tree, backup)
    verify_tar_zst(backup, take(tree))
    assert backup.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"live", "backup.tar.zst"}
    plain = tmp_path / "plain.tar"
    plain.write_bytes(zstandard().decompress(backup.read_bytes()))
    (tmp_path / "restored").mkdir()
    subprocess.run(["tar", "-xpf", str(plain), "-C", str(tmp_path / "restored")], check=True, timeout=30)
    before, after = snapshot(tree), snapshot(tmp_path / "restored")
    del before["."], after["."]
    # Tar sets a directory's time only when it comes back to it; it is in the archive all the same.
    assert after == before


@given(description=TREES)
def test_any_tree_is_verified(tmp_path_factory: pytest.TempPathFactory, description: dict[str, Any]):
    """What is written down about a tree is found in its backup."""
    root = tmp_path_factory.mktemp("tree")
    build(description, root / "live")
    write_tar_zst(root / "live", root / "b")
    verify_tar_zst(root / "b", take(root / "live"))


def test_special_files_are_left_out(tree: Path, tmp_path: Path):
    """Fifos and sockets are no data, and their absence is no difference."""
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "s"))
        write_tar_zst(tree, tmp_path / "b")
        verify_tar_zst(tmp_path / "b", take(tree))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tree: (tree / "new").write_bytes(b""), '1 missing (first "new")'),
        (lambda tree: (tree / "empty").unlink(), '1 too much (first "empty")'),
        (lambda tree: (tree / "empty").write_bytes(b"1"), '1 different (first "empty")'),
        (lambda tree: (tree / "d" / "f").write_bytes(b"y" * 3000), '2 different (first "d/f")'),
        (lambda tree: (tree / "d").chmod(0o700), '1 different (first "d")'),
        (lambda tree: shutil.rmtree(tree / "d"), '3 too much (first "d")'),
    ],
)
def test_differences_are_found(tree: Path, tmp_path: Path, change: Callable[[Path], object], says: str):
    """A backup that lacks something is not relied on, and the error says what."""
    write_tar_zst(tree, tmp_path / "b")
    change(tree)
    with pytest.raises(IntegrityError) as caught:
        verify_tar_zst(tmp_path / "b", take(tree))
    assert says in str(caught.value)
    assert str(caught.value).startswith('cannot rely on the backup "')


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: b"",
        lambda _: compressed(tar([Item("a", "1", target="gone")]), "tar.zst"),
    ],
)
def test_a_damaged_backup_is_found(tree: Path, tmp_path: Path, damage: Callable[[bytes], bytes]):
    """Cut off or altered at any place."""
    path = tmp_path / "b"
    write_tar_zst(tree, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IntegrityError, match="cannot rely on the backup"):
        verify_tar_zst(path, take(tree))


def test_a_file_that_shrinks_or_goes_meanwhile(tree: Path, tmp_path: Path):
    """The archive stays whole, and everything that rested is in it and compared; what disappears is left out."""
    (tree / "large").write_bytes(b"x" * (4 << 20))
    before = take(tree)
    write_tar_zst(tree, tmp_path / "b", check=_emptying(tree / "large"))
    verify_tar_zst(tmp_path / "b", before, steady=before.entries.keys() - {"large"})
    with pytest.raises(IntegrityError, match='1 different \\(first "large"\\)'):
        verify_tar_zst(tmp_path / "b", before)
    (tree / "large").unlink()
    inventory = take(tree)
    (tree / "zz").write_bytes(b"")
    write_tar_zst(tree, tmp_path / "b", check=lambda: (tree / "zz").unlink(missing_ok=True))
    verify_tar_zst(tmp_path / "b", inventory)


def _emptying(path: Path) -> Callable[[], None]:
    """A check that cuts a file short as soon as somebody has it open."""

    def check() -> None:
        opened = Path("/proc/self/fd")
        if any(os.path.realpath(entry) == str(path) for entry in opened.iterdir()):
            os.truncate(path, 1 << 20)

    return check


def test_an_interrupted_backup_leaves_nothing(tree: Path, tmp_path: Path):
    """Neither half a backup nor a temporary file; the one of before stays."""
    (tmp_path / "b").write_bytes(b"before")

    def interrupt(name: str) -> None:
        if name == "archive.backup.written":
            raise KeyboardInterrupt

    faults.install(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_tar_zst(tree, tmp_path / "b")
    finally:
        faults.install(None)
    assert (tmp_path / "b").read_bytes() == b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"live", "b"}
