"""What a process that started others may look at: its own children, and the signals they ignore."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

OF_THE_C_LIBRARY: Final = 0b11 << 31
"""Signals 32 and 33, as bits of ``SigIgn``: glibc keeps them, so nobody above it can set them back."""


def children() -> set[int]:
    """The numbers of this process's children, those among them that ended and were not waited for."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found.update(int(pid) for pid in (task / "children").read_text(encoding="ascii").split())
    return found


@contextmanager
def in_background() -> Iterator[None]:
    """Ignore what a shell lets a job in the background ignore."""
    before = {signum: signal.signal(signum, signal.SIG_IGN) for signum in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
