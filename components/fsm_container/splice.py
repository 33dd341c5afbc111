"""Changes of a few bytes in a file, as data that a plan can freeze.

A compose file may be shared: another component, or a person, changes another line of it while a run is on its way. So a
change knows the line that it is in, and finds it again in a file that is no longer what it was, forwards and backwards.
Where the line is not there exactly once, nothing is guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fsm.model import Model

LINE: Final = 300
"""Characters that a line may have to be kept in the plan; longer ones are no lines that people wrote."""


class Splice(Model):
    """A few bytes of a file that become others.

    Attributes:
        offset: the byte at which they begin.
        old, new: what stands there before and after.
    """

    offset: int
    old: str
    new: str


class Line(Model):
    """A whole line that becomes another one, without its end.

    Attributes:
        old, new: the line before and after; no old one where it is added.
        under: SHA-256 of the lines that it is indented below, a service's name for one; empty: it does not matter.
        alone: whether no other line of the file was like either.
    """

    old: str
    new: str
    under: str = ""
    alone: bool = True


class FileEdit(Model):
    """What happens to one file; frozen in the plan.

    Attributes:
        path: the file.
        before, after: SHA-256 of its bytes; None before: there is no such file yet.
        splices: in order of their offsets.
        lines: the same by lines; None if one of them is too long, or cannot be told from another one.
    """

    path: Path
    before: str | None
    after: str
    splices: tuple[Splice, ...]
    lines: tuple[Line, ...] | None = None

    @classmethod
    def of(cls, path: Path, data: bytes | None, splices: Iterable[Splice]) -> FileEdit:
        """The change of a file that has these bytes now."""
        ordered = tuple(sorted(splices, key=lambda splice: splice.offset))
        draft = cls(path=path, before=None if data is None else digest(data), after="", splices=ordered)
        changed = draft.apply(data or b"")
        return draft.model_copy(update={"after": digest(changed), "lines": _lines(data or b"", changed)})

    def apply(self, data: bytes) -> bytes:
        """The new bytes of the file, which is what it was when the change was made."""
        found, position = b"", 0
        for splice in self.splices:
            found += data[position : splice.offset] + splice.new.encode()
            position = splice.offset + len(splice.old.encode())
        return found + data[position:]

    def forward(self, data: bytes | None) -> bytes | None:
        """The bytes with the change, whatever else was changed meanwhile; None if that cannot be told."""
        now = None if data is None else digest(data)
        if now == self.before:
            return self.apply(data or b"")
        return data if now == self.after else self._by_lines(data or b"", backward=False)

    def backward(self, data: bytes) -> bytes | None:
        """The bytes without the change, whatever else was changed meanwhile; None if that cannot be told."""
        return self._by_lines(data, backward=True)

    def _by_lines(self, data: bytes, *, backward: bool) -> bytes | None:
        if self.lines is None:
            return None
        found = data.splitlines(keepends=True)
        for line in self.lines:
            if not _exchange(found, line, backward=backward):
                return None
        return b"".join(found)


def _lines(before: bytes, after: bytes) -> tuple[Line, ...] | None:
    """The lines that differ; None if one of them could be mistaken for another one, now or after the change."""
    old, new = ([line.rstrip(b"\r") for line in data.split(b"\n")] for data in (before, after))
    if len(new) == len(old):
        found = [_changed(old, index, new[index]) for index in range(len(old)) if old[index] != new[index]]
    else:
        # A line was added at the end, perhaps with the line break that the last one had lacked.
        added = [line for line in new[len(old) - 1 :] if line and line != old[-1]]
        found = [None if _like(old, line) else Line(old="", new=_text(line)) for line in added]
    lines = tuple(line for line in found if line is not None)
    known = len(lines) == len(found) and all(max(len(line.old), len(line.new)) <= LINE for line in lines)
    return lines if known else None


def _changed(lines: list[bytes], index: int, new: bytes) -> Line | None:
    """The change of one line; None if another one like it, before or after, has the same above it."""
    like = [*_like(lines, lines[index]), *_like(lines, new)]
    # Of two services that have the same line each has its own name above it.
    under = _under(lines, index)
    if [other for other in like if _under(lines, other) == under] != [index]:
        return None
    return Line(old=_text(lines[index]), new=_text(new), under=under, alone=like == [index])


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def _exchange(lines: list[bytes], line: Line, *, backward: bool) -> bool:
    """Change a line; whether that was done, now or before. No text stands for no line."""
    old, new = (text.encode() for text in ((line.new, line.old) if backward else (line.old, line.new)))
    places, done = _like(lines, old) if old else [], _like(lines, new) if new else []
    if line.under:
        mine = [[index for index in each if _under(lines, index) == line.under] for each in (places, done)]
        if any(mine) or not line.alone:
            places, done = mine
    if len(places) == 1:
        ending = lines[places[0]][len(old) :]
        lines[places[0]] = new + ending if new else b""
        return True
    if places:
        return False
    if not old and not done:
        ending = b"\r\n" if any(each.endswith(b"\r\n") for each in lines) else b"\n"
        if lines and not lines[-1].endswith(b"\n"):
            lines[-1] += ending
        lines.append(new + ending)
        return True
    return bool(done) or not new


def _like(lines: list[bytes], text: bytes) -> list[int]:
    """Where lines of that text are, whatever their ends."""
    return [index for index, line in enumerate(lines) if line.rstrip(b"\r\n") == text]


def _under(lines: list[bytes], index: int) -> str:
    """SHA-256 of the lines that one is indented below, each of them below the one before."""
    above, indent = [], _indent(lines[index])
    for line in reversed(lines[:index]):
        if line.strip() and not line.lstrip().startswith(b"#") and _indent(line) < indent:
            above.append(line.rstrip(b"\r\n"))
            indent = _indent(line)
    return digest(b"\n".join(above))


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip(b" "))


def digest(data: bytes) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
