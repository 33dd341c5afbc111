"""Servers that never come to an end: whoever asks them is told so, and goes on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fsm.errors import Transient
from fsm.sources import open_source
from fsm.sources.htmlindex import Entries
from tests.unit.sources.conftest import spec_of

QUICK = 0.25
"""Seconds of the timeout; the head of an answer may take four times as long as a whole."""


@contextmanager
def answering(first: bytes, again: bytes) -> Iterator[str]:
    """A server that answers with some bytes, and then with others for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(first)
                while not over.wait(QUICK / 5):
                    connection.sendall(again)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/releases/"
    finally:
        over.set()
        listener.close()


@pytest.mark.processes
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("first", "again"),
    [(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 200 OK\r\nA: ", b"b"), (b"", b"H"), (b"HTTP/1.1 200 ", b"O")],
    ids=["continue", "header", "nonsense", "status"],
)
def test_a_head_without_end(first: bytes, again: bytes):
    """Each byte is in time, and the answer never begins."""
    with answering(first, again) as url:
        began = time.monotonic()
        with pytest.raises(Transient, match=r"127\.0\.0\.1 did not answer within 1 s"):
            open_source(spec_of(type="http", url=url, timeout=QUICK), component="core").releases()
        assert 0.9 < time.monotonic() - began < 5


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", [b"<!--", b"<a ", b"<a href='", b"<![CDATA[", b"</", b"<?"])
def test_a_listing_that_takes_long_to_read(piece: bytes):
    """As many beginnings without an end as fit: Python's parser would look for the end of each in all that follows."""
    page = b"<a href='1.0/'>" + piece * ((1 << 20) // len(piece))
    assert Entries(page, "http://example.org/releases/").folders == ("1.0",)
