"""Moving many entries of a tree: directories stay open in between, and are believed no longer than they last."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from fsm.system.files import Mover

pytestmark = pytest.mark.needs_linux


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A tree of a few files, and an empty one."""
    for name in ("a/b/one", "a/b/two", "a/c/three", "a/four", "five"):
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text(name)
    (tmp_path / "to").mkdir()
    return tmp_path / "from", tmp_path / "to"


def test_entries_come_to_the_same_places(trees: tuple[Path, Path]):
    """In any order, and nothing stays open."""
    source, target = trees
    before = len(os.listdir("/proc/self/fd"))
    with Mover(source, target) as mover:
        for name in ("a/b/one", "five", "a/c/three", "a/b/two", "a/four"):
            assert mover.move(PurePosixPath(name))
            assert (target / name).read_text() == name
        assert not mover.move(PurePosixPath("a/b/one")), "it is gone"
        assert not mover.move(PurePosixPath("a/none/at/all"))
    assert len(os.listdir("/proc/self/fd")) == before
    assert not [path for path in source.rglob("*") if path.is_file()]


def test_a_directory_that_took_the_place_of_an_open_one_is_found(trees: tuple[Path, Path]):
    """What lies in it was listed there, and would be lost with the tree."""
    source, target = trees
    with Mover(source, target) as mover:
        assert mover.move(PurePosixPath("a/b/one"))
        (source / "a/b").rename(source / "elsewhere")
        (source / "a/b").mkdir()
        (source / "a/b/new").write_text("new")
        assert mover.move(PurePosixPath("a/b/new"))
    assert (target / "a/b/new").read_text() == "new"


def test_a_file_of_the_same_name_in_a_directory_that_was_moved_away_is_another(trees: tuple[Path, Path]):
    """Only what lies in the tree is moved, though the other directory is still open."""
    source, target = trees
    with Mover(source, target) as mover:
        assert mover.move(PurePosixPath("a/b/one"))
        (source / "a").rename(source.parent / "elsewhere")
        (source / "a/b").mkdir(parents=True)
        (source / "a/b/two").write_text("the tree's")
        assert mover.move(PurePosixPath("a/b/two"))
    assert (target / "a/b/two").read_text() == "the tree's"
    assert (source.parent / "elsewhere/b/two").read_text() == "a/b/two"


def test_a_link_that_took_its_place_is_not_followed(trees: tuple[Path, Path], tmp_path: Path):
    """What it leads to is not in the tree."""
    source, target = trees
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    with Mover(source, target) as mover:
        assert mover.move(PurePosixPath("a/b/one"))
        (source / "a/b").rename(source / "elsewhere")
        (source / "a/b").symlink_to(tmp_path / "outside")
        assert not mover.move(PurePosixPath("a/b/secret"))
    assert (tmp_path / "outside/secret").exists()
