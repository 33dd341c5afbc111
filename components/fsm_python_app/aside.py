"""Setting aside what a version wrote that is being rolled back: moved and named, never dropped."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from fsm.errors import count
from fsm.kit import make_directory, remove_empty, sweep
from fsm.system import faults, files, inventory
from fsm_python_app.layout import Layout
from fsm_python_app.listing import SHOWN, first, shown


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
        with files.Mover(tree, dest, check) as mover:
            for known, entry in inventory.paired(_known(layout, run), _files(tree, check)):
                if entry is None or _is_brought(entry, known, old):
                    continue
                path = PurePosixPath(entry.path)
                if files.is_leftover(path.name) or ours(path):
                    continue
                mover.move(path)
                faults.point("aside.moved")
    some, number = first(_kept(dest, check) if dest.is_dir() else iter(()), SHOWN)
    remove_empty(dest)
    if not number:
        return ()
    files.sync_filesystem(dest)  # whoever wrote it need not have
    names = shown([entry.path for entry in some], number)
    return (f"{count(number, 'file')} that the new version wrote: kept in {dest} ({names})",)


def _kept(dest: Path, check: Callable[[], None]) -> Iterator[inventory.Entry]:
    """What lies there; what a killed copy left half written is removed, wherever it is."""
    for entry in _files(dest, check):
        if files.is_leftover(PurePosixPath(entry.path).name):
            (dest / entry.path).unlink()
        else:
            yield entry


def _known(layout: Layout, run: int) -> Iterator[inventory.Entry]:
    """What the release brought."""
    path = layout.paths(run).new_inventory
    return inventory.read(path) if path.exists() else iter(())


def _is_brought(entry: inventory.Entry, known: inventory.Entry | None, old: Path) -> bool:
    """Whether it is as the release brought it, or as the old tree has it."""
    found = entry.size, entry.mtime_ns
    return (known is not None and (known.size, known.mtime_ns) == found) or _signature(old / entry.path) == found


def _signature(path: Path) -> tuple[int, int] | None:
    """Carried over and left as it was: the copy has the original's size and time. None if there is no such file."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else 0, found.st_mtime_ns


def _files(tree: Path, check: Callable[[], None]) -> Iterator[inventory.Entry]:
    return (entry for entry in inventory.scan(tree, check=check, hash=False) if entry.kind != "dir")
