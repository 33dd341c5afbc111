"""Copies and moves between two trees whose directories may be swapped for links at any moment."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from backports import zstd

from fsm.system import inventory
from fsm.system.archive import write_tar_zst
from fsm.system.files import GONE, Mover, copy_within, mirror
from fsm.system.files.moving import Spot, exchange_spots, move_spot, open_below, sync_spots

pytestmark = pytest.mark.needs_linux

ENTRY = PurePosixPath("data/sub/file")


def move_within(source: Path, target: Path, path: PurePosixPath) -> bool:
    """Move a single entry."""
    with Mover(source, target) as mover:
        return mover.move(path)


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A tree with a file, an empty one, and a directory outside of both."""
    source, target, outside = tmp_path / "source", tmp_path / "target", tmp_path / "outside"
    (source / "data/sub").mkdir(parents=True)
    (source / "data").chmod(0o750)
    (source / ENTRY).write_bytes(b"bytes")
    (source / ENTRY).chmod(0o640)
    target.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(b"of somebody else's")
    return source, target, outside


def untouched(outside: Path) -> bool:
    """Whether nothing happened there."""
    return [path.name for path in outside.iterdir()] == ["file"] and (
        outside / "file"
    ).read_bytes() == b"of somebody else's"


def test_a_copy_has_the_directories_above_it_as_they_are(trees):
    """With their modes; those that are there keep their own."""
    source, target, _ = trees
    assert copy_within(source, target, ENTRY) == ()
    assert (target / ENTRY).read_bytes() == b"bytes"
    assert (target / ENTRY).stat().st_mode & 0o777 == 0o640
    assert (target / "data").stat().st_mode & 0o777 == 0o750
    (target / "data").chmod(0o700)
    copy_within(source, target, ENTRY)
    assert (target / "data").stat().st_mode & 0o777 == 0o700


def test_a_copy_follows_no_link_in_the_source(trees):
    """A directory that has become a link is gone, and its link is not copied either."""
    source, target, outside = trees
    (source / "data/sub").rename(source / "data/was")
    (source / "data/sub").symlink_to(outside)
    with pytest.raises(OSError) as found:  # noqa: PT011 - by its number
        copy_within(source, target, ENTRY)
    assert found.value.errno in GONE
    assert not os.path.lexists(target / "data/sub")


def test_a_copy_replaces_a_link_in_the_target(trees):
    """What it leads to stays as it was."""
    source, target, outside = trees
    (target / "data").mkdir()
    (target / "data/sub").symlink_to(outside)
    copy_within(source, target, ENTRY)
    assert untouched(outside)
    assert not (target / "data/sub").is_symlink()
    assert (target / ENTRY).read_bytes() == b"bytes"


def test_a_move_follows_no_link_on_either_side(trees):
    """One that is not there any more was not moved, which is no error."""
    source, target, outside = trees
    (target / "data").mkdir()
    (target / "data/sub").symlink_to(outside)
    assert move_within(source, target, ENTRY)
    assert untouched(outside)
    assert (target / ENTRY).read_bytes() == b"bytes"
    assert not (source / ENTRY).exists()
    (source / "data/sub").rmdir()
    (source / "data/sub").symlink_to(outside)
    assert not move_within(source, target, ENTRY)
    assert untouched(outside)
    assert not move_within(source, target, PurePosixPath("missing"))


def test_a_move_to_another_file_system_is_a_copy(trees):
    """With everything that belongs to the file."""
    source, _, _ = trees
    with tempfile.TemporaryDirectory(dir="/dev/shm") as there:
        assert Path(there).stat().st_dev != source.stat().st_dev
        assert move_within(source, Path(there), ENTRY)
        assert Path(there, ENTRY).stat().st_mode & 0o777 == 0o640
    assert not (source / ENTRY).exists()


def test_a_move_that_fails_for_another_reason_says_so(trees):
    """A directory is in its place."""
    source, target, _ = trees
    (target / ENTRY).mkdir(parents=True)
    (target / ENTRY / "full").touch()
    with pytest.raises(IsADirectoryError):
        move_within(source, target, ENTRY)


def test_spots_are_exchanged_and_moved_by_descriptors(trees):
    """Whatever the names on the way there lead to meanwhile."""
    source, target, outside = trees
    (target / "new").mkdir()
    with open_below(source, "data") as here, open_below(target) as there:
        (source / "data").rename(source / "was")
        (source / "data").symlink_to(outside)
        first, second = Spot(here, "sub"), Spot(there, "new")
        exchange_spots(first, second)
        assert (target / "new/file").read_bytes() == b"bytes"
        assert (source / "was/sub").is_dir()
        with pytest.raises(FileExistsError):
            move_spot(second, first)
        move_spot(second, Spot(there, "moved"))
        sync_spots(first, second)
        assert second.status() is None
        assert not second.is_directory()
        assert Spot(there, "moved").is_directory()
        assert Spot(there, "moved").is_directory(os.geteuid())
        assert not Spot(there, "moved").is_directory(os.geteuid() + 1)
    assert untouched(outside)


def test_no_link_is_opened_below(trees):
    """The first directory is the caller's to trust; what is below is not."""
    source, _, outside = trees
    (source / "link").symlink_to(outside)
    with pytest.raises(OSError) as found, open_below(source, "link"):  # noqa: PT011 - by its number
        raise AssertionError("it was opened")
    assert found.value.errno in {errno.ELOOP, errno.ENOTDIR}


def test_a_second_name_of_a_file_is_no_second_name_of_somebody_elses(trees):
    """The directory of the first one is swapped for a link before its turn comes."""
    source, target, outside = trees
    (source / "again").mkdir()
    (source / "again/file").hardlink_to(source / ENTRY)
    (source / ENTRY).rename(source / "again/first")
    (source / "zone").mkdir()
    (source / "zone/file").hardlink_to(source / "again/first")
    (outside / "first").write_bytes(b"of somebody else's")

    def swap() -> None:
        if (target / "zone").exists() and not (target / "again").is_symlink():
            (target / "again").rename(target / "was")
            (target / "again").symlink_to(outside)

    mirror(source, target, check=swap)
    assert (target / "again").is_symlink()
    assert (target / "zone/file").read_bytes() == b"bytes"
    assert (outside / "first").stat().st_nlink == 1


def test_an_archive_has_nothing_that_lies_outside_of_the_tree(trees):
    """A directory that was swapped for a link since it was listed is gone, as far as the archive goes."""
    source, target, outside = trees
    (outside / "file").write_bytes(b"a secret of root's")
    calls, listed = [], len(inventory.take(source))

    def swap() -> None:
        calls.append(1)
        if len(calls) == listed + 1:
            (source / "data/sub").rename(source / "data/was")
            (source / "data/sub").symlink_to(outside)

    write_tar_zst(source, target / "made.tar.zst", check=swap)
    assert (source / "data/sub").is_symlink()
    assert b"a secret" not in zstd.decompress((target / "made.tar.zst").read_bytes())
