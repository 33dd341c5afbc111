"""Asking one configured server: which URLs may be spoken to, where redirects may lead, and who gets the token.

`fsm.system.http` asks; the rules are here. Each hop is checked before it is spoken to; the token goes to the configured
origin and nowhere else. Bodies stay as they come: a ``.tar.gz`` that a server labels ``Content-Encoding: gzip`` is one.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fsm.errors import ConfigError, FsmError, SourceError
from fsm.sources.specs import GitHubSpec, HttpSpec
from fsm.sources.tokens import token_of
from fsm.sources.urls import join, origin_of, redact, why_not
from fsm.sources.weberrors import from_failure, from_status
from fsm.system import trusted
from fsm.system.http import Client, Reply, Unanswered

Failure = Callable[[int, Mapping[str, str], str], FsmError]
"""The error of a status, from its headers and the URL."""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
USABLE: Final = frozenset({200, 404})
"""Statuses that every caller judges itself; others are errors here, unless a caller says that it judges them, too."""


class Answer:
    """An HTTP answer whose body is still to come.

    Attributes:
        status: one that the caller judges.
        headers: by any case.
        url: where it came from, after redirects.
    """

    def __init__(self, reply: Reply, url: str) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.url = url
        self._reply = reply

    def chunks(self) -> Iterator[bytes]:
        """The body's bytes as they come.

        Raises:
            Transient: the connection was cut, or nothing came for longer than the timeout.
        """
        with _answered(self.url):
            yield from self._reply.chunks()

    def small(self, limit: int) -> bytes:
        """The body of a small file: at most `limit` + 1 bytes of it, so that the caller sees when it is longer.

        Raises:
            Transient: as for `chunks`, or it takes too long as a whole.
        """
        with _answered(self.url):
            return self._reply.small(limit)


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
        self._client = Client(spec.timeout, None if spec.ca_file is None else _trusting(spec.ca_file))

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

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
            reply = self._send(method, url, headers or {})
            try:
                location = reply.headers.get("Location") if reply.status in REDIRECTS else None
                if location is None:
                    if reply.status not in usable:
                        raise self._failure(reply.status, reply.headers, url)
                    yield Answer(reply, url)
                    return
            finally:
                reply.close()
            previous, url = url, _target(url, location)
        raise SourceError(
            f"cannot read {redact(url)}",
            f"there were more than {self._spec.max_redirects} redirects",
            "check the url of the component's source, or raise max_redirects",
        )

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        mine = self._token and origin_of(url) == origin_of(self._spec.url)
        with _answered(url):
            return self._client.send(
                method, url, {**headers, **({"Authorization": f"Bearer {self._token}"} if mine else {})}
            )

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
            raise SourceError(what, refused, "report this to whoever runs the server")


def _target(url: str, location: str) -> str:
    """The absolute URL that a redirect leads to."""
    try:
        return join(url, location).partition("#")[0]
    except ValueError as error:
        what = f"cannot follow a redirect of {redact(url)}"
        raise SourceError(
            what, "it leads to something that is not a URL", "report this to whoever runs the server"
        ) from error


@contextmanager
def _answered(url: str) -> Iterator[None]:
    """Turn what the client throws into this package's errors."""
    try:
        yield
    except Unanswered as failure:
        raise from_failure(failure, url) from failure


def _trusting(ca_file: Path) -> ssl.SSLContext:
    """A context that trusts these authorities only."""
    trusted.require(ca_file, f"cannot use ca_file {ca_file}")
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        why = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else _strerror(error)
        todo = "name a PEM file with the authority's certificate"
        raise ConfigError(f"cannot use ca_file {ca_file}", why, todo) from error


def _strerror(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
