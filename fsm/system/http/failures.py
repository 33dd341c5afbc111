"""Why a request got no whole answer, in plain words: what urllib3, sockets and TLS throw stops here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fsm.model import Seconds


class Unanswered(Exception):
    """There was no answer, or not all of it.

    Args:
        why: in one sentence, without the URL.
        kind: ``passing`` where another try may succeed; a ``certificate`` that is not accepted, or an ``address`` that
            is none, wants a person.
    """

    def __init__(self, why: str, kind: Literal["passing", "certificate", "address"] = "passing") -> None:
        self.why = why
        self.kind = kind
        super().__init__(why)


def explain(error: Exception, host: str, timeout: Seconds) -> Unanswered:
    """What an exception means.

    Args:
        error: thrown by urllib3, or by a client that is built on it.
        host: who was asked.
        timeout: seconds that were waited for an answer.
    """
    import ssl  # noqa: PLC0415 - loaded by those who have asked

    from urllib3 import exceptions  # noqa: PLC0415 - 40 ms, only for those who use the network

    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unanswered(f"the certificate of {host} is not accepted: {cause.verify_message}", "certificate")
    if isinstance(error, (exceptions.LocationValueError, UnicodeError)):
        return Unanswered("the URL cannot be used", "address")
    if isinstance(error, exceptions.NameResolutionError):
        return Unanswered(f"the name {host} cannot be resolved")
    # A refused connection is a "connect timeout" by inheritance only.
    if isinstance(error, exceptions.TimeoutError) and not isinstance(error, exceptions.NewConnectionError):
        return Unanswered(f"{host} did not answer within {timeout:g} s")
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLError):
            return Unanswered(f"the TLS connection to {host} failed: {cause.reason or 'no reason given'}")
        if isinstance(cause, OSError) and cause.strerror:
            return Unanswered(f"the connection to {host} failed: {cause.strerror.lower()}")
    return Unanswered(f"the connection to {host} was cut")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps and what it came from; at most ten, for a chain may be a ring."""
    found: BaseException | None = error
    for _ in range(10):
        if found is None:
            return
        yield found
        inside = next((arg for arg in found.args if isinstance(arg, BaseException)), None)
        found = inside or found.__cause__ or found.__context__
