"""Setting aside what a version wrote that is being rolled back: moved and named, never dropped."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fsm.kit import sweep
from fsm.system import faults, files, inventory
from fsm_python_app.layout import Layout, printable


def is_cache(path: PurePosixPath) -> bool:
    """Files that Python writes by itself and can write again."""
    return "__pycache__" in path.parts or path.suffix == ".pyc"


def set_aside(
    tree: Path,
    old: Path,
    layout: Layout,
    run: int,
    ours: Callable[[PurePosixPath], bool],
    check: Callable[[], None],
    *,
    finished: bool = True,
) -> tuple[str, ...]:
    """Move every file of `tree` that neither the release brought nor the old tree has out of it.

    Args:
        tree: the new version's tree, after it was taken out of service.
        old: the old version's tree.
        layout: where to put it.
        run: the run being rolled back.
        ours: files that the updater or Python made itself.
        check: called in between.
        finished: whether the tree was ever whole; half a tree holds nothing that a version wrote.

    Returns:
        Notes for the user: one that names the place, or none.
    """
    dest = layout.aside / str(run)
    if tree.is_dir() and finished:
        dest.parent.mkdir(mode=0o700, exist_ok=True)
        known = _known(layout, run)
        for path in _files(tree):
            check()
            if (
                files.is_leftover(path.name)
                or ours(path)
                or _signature(tree / path) == known.get(str(path))
                or _same(tree / path, old / path)
            ):
                continue
            (dest / path).parent.mkdir(parents=True, exist_ok=True)
            _move(tree / path, dest / path)
            faults.point("aside.moved")
    moved = sorted(str(path) for path in _files(dest)) if dest.is_dir() else []
    if not moved:
        return ()
    names = ", ".join(printable(path) for path in moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
    return (f"{len(moved)} file{'s' if len(moved) != 1 else ''} that the new version wrote: kept in {dest} ({names})",)


def _move(source: Path, dest: Path) -> None:
    """Within one file system a rename; from a live tree that is a mount point of its own, a copy."""
    try:
        source.rename(dest)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        sweep(dest.parent)
        files.copy_entry(source, dest)
        source.unlink()


def _known(layout: Layout, run: int) -> dict[str, tuple[int, int]]:
    path = layout.paths(run).new_inventory
    if not path.exists():
        return {}
    return {entry.path: (entry.size, entry.mtime_ns) for entry in inventory.load(path)}


def _signature(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_size, found.st_mtime_ns


def _same(new: Path, old: Path) -> bool:
    """Carried over and left as it was: the copy has the original's size and time."""
    try:
        return _signature(new) == _signature(old)
    except OSError:
        return False


def _files(tree: Path) -> list[PurePosixPath]:
    found = []
    for root, directories, names in os.walk(tree):
        links = [name for name in directories if (Path(root) / name).is_symlink()]
        found += [PurePosixPath((Path(root) / name).relative_to(tree).as_posix()) for name in [*names, *links]]
    return found
