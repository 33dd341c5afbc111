"""The HTTP client of the sources, and the only importer of urllib3 here.

urllib3 is asked for single requests: it follows no redirect and retries nothing, because the rules for both are ours.
Each hop is checked before it is spoken to; the token goes to the configured origin and nowhere else. Bodies are read
as they come, in chunks, never decoded: a ``.tar.gz`` that a server labels ``Content-Encoding: gzip`` stays one.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fsm.errors import ConfigError, FsmError, SourceError, Transient
from fsm.sources import heads
from fsm.sources.part import CHUNK
from fsm.sources.specs import GitHubSpec, HttpSpec
from fsm.sources.tokens import token_of
from fsm.sources.urls import join, origin_of, redact, why_not
from fsm.sources.weberrors import from_exception, from_status

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

Failure = Callable[[int, Mapping[str, str], str], FsmError]
"""The error of a status, from its headers and the URL."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
USABLE: Final = frozenset({200, 404})
"""Statuses that every caller judges itself; others are errors here, unless a caller says that it judges them, too."""

_SMALL_FILES: Final = 4
"""A small file as a whole, or the head of an answer, may take this many times the timeout, however slowly it comes."""

_LAST_READS: Final = 4


class Answer:
    """An HTTP answer whose body is still to come.

    Attributes:
        status: one that the caller judges.
        headers: by any case.
        url: where it came from, after redirects.
    """

    def __init__(self, response: BaseHTTPResponse, url: str, timeout: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = url
        self._response = response
        self._timeout = timeout

    def chunks(self) -> Iterator[bytes]:
        """The body's bytes as they come.

        Raises:
            Transient: the connection was cut, or nothing came for longer than the timeout.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - loaded by now

        while True:
            try:
                chunk = self._response.read1(CHUNK, decode_content=False)
            except (HTTPError, OSError) as error:
                raise from_exception(error, self.url, self._timeout) from error
            if not chunk:
                return
            yield chunk

    def small(self, limit: int) -> bytes:
        """The body of a small file: at most `limit` + 1 bytes of it, so that the caller sees when it is longer.

        Raises:
            Transient: as for `chunks`, or it takes too long as a whole.
        """
        until = time.monotonic() + _SMALL_FILES * self._timeout
        found = bytearray()
        for chunk in self.chunks():
            found += chunk
            if len(found) > limit:
                break
            if time.monotonic() > until:
                raise Transient(
                    f"cannot read {redact(self.url)}",
                    f"it was not complete within {_SMALL_FILES * self._timeout:g} s",
                    "the next try may succeed",
                )
        return bytes(found[: limit + 1])


class Web:
    """Requests to one configured server, on one set of connections. Use it as a context manager.

    Args:
        spec: the server, and what goes with requests to it.
        failure: makes the error of a status that no caller expects.
    """

    def __init__(self, spec: HttpSpec | GitHubSpec, failure: Failure = from_status) -> None:
        self._spec = spec
        self._failure = failure
        self._token = token_of(spec)
        self._pool = _pool(spec)

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    @contextmanager
    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        usable: Collection[int] = USABLE,
    ) -> Iterator[Answer]:
        """Ask for a URL; follow redirects.

        Args:
            method: ``GET`` or ``HEAD``.
            url: absolute.
            headers: of the request.
            usable: the statuses that the caller judges itself.

        Raises:
            Transient: no answer, or one that means "later".
            SourceError: a URL or a redirect that may not be followed, or a status that no caller expects.
        """
        previous = None
        for _ in range(self._spec.max_redirects + 1):
            self._refuse(url, previous)
            response = self._send(method, url, headers or {})
            try:
                location = response.headers.get("Location") if response.status in REDIRECTS else None
                if location is None:
                    if response.status not in usable:
                        raise self._failure(response.status, response.headers, url)
                    yield Answer(response, url, self._spec.timeout)
                    return
            finally:
                _finish(response)
            previous, url = url, _target(url, location)
        raise SourceError(
            f"cannot read {redact(url)}",
            f"there were more than {self._spec.max_redirects} redirects",
            "check the url of the component's source, or raise max_redirects",
        )

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - loaded by now

        sent = {"User-Agent": "fsm-updater", "Accept-Encoding": "identity", **headers}
        if self._token and origin_of(url) == origin_of(self._spec.url):
            sent["Authorization"] = f"Bearer {self._token}"
        began, limit = time.monotonic(), _SMALL_FILES * self._spec.timeout
        try:
            return self._pool.request(
                method, url, headers=sent, retries=False, redirect=False, preload_content=False, decode_content=False
            )
        except (HTTPError, OSError, UnicodeError) as error:
            waited = limit if time.monotonic() - began >= limit else self._spec.timeout
            raise from_exception(error, url, waited) from error

    def _refuse(self, url: str, previous: str | None) -> None:
        """Raise SourceError where a URL, or a redirect from `previous` to it, may not be spoken to."""
        refused = why_not(url, self._spec.insecure_hosts)
        if previous is None:
            if refused:
                todo = "use https, or allow the host in insecure_hosts of the component's source"
                raise SourceError(f"cannot read {redact(url)}", refused, todo)
            return
        if refused is None and origin_of(previous)[0] == "https" and origin_of(url)[0] != "https":
            refused = "it leads from https to plain http"
        if refused:
            what = f"cannot follow a redirect of {redact(previous)} to {redact(url)}"
            raise SourceError(what, refused, "ask those who run the server")


def _target(url: str, location: str) -> str:
    """The absolute URL that a redirect leads to."""
    try:
        return join(url, location).partition("#")[0]
    except ValueError as error:
        what = f"cannot follow a redirect of {redact(url)}"
        raise SourceError(what, "it leads to something that is no URL", "ask those who run the server") from error


def _finish(response: BaseHTTPResponse) -> None:
    """Keep the connection where little or nothing is left to read; close it otherwise."""
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - loaded by now

    left = response.length_remaining
    if response.status not in (200, 206) and left is not None and left <= CHUNK:
        with suppress(HTTPError, OSError):
            all(response.read1(CHUNK, decode_content=False) for _ in range(_LAST_READS))  # until nothing comes
    response.close()


def _pool(spec: HttpSpec | GitHubSpec) -> PoolManager:
    import urllib3  # noqa: PLC0415 - 40 ms, only for those who use the network

    options: dict[str, Any] = {}
    if spec.ca_file is not None:
        options["ssl_context"] = _trusting(spec.ca_file)
    timeout = urllib3.Timeout(connect=spec.timeout, read=spec.timeout)
    made = urllib3.PoolManager(num_pools=4, timeout=timeout, **options)
    made.pool_classes_by_scheme = heads.pools(_SMALL_FILES * spec.timeout)
    return made


def _trusting(ca_file: Path) -> ssl.SSLContext:
    """A context that trusts these authorities only."""
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        why = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else _strerror(error)
        todo = "name a PEM file with the authority's certificate"
        raise ConfigError(f"cannot use ca_file {ca_file}", why, todo) from error


def _strerror(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
