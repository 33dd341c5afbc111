"""How much there is, and how much there is room for."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def tree_size(path: Path) -> tuple[int, int]:
    """Bytes and number of the files below a directory: what a copy of it would need.

    A file with several names counts its bytes once, each of its names as a file; directories count as neither. Links
    are not followed. What disappears meanwhile is left out.

    Args:
        path: a directory, a file, or something missing (0 bytes, 0 files).

    Raises:
        OSError: a directory cannot be read.
    """
    size = files = 0
    seen: set[tuple[int, int]] = set()
    waiting = [path]
    while waiting:
        for entry in _statuses(waiting.pop()):
            if isinstance(entry, Path):
                waiting.append(entry)
                continue
            files += 1
            inode = entry.st_dev, entry.st_ino
            if stat.S_ISREG(entry.st_mode) and inode not in seen:
                size += entry.st_size
                if entry.st_nlink > 1:
                    seen.add(inode)
    return size, files


def _statuses(path: Path) -> list[os.stat_result | Path]:
    """What is in a directory: the status of files, the paths of directories."""
    found: list[os.stat_result | Path] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.append(Path(entry.path))
                else:
                    with suppress(FileNotFoundError):
                        found.append(entry.stat(follow_symlinks=False))
    except NotADirectoryError:
        return [path.lstat()]
    except FileNotFoundError:
        return []
    return found


def disk_free(path: Path) -> int:
    """Bytes that this user may still write where `path` is, or will be: at its nearest existing parent.

    Raises:
        OSError: the file system does not say.
    """
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    import shutil  # noqa: PLC0415 - 5 ms: it brings every compression along

    return shutil.disk_usage(place).free
