"""What the network and HTTP can answer, said in this package's errors.

The one place that decides what is worth another try: everything that passes by itself (a name that does not resolve
yet, a refused connection, a timeout, 408, 425, 429, 5xx), but no certificate that is not accepted and no 4xx.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from fsm.errors import FsmError, SourceError, Transient
from fsm.model import Seconds
from fsm.sources.urls import host_of, redact
from fsm.system.http import Unanswered, explain

LONGEST_WAIT: Final = 86_400.0
"""Seconds; a server that asks for more is asked again after a day."""

_SECONDARY: Final = 60.0
"""Seconds to wait for a secondary rate limit that does not say how long; GitHub asks for at least a minute."""

_PASSING: Final = frozenset({408, 425, 429})


def from_status(status: int, headers: Mapping[str, str], url: str) -> FsmError:
    """The error of an answer that is not what was asked for.

    Args:
        status: the HTTP status.
        headers: its headers, by any case.
        url: what was asked; shown without its query.
    """
    what = f"cannot read {redact(url)}"
    why = f"{host_of(url)} answered {status}"
    if status in _PASSING or status >= 500:
        return Transient(what, why, "the next attempt may succeed", after=_retry_after(headers))
    if status in (401, 403):
        todo = "check token_env or token_file of the component's source, and what that token may read"
        return SourceError(what, f"{why}: not allowed", todo)
    return SourceError(what, why, "check the url of the component's source")


def from_github(status: int, headers: Mapping[str, str], url: str, message: str) -> FsmError:
    """The error of an answer of GitHub's API that is not what was asked for.

    Args:
        status: the HTTP status.
        headers: its headers, by any case, or as ``X-Ratelimit-Reset``.
        url: what was asked; shown without its query.
        message: what GitHub said.

    A rate limit is a 403 or 429 (https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api): the
    primary one has no requests remaining and a time of reset, a secondary one may have a Retry-After.
    """
    what, host = f"cannot use {redact(url)}", host_of(url)
    if status in (403, 429):
        after = _limited(headers, message)
        if after is not None:
            until = (datetime.now(UTC) + timedelta(seconds=after)).strftime("%H:%M:%S UTC")
            todo = "a token (token_file of the component's source) has a higher limit of its own"
            return Transient(what, f"the rate limit of {host} is used up until {until}", todo, after=after)
    if status >= 500 or status in _PASSING:
        return Transient(what, f"{host} answered {status}", "the next attempt may succeed", after=_retry_after(headers))
    said = f" ({message})" if message else ""
    if status == 401:
        return SourceError(what, f"{host} does not accept the token{said}", "make a new one: it may have expired")
    if status in (403, 404):
        why = "it does not exist, or the token may not read it" if status == 404 else "the token may not do that"
        todo = "check the repository's name, and what the token may do"
        return SourceError(what, f"{host} answered {status}{said}: {why}", todo)
    return SourceError(what, f"{host} answered {status}{said}", "see what GitHub says, and correct that")


def _limited(headers: Mapping[str, str], message: str) -> float | None:
    """Seconds until a rate limit ends; None if it is not one."""
    asked = _retry_after(headers)
    if asked is not None:
        return asked
    reset = headers.get("X-Ratelimit-Reset", "")
    if headers.get("X-Ratelimit-Remaining") == "0" and reset.isascii() and reset.isdigit():
        now = _date(headers.get("Date", "")) or datetime.now(UTC)
        return min(max(float(reset[:12]) - now.timestamp(), 1.0), LONGEST_WAIT)
    return _SECONDARY if "rate limit" in message.lower() else None


def from_exception(error: Exception, url: str, timeout: Seconds) -> FsmError:
    """The error of a request that got no whole answer.

    Args:
        error: what urllib3 threw, or a client that is built on it.
        url: what was asked; shown without its query.
        timeout: the configured timeout in seconds.
    """
    return from_failure(explain(error, host_of(url), timeout), url)


def from_failure(failure: Unanswered, url: str) -> FsmError:
    """The error of a request that got no whole answer; the URL is shown without its query."""
    what = f"cannot read {redact(url)}"
    match failure.kind:
        case "certificate":
            todo = "check the clock of this host; for a private authority set ca_file of the component's source"
            return SourceError(what, failure.why, todo)
        case "address":
            return SourceError(what, failure.why, "check the url of the component's source")
        case _:
            return Transient(what, failure.why, "the next attempt may succeed")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``Retry-After`` (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).

    A date is compared with the server's own ``Date``, for this host's clock may be wrong.
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), LONGEST_WAIT)
    until, now = _date(text), _date(headers.get("Date", "")) or datetime.now(UTC)
    return None if until is None else min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
