"""Sockets that another thread waits on."""

from __future__ import annotations

import socket
from contextlib import suppress


def shut(sock: socket.socket) -> None:
    """Have whoever waits on a connection, in another thread, come back at once."""
    with suppress(OSError):
        # Not the method of an SSL socket: the other thread is using that, and it would wait for the other side.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
