"""An artifact over HTTP, from an offset: ranges, and what servers make of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from fsm.errors import NotReady, SourceError
from fsm.sources.download import Body, OpenBody
from fsm.sources.urls import host_of, redact
from fsm.sources.web import USABLE, Answer, Web

_PARTIAL: Final = frozenset({206, 416})
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


def opener(web: Web, url: str, name: str, headers: Mapping[str, str] | None = None) -> OpenBody:
    """What opens an artifact at an offset.

    Args:
        web: the client.
        url: the artifact's.
        name: the artifact's, for messages.
        headers: of every request for it.
    """

    @contextmanager
    def open_body(offset: int, validator: str | None) -> Iterator[Body]:
        for start in (offset, 0) if offset else (0,):
            sent = {**(headers or {}), **_range(start, validator)}
            with web.open("GET", url, sent, usable=USABLE | _PARTIAL) as answer:
                body = _body(answer, start, validator, name)
                if body is not None:
                    yield body
                    return
        raise SourceError(
            f"cannot fetch {name}",
            f"{host_of(url)} answers a plain request with only part of the file, or none of it",
            "report this to whoever runs the server",
        )

    return open_body


def _range(start: int, validator: str | None) -> dict[str, str]:
    if start == 0:
        return {}
    wanted = {"Range": f"bytes={start}-"}
    return {**wanted, "If-Range": validator} if validator else wanted


def _body(answer: Answer, start: int, validator: str | None, name: str) -> Body | None:
    """The body of an answer, or None if it does not go on from `start` with the same bytes."""
    if answer.status == 404:
        raise not_there(name, answer.url)
    known = _strong_validator(answer)
    hint = media_type(answer)
    encoding = encoding_of(answer)
    if answer.status == 200:
        coding = answer.headers.get("Transfer-Encoding", "").strip().lower()
        # Of other codings the client knows no end; a length beside any of them does not count (RFC 9112, section 6.3).
        ends, total = coding == "chunked", None if coding else length(answer)
        return Body(0, total, known, answer.chunks(), hint, ends, encoding)
    told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    changed = validator is not None and known is not None and known != validator
    if answer.status != 206 or told is None or start == 0 or int(told[1]) != start or changed:
        return None
    return Body(start, None if told[3] == "*" else int(told[3]), known, answer.chunks(), hint, encoding=encoding)


def _strong_validator(answer: Answer) -> str | None:
    """What If-Range may name: a weak ETag promises nothing about bytes (RFC 9110, section 13.1.5)."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


def media_type(answer: Answer) -> str:
    """What the answer says that its body is."""
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def encoding_of(answer: Answer) -> str:
    """How the body is encoded, by what the answer says; empty if it is not."""
    found = answer.headers.get("Content-Encoding", "").strip().lower()
    return "" if found == "identity" else found[:60]


def length(answer: Answer) -> int | None:
    """The bytes of the body, where the answer says so."""
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def not_there(name: str, url: str) -> NotReady:
    """The error of an artifact that a server does not have."""
    return NotReady(f"cannot fetch {name}", f"{redact(url)} is not there", "it may appear later; try again then")
