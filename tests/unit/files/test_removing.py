"""Removing trees: what must go, and what must never go with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fsm.errors import Refused
from fsm.system import faults
from fsm.system.files import disk_free, mounts_within, remove_tree, tree_size
from fsm.system.files.mounts import mounts_by_walking
from fsm.system.files.nofollow import open_dir

pytestmark = pytest.mark.needs_linux


def test_a_tree_goes_and_what_links_point_to_stays(tmp_path: Path):
    """Links are removed, not followed; read-only directories are no obstacle."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x")
    tree = tmp_path / "tree"
    (tree / "sub" / "read-only").mkdir(parents=True)
    (tree / "sub" / "read-only" / "f").write_bytes(b"")
    (tree / "link").symlink_to(outside)
    (tree / "sub" / "up").symlink_to("../..")
    os.mkfifo(tree / "fifo")
    (tree / "sub" / "read-only").chmod(0o500)
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "precious").exists()


def test_missing_files_and_links_likewise(tmp_path: Path):
    """What is not there is fine, a file is removed, and of a link only the link."""
    remove_tree(tmp_path / "missing")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["dir"]


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A relative path means what it says."""
    monkeypatch.chdir(tmp_path)
    Path("a/b").mkdir(parents=True)
    remove_tree(Path("a"))
    assert list(tmp_path.iterdir()) == []


def test_a_bottomless_tree(tmp_path: Path):
    """A service cannot make a tree that is too deep to be removed: depth costs neither descriptors nor stack."""
    top = tmp_path / "deep"
    top.mkdir()
    with open_dir(top) as first:
        here = os.dup(first)
        for _ in range(1500):
            os.mkdir("d", dir_fd=here)
            with open(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here), "wb"):
                pass
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
    remove_tree(top)
    assert list(tmp_path.iterdir()) == []


def test_killed_half_way_and_called_again(tmp_path: Path):
    """Whatever a first call has left, a second one removes; `check` and the fault point come between entries."""
    tree = tmp_path / "tree"
    for name in "abc":
        (tree / name).mkdir(parents=True)
        (tree / name / "f").write_bytes(b"")
    seen = []

    def fault(name: str) -> None:
        seen.append(name)
        if len(seen) == 3:
            raise KeyboardInterrupt

    faults.install(fault)
    try:
        with pytest.raises(KeyboardInterrupt):
            remove_tree(tree)
    finally:
        faults.install(None)
    assert set(seen) == {"files.remove_tree.removed"}
    assert 0 < tree_size(tree)[1] < 3
    remove_tree(tree)
    assert not tree.exists()


@pytest.mark.needs_root
def test_ones_own_unreadable_directories(theirs: Path, as_nobody):
    """Without root's rights, a directory of mode 0 in one of mode 0500 goes as well."""
    tree = theirs / "tree"
    (tree / "a" / "b" / "c").mkdir(parents=True)
    for path, mode in ((tree / "a" / "b", 0), (tree / "a", 0o500), (tree, 0o500)):
        path.chmod(mode)
    for path in (tree, tree / "a", tree / "a" / "b", tree / "a" / "b" / "c"):
        os.chown(path, 65534, 65534)
    with as_nobody():
        remove_tree(tree)
    assert not tree.exists()


@pytest.mark.needs_root
def test_mount_points_are_refused_before_anything_goes(tmp_path: Path, mount):
    """Neither a mounted file system nor a bind mount of the same one is reached into, at the top or below it."""
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "file").write_bytes(b"")
    data = tmp_path / "data"
    data.mkdir()
    (data / "precious").write_bytes(b"")
    bind = tree / "z with space"
    bind.mkdir()
    mount(bind, "--bind", str(data))
    for path in (tree, bind):
        with pytest.raises(Refused) as caught:
            remove_tree(path)
        assert f'"{bind}" is a mount point' in str(caught.value)
    assert (data / "precious").exists()
    assert (tree / "a" / "file").exists()


@pytest.mark.needs_root
def test_mounts_are_found_by_list_and_by_walk(tmp_path: Path, mount):
    """Both ways agree about mounted file systems; through a link the same are found."""
    point = mount(tmp_path / "tmpfs", "-t", "tmpfs", "none")
    assert mounts_within(tmp_path) == mounts_by_walking(tmp_path) == (point,)
    assert mounts_within(point) == (point,)
    (tmp_path / "link").symlink_to(tmp_path)
    assert mounts_within(tmp_path / "link" / "tmpfs") == (point,)


def test_sizes(tmp_path: Path):
    """Files count their bytes once, names each; links are not followed."""
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "f").write_bytes(b"x" * 1000)
    (tmp_path / "d" / "e" / "g").hardlink_to(tmp_path / "d" / "f")
    (tmp_path / "d" / "h").write_bytes(b"y" * 10)
    (tmp_path / "d" / "link").symlink_to("/etc")
    assert tree_size(tmp_path / "d") == (1010, 4)
    assert tree_size(tmp_path / "d" / "h") == (10, 1)
    assert tree_size(tmp_path / "missing") == (0, 0)


def test_disk_free_looks_at_the_nearest_parent(tmp_path: Path):
    """Room is asked for where a directory will be, before it is there."""
    here, there = disk_free(tmp_path), disk_free(tmp_path / "not" / "yet")
    assert here > 0
    assert abs(here - there) < 1 << 30
