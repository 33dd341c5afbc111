"""Directories of the updater's own: made with the modes that they are meant to have, swept, removed when empty.

A step sweeps where it is about to write, so that a resume removes what the attempt before it left, and no later one
has to ask whose it was.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from fsm.errors import Refused
from fsm.system import files


def make_directory(path: Path, mode: int) -> None:
    """Make a directory with that mode, whatever the mask; one that is there keeps its own."""
    with suppress(FileExistsError):
        path.mkdir(mode)  # at once, where the mask allows it: who is killed here finds a directory that is there
        path.chmod(mode)


def bytes_matched(root: Path, patterns: files.Patterns) -> int:
    """Bytes of the files in a tree that patterns match; what runs there may remove them at any moment."""
    return sum(_size(root / path) for path in patterns.find(root)) if root.is_dir() else 0


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def remove_empty(*directories: Path) -> None:
    """Remove those that are there and empty, but for what only the updater can remove (`fsm.kit.MakePlaces`)."""
    for directory in directories:
        if directory.is_dir() and not any(directory.iterdir()):
            with suppress(PermissionError):
                directory.rmdir()


def sweep(*directories: Path) -> None:
    """Remove abandoned temporary files from directories of our own; missing ones are fine."""
    for directory in directories:
        if directory.is_dir():
            files.sweep_temporaries(directory)


def sweep_foreign(directory: Path) -> None:
    """The same in a directory that others write to as well: what cannot be removed there is theirs."""
    with suppress(OSError, Refused):
        sweep(directory)
