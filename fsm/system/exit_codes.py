"""How a process ended, in words: its exit code, and what that means if everybody uses it for the same."""

from __future__ import annotations

import signal
from typing import Final

_MEANING: Final = {
    126: "not executable",
    127: "command not found",
    134: "SIGABRT",
    137: "SIGKILL",
    139: "SIGSEGV",
    143: "SIGTERM",
}
"""What shells and the Docker engine mean by a code; of programs that use others in their own sense nothing is said."""


def exited(code: int) -> str:
    """How a process ended, as the end of a sentence about it.

    Args:
        code: its exit code; the negative number of a signal that killed it, as Python tells it.
    """
    if code < 0:
        known = -code in list(signal.Signals)
        return f"was killed by {signal.Signals(-code).name if known else f'signal {-code}'}"
    return f"exited with code {code}{f' ({_MEANING[code]})' if code in _MEANING else ''}"
