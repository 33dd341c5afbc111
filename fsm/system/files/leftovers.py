"""Finding and removing what a killed updater left half written."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from fsm.system.files.naming import maker
from fsm.system.files.removing import remove_tree

_ABANDONED_AFTER: Final = 3600.0


def sweep_temporaries(directory: Path) -> tuple[Path, ...]:
    """Remove what killed updaters left half written in one directory (not below it).

    What a living process may still be writing stays: its number is part of the name. Numbers are used again, so after
    an hour without a change a temporary file counts as abandoned whatever the number says.

    Returns:
        What was removed.

    Raises:
        Refused, OSError: the directory cannot be read, or something in it not removed.
    """
    removed = []
    # By names: the directory may be one that a thousand components lie in, and then this is done a thousand times.
    for path in sorted(directory / name for name in os.listdir(directory) if maker(name) is not None):
        if _abandoned(path):
            remove_tree(path)
            removed.append(path)
    return tuple(removed)


def is_leftover(name: str) -> bool:
    """Whether this is the name of a temporary file whose process is gone."""
    pid = maker(name)
    return pid is not None and not _alive(pid)


def _abandoned(path: Path) -> bool:
    if is_leftover(path.name):
        return True
    try:
        # The time of change, not of modification: that of a copied file is the original's.
        return time.time() - path.lstat().st_ctime > _ABANDONED_AFTER
    except FileNotFoundError:
        return False


def _alive(pid: int) -> bool:
    if os.name == "nt":  # pragma: no cover - there os.kill(pid, 0) would end the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
