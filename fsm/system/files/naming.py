"""Names of temporary files, and names as people see them.

A temporary name holds the number of the process that made it. That is what lets a resume tell the leavings of a
killed updater from the work of one that is still running (`fsm.system.files.leftovers`).
"""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Callable
from typing import Final, TypeVar

_BEGIN: Final = ".fsm-tmp-"
_TEMPORARY: Final = re.compile(r"^\.fsm-tmp-(\d+)-\d+$")
_ATTEMPTS: Final = 1000
_count = itertools.count()

_Made = TypeVar("_Made")


def with_temporary_name(make: Callable[[str], _Made]) -> tuple[str, _Made]:
    """Call `make` with a name that no other process or thread uses, until one is free.

    Args:
        make: creates the thing, and raises FileExistsError when something of that name is there: a file that an
            earlier process with the same number left behind, say.

    Returns:
        The name (without a directory), and what `make` returned.

    Raises:
        OSError: `make` failed for another reason, or a thousand names were taken.
    """
    for _ in range(_ATTEMPTS):
        name = f"{_BEGIN}{os.getpid()}-{next(_count)}"
        try:
            return name, make(name)
        except FileExistsError:
            continue
    raise FileExistsError(errno.EEXIST, "every temporary name is taken; remove the files", name)


def maker(name: str) -> int | None:
    """The number of the process that made a temporary name of ours; None for any other name."""
    match = _TEMPORARY.match(name) if name.startswith(_BEGIN) else None
    return int(match[1]) if match else None


def shown(name: str | os.PathLike[str]) -> str:
    """A file name as people should see it: in double quotes, what is not printable (or no text at all) escaped."""
    text = os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in text) + '"'
