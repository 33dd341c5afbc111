"""``.env`` files: values by name, and a change of one value that keeps every other byte.

Form: https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(
    rb"[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_.\-]*)[ \t]*(?:=|:)[ \t]*", re.MULTILINE
)
_SINGLE: Final = re.compile(rb"'(?P<value>[^']*)'")
_DOUBLE: Final = re.compile(rb'"(?P<value>(?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE: Final = re.compile(rb"(?P<value>[^\r\n]*)")
_COMMENT: Final = re.compile(rb"(?:^|[ \t]+)#")


@dataclass(frozen=True)
class Entry:
    """One assignment.

    Attributes:
        key: the variable.
        value: None if it is made of other things: another variable, an escape.
        start, end: the bytes of the value, without quotes.
    """

    key: str
    value: str | None
    start: int
    end: int


def entries(data: bytes) -> list[Entry]:
    """The assignments of a file, in order; lines of another form are left out."""
    found: list[Entry] = []
    position = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while position < len(data):
        line = _LINE.match(data, position)
        end = line.end() if line else position
        if line:
            raw = _value(data, end)
            found.append(_entry(line["key"].decode(), raw, quoted=raw.re is _SINGLE))
            end = raw.end()
        following = data.find(b"\n", end)
        position = len(data) if following < 0 else following + 1
    return found


def _value(data: bytes, position: int) -> re.Match[bytes]:
    quoted = _SINGLE.match(data, position) or _DOUBLE.match(data, position)
    bare = quoted or _BARE.match(data, position)
    assert bare is not None, "a bare value may be empty"
    return bare


def _entry(key: str, raw: re.Match[bytes], *, quoted: bool) -> Entry:
    start, value = raw.start("value"), raw["value"]
    if raw.re is _BARE:
        comment = _COMMENT.search(value)
        value = (value[: comment.start()] if comment else value).rstrip(b" \t")
    text = value.decode("utf-8", "surrogateescape")
    plain = quoted or not ("$" in text or "\\" in text)
    return Entry(key, text if plain else None, start, start + len(value))


def values(data: bytes) -> dict[str, str | None]:
    """The variables of a file; of two assignments the later one counts."""
    return {entry.key: entry.value for entry in entries(data)}


def assigned(data: bytes, key: str, value: str) -> tuple[int, bytes, bytes]:
    """The change that makes a variable have a value: at which byte, what is there, what is to be there.

    A variable that the file does not have gets a line at its end, with the line break that the file uses.
    """
    last = next((entry for entry in reversed(entries(data)) if entry.key == key), None)
    if last is not None:
        # What follows nothing at once is a comment, and behind a value it would belong to that.
        gap = b" " if data.startswith(b"#", last.end) else b""
        return last.start, data[last.start : last.end], value.encode() + gap
    line_break = b"\r\n" if b"\r\n" in data else b"\n"
    before = b"" if not data or data.endswith(b"\n") else line_break
    return len(data), b"", before + f"{key}={value}".encode() + line_break
