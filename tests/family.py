"""What a process that starts others has to do with them: its own children, and the signals that they ignore."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

OF_THE_C_LIBRARY: Final = 0b11 << 31
"""Signals 32 and 33, as bits of ``SigIgn``: glibc keeps them, so nobody above it can set them back."""


def children() -> set[int]:
    """The numbers of this process's children, those among them that ended and were not waited for."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found.update(int(pid) for pid in (task / "children").read_text(encoding="ascii").split())
    return found


def in_background() -> AbstractContextManager[None]:
    """Ignore what a shell lets a job in the background ignore."""
    return _handling({signal.SIGINT: signal.SIG_IGN, signal.SIGQUIT: signal.SIG_IGN})


def in_foreground() -> AbstractContextManager[None]:
    """Ignore no signal that a terminal sends, however the tests were started: by `&`, or by nohup."""
    default = signal.SIG_DFL
    return _handling({signal.SIGINT: signal.default_int_handler, signal.SIGQUIT: default, signal.SIGHUP: default})


@contextmanager
def _handling(handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    before = {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
