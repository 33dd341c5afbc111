"""Addresses for what a test starts, which nothing else on this machine is given meanwhile."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Final

_FIRST: Final = 20000
_COUNT: Final = 12000
_NEXT = itertools.count(os.getpid() * 37)
"""Where a process begins to look: those beside it begin elsewhere."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now.

    It is below 32768: from there on the kernel and Docker's engine give ports to whoever asks for any, and one that was
    free would be another container's by the time it is used.

    Raises:
        RuntimeError: all are in use.
    """
    for number in itertools.islice(_NEXT, _COUNT):
        port = _FIRST + number % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"every port from {_FIRST} to {_FIRST + _COUNT} is in use")


def is_free(name: str) -> bool:
    """Whether nobody has an abstract Unix socket of that name."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(f"\0{name}")
        except OSError:
            return False
    return True
