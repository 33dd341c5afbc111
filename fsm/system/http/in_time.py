"""Connections that do not wait for ever for the head of an answer.

A socket's own timeout begins anew with each byte, so a server that sends a line without end, or "100 Continue" again
and again, would hold up whoever asks it for good. Only another thread can end that: it shuts the connection down.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fsm.model import Seconds
from fsm.system.sockets import shut

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool


def pools(limit: Seconds) -> dict[str, type[HTTPConnectionPool]]:
    """What a `PoolManager` makes connections with, by scheme.

    Args:
        limit: seconds that the head of an answer may take as a whole; what takes longer did not answer in time.
    """
    from urllib3 import connection, connectionpool  # noqa: PLC0415 - 40 ms, only for those who use the network

    class Plain(_InTime, connection.HTTPConnection):
        longest = limit

    class Secure(_InTime, connection.HTTPSConnection):
        longest = limit

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _InTime:
    """Stands before a connection's class: the head of an answer has an end."""

    longest: Seconds
    sock: Any

    def getresponse(self) -> Any:
        """Part of a connection."""
        with _ending(self.sock, self.longest):
            return super().getresponse()  # type: ignore[misc] # of the class behind this one


@contextmanager
def _ending(sock: Any, limit: Seconds) -> Iterator[None]:
    """Shut a connection down when the block takes longer; raises TimeoutError then, as a socket does."""
    from http.client import HTTPException  # noqa: PLC0415 - urllib3 has loaded it

    over = threading.Event()

    def end() -> None:
        over.set()
        shut(sock)

    timer = threading.Timer(limit, end)
    timer.daemon = True
    timer.start()
    try:
        yield
        if over.is_set():  # a head that ends in the middle passes for one
            raise TimeoutError("timed out")
    except (OSError, HTTPException) as error:
        if over.is_set():
            raise TimeoutError("timed out") from error
        raise
    finally:
        timer.cancel()
