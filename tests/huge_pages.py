"""Puts the memory of this process into huge pages, so that a fork has few page tables to copy.

A worker of pytest that has collected all tests has 200 MB, and a test of an update forks a dozen times: copying the
page tables, and the faults afterwards, were a third of what such a test needs of the kernel. Linux since 6.1; elsewhere
nothing changes.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SIZE: Final = 2 << 20
_MADV_COLLAPSE: Final = 25


def collapse() -> None:
    """Collapse what is there by now; what comes later has small pages."""
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    for start, end in _own(Path("/proc/self/maps").read_text(encoding="ascii")):
        for at in range(-(-start // _SIZE) * _SIZE, end - _SIZE + 1, _SIZE):
            madvise(ctypes.c_void_p(at), ctypes.c_size_t(_SIZE), _MADV_COLLAPSE)  # what cannot be stays as it is


def _own(maps: str) -> Iterator[tuple[int, int]]:
    """Where memory of no file is that may be written."""
    for line in maps.splitlines():
        place, mode, _, _, inode, *name = line.split(maxsplit=5)
        if mode == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            start, end = place.split("-")
            yield int(start, 16), int(end, 16)
