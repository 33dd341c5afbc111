"""Mirroring a tree whose program still runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fsm.system.files import mirror, treecopy
from tests.unit.files.trees import snapshot

pytestmark = pytest.mark.needs_linux


def put(path: Path, kind: str) -> None:
    """Have something of that kind there, instead of what there is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "dir":
        path.mkdir()
        (path / "f").write_bytes(b"anew")
    elif kind == "link":
        path.symlink_to("a")
    else:
        path.write_bytes(b"anew")


@pytest.mark.parametrize("gap", [True, False], ids=["removed-first", "replaced"])
@pytest.mark.parametrize("after", ["file", "dir", "link"])
@pytest.mark.parametrize("before", ["file", "dir", "link"])
def test_what_is_made_anew_meanwhile_is_looked_at_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, gap: bool
):
    """A program that removes a file and makes it again is no reason to give up, whatever it makes."""
    src, dst = tmp_path / "src", tmp_path / "dst"
    src.mkdir()
    (src / "a").write_bytes(b"x")
    put(src / "busy", before)
    left = ["once"]

    def check() -> None:
        if (dst / "a").exists() and left:
            left.clear()
            put(src / "busy", after)
            if gap:
                (src / "busy").rename(tmp_path / "away")

    looked = treecopy._status  # the moment between a failure and the look at its reason

    def look(name: str, dir_fd: int) -> os.stat_result | None:
        if (tmp_path / "away").exists():
            (tmp_path / "away").rename(src / "busy")
        return looked(name, dir_fd)

    monkeypatch.setattr(treecopy, "_status", look)
    mirror(src, dst, check=check)
    mirror(src, dst)
    assert not left
    assert snapshot(dst) == snapshot(src)
