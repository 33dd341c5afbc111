"""Setting aside what a version wrote that is being rolled back: moved and named, never dropped."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fsm.kit import make_directory, remove_empty, sweep
from fsm.system import faults, files, inventory
from fsm.system.characters import printable
from fsm_python_app.layout import Layout


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
        make_directory(dest.parent, 0o700)
        make_directory(dest, 0o700)
        sweep(dest)
        known = _known(layout, run)
        for entry in _files(tree, check):
            path, found = PurePosixPath(entry.path), (entry.size, entry.mtime_ns)
            brought = known.get(entry.path) == found or _signature(old / path) == found
            if brought or files.is_leftover(path.name) or ours(path):
                continue
            files.move_within(tree, dest, path, check=check)
            faults.point("aside.moved")
    moved = sorted(entry.path for entry in _files(dest, check)) if dest.is_dir() else []
    remove_empty(dest)
    if not moved:
        return ()
    files.sync_filesystem(dest)  # whoever wrote it need not have
    names = ", ".join(printable(path) for path in moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")
    return (f"{len(moved)} file{'s' if len(moved) != 1 else ''} that the new version wrote: kept in {dest} ({names})",)


def _known(layout: Layout, run: int) -> dict[str, tuple[int, int]]:
    path = layout.paths(run).new_inventory
    if not path.exists():
        return {}
    return {entry.path: (entry.size, entry.mtime_ns) for entry in inventory.load(path)}


def _signature(path: Path) -> tuple[int, int] | None:
    """Carried over and left as it was: the copy has the original's size and time. None if there is no such file."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else 0, found.st_mtime_ns


def _files(tree: Path, check: Callable[[], None]) -> list[inventory.Entry]:
    return [entry for entry in inventory.take(tree, check=check, hash=False) if entry.kind != "dir"]
