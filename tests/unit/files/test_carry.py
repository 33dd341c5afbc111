"""Carrying over what patterns name, into a tree that has things of its own."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from fsm.system.digest import no_check
from fsm.system.files import Patterns, carry, mirroring
from tests.unit.files.trees import snapshot

pytestmark = pytest.mark.needs_linux


def write(path: Path, content: bytes = b"", mode: int = 0o644) -> None:
    """A file, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


@pytest.fixture
def old_and_new(tmp_path: Path) -> tuple[Path, Path]:
    """A live tree with local files, and a new release."""
    old, new = tmp_path / "old", tmp_path / "new"
    write(old / ".env", b"SECRET=1\r\n", 0o600)
    write(old / "config" / "app.toml", b"mine", 0o640)
    write(old / "config" / "sub" / "x", b"x")
    (old / "config" / "same").hardlink_to(old / ".env")
    (old / "config").chmod(0o700)
    write(old / "app.py", b"old")
    write(old / "var" / "run" / "state", b"s")
    (old / "var").chmod(0o711)
    write(new / "app.py", b"new")
    write(new / "config" / "app.toml", b"default")
    write(new / "config" / "new.toml", b"new default")
    return old, new


def test_carry_takes_what_patterns_name(old_and_new: tuple[Path, Path]):
    """Named files keep bytes, modes, times and links; what the release brings beside them stays."""
    old, new = old_and_new
    before = snapshot(old)
    report = carry(old, new, Patterns([".env", "config/", "var/run/state", "var/missing/*"]))
    after = snapshot(new)
    for path in (".env", "config/app.toml", "config/sub/x", "config/same", "var/run/state"):
        assert after[path] == before[path], path
    assert after["config"][:3] == before["config"][:3]
    assert (new / "config").stat().st_mode & 0o777 == 0o700
    assert (new / "var").stat().st_mode & 0o777 == 0o711
    assert (new / "config" / "new.toml").read_bytes() == b"new default"
    assert (new / "app.py").read_bytes() == b"new"
    assert (report.copied, report.linked, report.removed, report.notes) == (4, 1, 0, ())
    again = carry(old, new, Patterns([".env", "config/", "var/run/state"]))
    assert (again.copied, again.linked, again.unchanged) == (0, 0, 5)


def test_carry_follows_no_link_of_the_release(old_and_new: tuple[Path, Path], tmp_path: Path):
    """A release that makes a link of a preserved directory does not get secrets written elsewhere; that is noted."""
    old, new = old_and_new
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(new / "config")
    (new / "config").symlink_to(outside)
    (new / ".env").mkdir()
    write(new / ".env" / "x")
    report = carry(old, new, Patterns([".env", "config/"]))
    assert list(outside.iterdir()) == []
    assert (new / "config" / "app.toml").read_bytes() == b"mine"
    assert (new / ".env").read_bytes() == b"SECRET=1\r\n"
    assert set(report.notes) == {
        '".env" was of another kind, and was replaced',
        '"config" was of another kind, and was replaced',
    }


def test_carry_gives_back_the_modes_of_directories_on_the_way(old_and_new: tuple[Path, Path]):
    """A read-only directory of the release that only leads to a preserved file stays read-only."""
    old, new = old_and_new
    write(new / "var" / "readme")
    (new / "var").chmod(0o555)
    carry(old, new, Patterns(["var/run/state"]))
    assert (new / "var").stat().st_mode & 0o777 == 0o555
    assert (new / "var" / "run" / "state").read_bytes() == b"s"


def test_carry_sweeps_what_a_killed_one_left(old_and_new: tuple[Path, Path]):
    """Half a file under a temporary name goes, though nothing else is deleted."""
    old, new = old_and_new
    write(new / "config" / ".fsm-tmp-4194999-0", b"half")
    write(new / "config" / ".fsm-tmp-1-0", b"somebody writes this")
    carry(old, new, Patterns(["config/"]))
    assert {path.name for path in (new / "config").iterdir()} >= {".fsm-tmp-1-0", "new.toml"}
    assert not (new / "config" / ".fsm-tmp-4194999-0").exists()


def test_carry_trusts_no_size_and_time(old_and_new: tuple[Path, Path]):
    """A file of the release with the size and time of the preserved one is another file all the same."""
    old, new = old_and_new
    for root, content in ((old, b"mine"), (new, b"them")):
        (root / "config" / "app.toml").write_bytes(content)
        (root / "config" / "app.toml").chmod(0o640)
        os.utime(root / "config" / "app.toml", ns=(10**18, 10**18))
    carry(old, new, Patterns(["config/"]))
    assert (new / "config" / "app.toml").read_bytes() == b"mine"


def test_carry_of_nothing(old_and_new: tuple[Path, Path]):
    """Without patterns nothing happens."""
    old, new = old_and_new
    before = snapshot(new)
    carry(old, new, Patterns([]), check=no_check)
    assert snapshot(new) == before


@pytest.mark.parametrize(("count", "by"), [(3, "one"), (200, "all")])
def test_carry_syncs_what_it_carried_and_no_more(
    old_and_new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, count: int, by: str
):
    """A few files are synced one by one, with their directories: a whole file system may have seconds of writes."""
    old, new = old_and_new
    for number in range(count):
        (old / "config" / f"part-{number}").write_text("x")
    synced: list[str] = []
    monkeypatch.setattr(mirroring, "sync_filesystem", lambda path: synced.append("all"))
    monkeypatch.setattr(mirroring, "sync_entry", lambda path: synced.append(str(path.relative_to(new))))
    carry(old, new, Patterns(["config/"]))
    if by == "all":
        assert synced == ["all"]
    else:
        assert {".", "config", "config/part-0", "config/part-2"} <= set(synced)
        below = (str(entry.relative_to(new)) for entry in (new / "config").rglob("*"))
        assert set(synced) <= {".", "config", *below}


def test_carry_syncs_what_it_may_not_open(old_and_new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    """A file without read permission is made durable with everything else."""
    old, new = old_and_new
    synced: list[Path] = []

    def closed(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(mirroring, "sync_filesystem", synced.append)
    monkeypatch.setattr(mirroring, "sync_entry", closed)
    carry(old, new, Patterns([".env"]))
    assert synced == [new]


def test_carry_tells_what_could_not_be_synced(old_and_new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    """An error of the disk is never taken for something else."""
    old, new = old_and_new

    def broken(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(mirroring, "sync_entry", broken)
    with pytest.raises(OSError, match="Input/output error"):
        carry(old, new, Patterns([".env"]))
