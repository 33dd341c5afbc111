"""Printing: results to standard output, everything else to standard error, and never a failure because of it.

A reader that has gone (`fsm history | head -1`), or a terminal that was closed during an update, must not change how
the command ends: what cannot be written is dropped, and the command goes on.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TextIO

from fsm.system.characters import VISIBLE
from fsm.system.masking import masked, masked_text

if TYPE_CHECKING:
    from datetime import datetime

SCHEMA: Final = 1
"""Version of the ``--json`` shapes; raised when a field changes its meaning or goes."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_GONE: Final = frozenset({errno.EPIPE, errno.EIO, errno.EBADF})

_STYLES: Final = {"red": "31", "green": "32", "yellow": "33", "bold": "1"}

lost: list[str] = []
"""Why output was lost, where it was not because nobody wanted to read it any more."""


def clean(text: str) -> str:
    """The text without secrets, and what is no text made visible: whoever wrote it must not drive a terminal."""
    return masked_text(text).translate(VISIBLE)


def one_line(text: str) -> str:
    """The text on one line."""
    return " ".join(clean(text).split())


class Tinted(str):
    """A text that a terminal shows in a style; elsewhere the text itself.

    Args:
        text: without control characters of its own.
        style: red, green, yellow or bold; empty for none.
    """

    __slots__ = ("style",)

    def __new__(cls, text: str, style: str) -> Tinted:  # noqa: D102 - str is made here
        made = super().__new__(cls, text)
        made.style = style
        return made

    style: str


def say(*parts: str) -> None:
    """Print to standard output, on one line."""
    write(sys.stdout, *parts)


def notes(lines: Sequence[str], indent: str = "  ") -> None:
    """Print notes below a result."""
    for line in lines:
        say(indent, line)


def tell(text: str) -> None:
    """Print to standard error."""
    write(sys.stderr, text)


def colourful(stream: TextIO) -> bool:
    """Whether styles are wanted there: `NO_COLOR` says never, `FORCE_COLOR` always, else a terminal does."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _styled(part: str) -> str:
    style = _STYLES.get(part.style) if isinstance(part, Tinted) else None
    return f"\x1b[{style}m{clean(part)}\x1b[0m" if style else clean(part)


def write(stream: TextIO | None, *parts: str) -> None:
    """Print a text and a line break; a stream that cannot be written is given up, silently when its reader has gone."""
    if stream is None:
        return
    tinted = any(isinstance(part, Tinted) for part in parts) and colourful(stream)
    try:
        stream.write("".join(map(_styled if tinted else clean, parts)) + "\n")
        stream.flush()
    except OSError as error:
        if error.errno not in _GONE:
            lost.append(error.strerror or str(error))
        _discard(stream)


def _discard(stream: TextIO) -> None:
    """Lead a broken stream to nowhere, so that the interpreter's own flush at the end succeeds."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def emit(results: Iterable[Any]) -> None:
    """Print results as JSON: models of pydantic, or plain data.

    The shape is stable: ``{"schema": 1, "results": [...]}``.
    """
    plain = [result if isinstance(result, dict) else result.model_dump(mode="json") for result in results]
    document({"results": plain})


def document(data: dict[str, Any]) -> None:
    """Print one JSON document, in ASCII, so that no locale can spoil it, and without the secrets that plans have."""
    import json  # noqa: PLC0415 - 1 ms that `fsm --help` need not pay

    say(json.dumps({"schema": SCHEMA, **masked(data)}, indent=2))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Aligned columns, two blanks apart, no trailing ones."""
    lines = [tuple(header), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def size(count: int | None) -> str:
    """Bytes for people, e.g. ``1.4 MiB``."""
    if count is None:
        return "unknown size"
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def duration(seconds: float) -> str:
    """A length of time for people, e.g. ``3 min``."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


def ago(moment: str | None, now: datetime) -> str:
    """How long ago a stored time was, e.g. ``3 min ago``; a clock that was set back does not make it negative."""
    if not moment:
        return "never"
    return f"{duration(max((now - type(now).fromisoformat(moment)).total_seconds(), 0.0))} ago"
