"""That a process ends with the one that started it: the kernel sees to it, whatever the other one dies of."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Final

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG: Final = 1


def prctl(option: int, value: int) -> None:  # pragma: no cover - in processes that have become something else
    """See prctl(2).

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")


def end_with(parent: int) -> None:  # pragma: no cover - as above
    """End when the thread ends that has started this process. A later change of the user undoes it.

    Args:
        parent: its process.

    Raises:
        OSError: the kernel refuses.
        SystemExit: the parent is gone already.
    """
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the updater is gone")
