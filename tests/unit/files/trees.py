"""Random trees on disk, and what a tree looks like when everything about it counts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c", "A", ".env", "config", "ä", "with space", "x.py"])
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o400, 0o640, 0o4755])
TIMES = st.integers(min_value=10**18, max_value=2 * 10**18)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A regular file: few sizes and times, so that two of them are often nearly the same."""
    content = draw(st.sampled_from([b"", b"one", b"two", b"x" * 5000]))
    return {
        "kind": "file",
        "content": content,
        "mode": draw(MODES),
        "mtime": draw(st.sampled_from([10**18, 10**18 + 1])),
    }


LINKS = st.fixed_dictionaries({"kind": st.just("symlink"), "target": st.sampled_from(["a", "../b", "/nowhere", "."])})
HARD = st.fixed_dictionaries({"kind": st.just("hard"), "of": st.integers(0, 3)})


def _dirs(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("dir"),
            "entries": st.dictionaries(NAMES, children, max_size=4),
            "mode": st.sampled_from([0o755, 0o700, 0o555]),
            "mtime": TIMES,
        }
    )


TREES = _dirs(st.recursive(files() | LINKS | HARD, _dirs, max_leaves=12))
"""Descriptions of trees; `build` makes them real."""


def build(description: dict[str, Any], root: Path) -> None:
    """Make a described tree real."""
    root.mkdir(exist_ok=True)
    _fill(description, root, [])


def _fill(description: dict[str, Any], root: Path, made: list[Path]) -> None:
    for name, entry in description["entries"].items():
        path = root / name
        if entry["kind"] == "dir":
            path.mkdir()
            _fill(entry, path, made)
        elif entry["kind"] == "symlink":
            path.symlink_to(entry["target"])
        elif entry["kind"] == "hard" and entry["of"] < len(made):
            path.hardlink_to(made[entry["of"]])
        elif entry["kind"] == "file":
            path.write_bytes(entry["content"])
            path.chmod(entry["mode"])
            os.utime(path, ns=(entry["mtime"], entry["mtime"]))
            made.append(path)
    root.chmod(description["mode"])
    os.utime(root, ns=(description["mtime"], description["mtime"]))


def snapshot(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything that a copy has to keep, by path: which names are hard links of which file, too."""
    found = dict(_entries(root, ""))
    groups: dict[Any, list[str]] = {}
    for path, (_, inode, *_rest) in found.items():
        groups.setdefault(inode, []).append(path)
    return {path: (tuple(groups[values[1]]), values[0], *values[2:]) for path, values in found.items()}


def _entries(root: Path, prefix: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for path in sorted([root, *root.iterdir()] if not prefix else root.iterdir()):
        name = prefix + path.name if path != root or prefix else "."
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        inode = (status.st_dev, status.st_ino)
        common = (status.st_uid, status.st_gid, status.st_mtime_ns)
        if path.is_symlink():
            yield name, (kind, inode, os.readlink(path), *common)
        elif path.is_dir():
            yield name, (kind, inode, stat.S_IMODE(status.st_mode), *common)
            if name != ".":
                yield from _entries(path, name + "/")
        elif path.is_file():
            yield name, (kind, inode, stat.S_IMODE(status.st_mode), *common, path.read_bytes())
