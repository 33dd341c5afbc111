"""The client: one request at a time, on connections that are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fsm.model import Seconds
from fsm.system.http import in_time
from fsm.system.http.failures import Unanswered, explain

if TYPE_CHECKING:
    import ssl

    from urllib3 import BaseHTTPResponse

CHUNK: Final = 1 << 18
"""Bytes of a body that are in memory at a time."""

_AS_A_WHOLE: Final = 4
"""A small file, or the head of an answer, may take this many times the timeout as a whole, however slowly it comes."""

_LAST_READS: Final = 4
_DONE: Final = frozenset({200, 206})
"""Statuses whose body is worth more than the connection: the others' bodies are short, and read to keep it."""


class Reply:
    """An answer whose body is still to come.

    Attributes:
        status: whatever it is.
        headers: by any case.
    """

    def __init__(self, response: BaseHTTPResponse, host: str, timeout: Seconds) -> None:
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._host = host
        self._timeout = timeout

    def chunks(self) -> Iterator[bytes]:
        """The body's bytes as they come, never decoded.

        Raises:
            Unanswered: the connection was cut, or nothing came for longer than the timeout.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - loaded by now

        while True:
            try:
                chunk = self._response.read1(CHUNK, decode_content=False)
            except (HTTPError, OSError) as error:
                raise explain(error, self._host, self._timeout) from error
            if not chunk:
                return
            yield chunk

    def small(self, limit: int) -> bytes:
        """The body of a small file: at most `limit` + 1 bytes of it, so that the caller sees when it is longer.

        Raises:
            Unanswered: as for `chunks`, or it takes too long as a whole.
        """
        until = time.monotonic() + _AS_A_WHOLE * self._timeout
        found = bytearray()
        for chunk in self.chunks():
            found += chunk
            if len(found) > limit:
                break
            if time.monotonic() > until:
                raise Unanswered(f"it was not complete within {_AS_A_WHOLE * self._timeout:g} s")
        return bytes(found[: limit + 1])

    def close(self) -> None:
        """Keep the connection where little or nothing is left to read; close it otherwise."""
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - loaded by now

        left = self._response.length_remaining
        if self.status not in _DONE and left is not None and left <= CHUNK:
            with suppress(HTTPError, OSError):
                for _ in range(_LAST_READS):
                    if not self._response.read1(CHUNK, decode_content=False):
                        break
        self._response.close()


class Client:
    """Asks servers. Use it as a context manager: leaving it closes what connections are kept.

    Args:
        timeout: seconds to connect, and seconds without a byte.
        context: what certificates are verified with; None for the system's authorities.
    """

    def __init__(self, timeout: Seconds, context: ssl.SSLContext | None = None) -> None:
        import urllib3  # noqa: PLC0415 - 40 ms, only for those who use the network

        self._timeout = timeout
        options: dict[str, Any] = {} if context is None else {"ssl_context": context}
        self._pool = urllib3.PoolManager(
            num_pools=4, timeout=urllib3.Timeout(connect=timeout, read=timeout), retries=False, **options
        )
        self._pool.pool_classes_by_scheme = in_time.pools(_AS_A_WHOLE * timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def send(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask once; the caller closes the reply.

        Args:
            method: ``GET`` or ``HEAD``.
            url: absolute, http or https.
            headers: of the request.

        Raises:
            Unanswered: there was no answer.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - loaded by now

        host = (urlsplit(url).hostname or "").lower()
        sent = {"User-Agent": "fsm-updater", "Accept-Encoding": "identity", **(headers or {})}
        began, limit = time.monotonic(), _AS_A_WHOLE * self._timeout
        try:
            response = self._pool.request(
                method, url, headers=sent, redirect=False, preload_content=False, decode_content=False
            )
        except (HTTPError, OSError, UnicodeError) as error:
            waited = limit if time.monotonic() - began >= limit else self._timeout
            raise explain(error, host, waited) from error
        return Reply(response, host, self._timeout)
