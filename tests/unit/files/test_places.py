"""Directories keep what a host has made of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fsm.system import files
from tests.app_fixture import write


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """An old tree with odd directories, and a new one, both with a/b, file/ in only one of them."""
    old, new = tmp_path / "old", tmp_path / "new"
    write(old / "a/b/file", b"old")
    write(old / "only/here", b"")
    write(old / "file", b"a file")
    (old / "link").symlink_to("a")
    for name in ("a/b/file", "file/inner", "link/inner", "fresh/inner"):
        write(new / name, b"new")
    (old / "a").chmod(0o2770)
    (old / "a/b").chmod(0o711)
    old.chmod(0o750)
    return old, new


def mode(path: Path) -> int:
    """Its mode, without its kind."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_both_have_gets_the_old_ones_mode(trees):
    """At every depth; what only one has stays, as do files, and what is a file or a link in the other."""
    old, new = trees
    untouched = ("a/b/file", "file", "link", "fresh", "fresh/inner")
    before = {name: mode(new / name) for name in untouched}
    assert files.furnish(old, new) == ()
    assert (mode(new), mode(new / "a"), mode(new / "a/b")) == (0o750, 0o2770, 0o711)
    assert {name: mode(new / name) for name in untouched} == before
    assert (new / "a/b/file").read_bytes() == b"new"
    assert not (new / "only").exists()
    assert files.furnish(old, new) == ()


@pytest.mark.needs_root
def test_owners_and_attributes(trees):
    """Root can give them."""
    old, new = trees
    for path in (old, old / "a"):
        os.chown(path, 4321, 4322)
    os.setxattr(old / "a", "user.note", b"mine")
    files.furnish(old, new)
    assert [(path.stat().st_uid, path.stat().st_gid) for path in (new, new / "a", new / "a/b")] == [
        (4321, 4322),
        (4321, 4322),
        (0, 0),
    ]
    assert os.getxattr(new / "a", "user.note") == b"mine"
    assert (new / "a/b/file").stat().st_uid == 0


def test_a_directory_that_its_user_could_not_write_to_stays(trees, monkeypatch):
    """Preserved files are still to come into it. Root does not mind."""
    old, new = trees
    (old / "a/b").chmod(0o555)
    before = mode(new / "a/b")
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    files.furnish(old, new)
    assert mode(new / "a/b") == before


def test_it_can_be_interrupted(trees):
    """And done again."""
    old, new = trees
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.furnish(old, new, check=check)
    files.furnish(old, new)
    assert mode(new / "a/b") == 0o711


def test_a_link_in_the_new_tree_is_not_followed(trees, tmp_path):
    """Whatever it leads to keeps its mode."""
    old, new = trees
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (new / "only").symlink_to(elsewhere)
    files.furnish(old, new)
    assert mode(elsewhere) == 0o700


def test_without_an_old_tree(trees, tmp_path):
    """The caller has looked."""
    with pytest.raises(FileNotFoundError):
        files.furnish(tmp_path / "none", trees[1])
