"""GitHub's list of releases and its rate limit: asked conditionally, and once for all components of a repository.

Every page has an ETag of its own; when each page answers 304, nothing has changed, and nothing was counted against the
rate limit (https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api). `sharing` is the
block of one check: what was asked in it is not asked again, nor is a host whose rate limit is used up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fsm.errors import FsmError, SourceError, Transient
from fsm.formats.explain import first_problem
from fsm.formats.foreign import json_of
from fsm.model import Model
from fsm.sources.specs import GitHubSpec
from fsm.sources.tokens import token_of
from fsm.sources.urls import below, redact
from fsm.sources.web import Answer, Web
from fsm.sources.weberrors import from_github

MOST_PAGES: Final = 10
PER_PAGE: Final = 100
LIST_LIMIT: Final = 64 << 20
"""Bytes that one page may have: a hundred releases, with all their notes and files."""

ANY: Final = frozenset({200, 304, *range(400, 600)})
"""Statuses of the API that are judged here, by what GitHub says with them."""

_MESSAGE_LIMIT: Final = 1 << 16

T = TypeVar("T")


class Entry(Model):
    """A release as the list has it, what of it is needed to choose one."""

    model_config = ConfigDict(extra="ignore")

    tag_name: str
    draft: bool
    prerelease: bool
    body: str | None = None


class List(NamedTuple):
    """The list, its pages' ETags, and warnings."""

    entries: tuple[Entry, ...]
    tags: tuple[str, ...]
    warnings: tuple[str, ...] = ()


_ENTRIES: Final = TypeAdapter(tuple[Entry, ...])


class _Shared:
    """What one check has asked already; by several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: dict[tuple[str, str | None, tuple[str, ...]], Future[List | None]] = {}
        self.limited: dict[tuple[str, str | None], FsmError] = {}


_current: _Shared | None = None


@contextmanager
def sharing() -> Iterator[None]:
    """In this block, by whatever thread, a list is asked for once; an inner block is part of the outer one."""
    global _current  # noqa: PLW0603 - a check is one for all the threads of its process
    if _current is not None:
        yield
        return
    _current = _Shared()
    try:
        yield
    finally:
        _current = None


def question(spec: GitHubSpec) -> str:
    """The address of the list's first page."""
    url = below(spec.api_url, "repos", *spec.repository.split("/"), "releases")
    return f"{url}?per_page={PER_PAGE}"


def ask(spec: GitHubSpec, known: tuple[str, ...]) -> List | None:
    """The list; None if it is as known.

    Args:
        spec: whose.
        known: the ETags of an earlier list's pages.

    Raises:
        Transient, SourceError, ConfigError: as for `fsm.sources.base.Source.releases`.
    """
    shared, token = _current, token_of(spec)
    if shared is None:
        return _ask(spec, known)
    key = (question(spec), token, known)
    with shared.lock:
        limited = shared.limited.get((spec.api_url, token))
        if limited is not None:
            raise limited
        mine = key not in shared.asked
        future = shared.asked.setdefault(key, Future())
    if mine:
        try:
            future.set_result(_ask(spec, known))
        except FsmError as error:
            if isinstance(error, Transient) and error.after is not None:
                shared.limited[spec.api_url, token] = error
            future.set_exception(error)
        except BaseException as error:
            future.set_exception(error)
            raise
    return future.result()


def failed(answer: Answer) -> FsmError:
    """The error that an answer of the API is."""
    try:
        message = json_of(answer.small(_MESSAGE_LIMIT)).get("message", "")
    except (ValueError, AttributeError):
        message = ""
    return from_github(answer.status, answer.headers, answer.url, str(message)[:200])


def _ask(spec: GitHubSpec, known: tuple[str, ...]) -> List | None:
    with Web(spec) as web:
        url = question(spec)
        if known and all(_unchanged(web, f"{url}&page={page}", tag) for page, tag in enumerate(known, 1)):
            return None
        entries: list[Entry] = []
        tags: list[str] = []
        for page in range(1, MOST_PAGES + 1):
            with web.open("GET", f"{url}&page={page}", _JSON, usable=ANY) as answer:
                entries += understood(answer, _ENTRIES.validate_json, LIST_LIMIT)
                tags.append(answer.headers.get("ETag", ""))
                if 'rel="next"' not in answer.headers.get("Link", ""):
                    return List(tuple(entries), _usable(tags))
        warning = f"{spec.repository} has more than {len(entries)} releases, only the newest were read"
        return List(tuple(entries), _usable(tags), (warning,))


_JSON: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


def _unchanged(web: Web, url: str, tag: str) -> bool:
    with web.open("GET", url, {**_JSON, "If-None-Match": tag}, usable=ANY) as answer:
        if answer.status not in (200, 304):
            raise failed(answer)
        return answer.status == 304


def understood(answer: Answer, read: Callable[[bytes], T], limit: int) -> T:
    """What an answer of the API says.

    Args:
        answer: of whatever status.
        read: pydantic's reading of its body.
        limit: bytes that the body may have.

    Raises:
        Transient, SourceError: it is an error, or nothing that can be read.
    """
    if answer.status != 200:
        raise failed(answer)
    try:
        return read(answer.small(limit))
    except ValidationError as error:
        what = f"cannot understand {redact(answer.url)}"
        raise SourceError(what, str(first_problem(error)), "check api_url of the component's source") from error


def _usable(tags: list[str]) -> tuple[str, ...]:
    """All of them, or none: a page without one cannot be asked about."""
    return tuple(tags) if all(tag and " " not in tag for tag in tags) else ()
