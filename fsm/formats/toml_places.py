"""Where the keys of a TOML file stand, as far as its lines tell: `tomllib` gives values without places.

Good enough for a message: headers and keys at the beginning of a line count; what stands in an inline table or a list
is placed at the key that it belongs to.
"""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str | int, ...]

_NAME: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_NAMES: Final = rf"({_NAME}(?:\s*\.\s*{_NAME})*)"
_HEADER: Final = re.compile(rf"^\s*(\[\[?)\s*{_NAMES}\s*\]")
_KEY: Final = re.compile(rf"^\s*{_NAMES}\s*=")
_AT: Final = re.compile(r"line (\d+), column (\d+)")


def of_error(message: str) -> tuple[int, ...]:
    """Line and column that an error of `tomllib` names; empty if it names none."""
    found = _AT.search(message)
    return tuple(map(int, found.groups())) if found else ()


class Places:
    """The places of a file's keys below one table.

    Args:
        text: the file.
        base: the table that paths are relative to.
    """

    def __init__(self, text: str, base: tuple[str, ...] = ()) -> None:
        self._base = base
        self._lines = text.splitlines()
        self._found: dict[Path, tuple[int, int]] = {}
        counts: dict[Path, int] = {}
        table: Path = ()
        for number, line in enumerate(self._lines, start=1):
            if header := _HEADER.match(line):
                table = _table(_parts(header[2]), header[1] == "[[", counts)
                self._found.setdefault(table, (number, header.start(1) + 1))
            elif key := _KEY.match(line):
                self._found.setdefault((*table, *_parts(key[1])), (number, key.start(1) + 1))

    def find(self, path: Path) -> tuple[int, int] | None:
        """Line and column of a key, or of what is nearest around it; None if nothing of it is there."""
        whole: Path = (*self._base, *path)
        inner: list[str | int] = []
        while whole and whole not in self._found:
            inner.insert(0, whole[-1])
            whole = whole[:-1]
        if not whole:
            return None
        line, column = self._found[whole]
        return line, self._inline(line, column, inner)

    def _inline(self, line: int, column: int, inner: list[str | int]) -> int:
        """The column of a key in an inline table that stands on one line with the key that it belongs to."""
        for part in inner:
            name = re.escape(str(part))
            found = re.compile(rf"""[{{,]\s*["']?({name})["']?\s*=""").search(self._lines[line - 1], column - 1)
            column = found.start(1) + 1 if found else column
        return column

    def position(self, path: Path, *, of_key: bool = False) -> tuple[int, int]:
        """Line and column of a key, or of what is nearest around it; the file's beginning where nothing is."""
        return self.find(path) or (1, 1)


def _parts(text: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_NAME, text))


def _table(parts: Path, listed: bool, counts: dict[Path, int]) -> Path:
    """The path of a header with the number of each list's entry in it, as values are addressed."""
    path: Path = ()
    for index, part in enumerate(parts):
        path = (*path, part)
        if listed and index == len(parts) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
