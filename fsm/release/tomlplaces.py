"""Where the keys of a TOML file stand, as far as its lines tell: `tomllib` gives values without places.

Good enough for a message: headers and keys at the beginning of a line count; what stands in an inline table or a list
is placed at the key that it belongs to.
"""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str | int, ...]

_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\"' -]+?)\s*\]")
_KEY: Final = re.compile(r"^\s*([A-Za-z0-9_.\"'-]+)\s*=")
_AT: Final = re.compile(r"line (\d+), column (\d+)")


def of_error(message: str) -> tuple[int, ...]:
    """Line and column that an error of `tomllib` names; empty where it names none."""
    found = _AT.search(message)
    return tuple(map(int, found.groups())) if found else ()


class Places:
    """The places of a file's keys below one table.

    Args:
        text: the file.
        base: the table that paths are relative to.
    """

    def __init__(self, text: str, base: tuple[str, ...]) -> None:
        self._base = base
        self._found: dict[Path, int] = {}
        counts: dict[Path, int] = {}
        table: Path = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.match(line):
                table = _table(_parts(header[2]), header[1] == "[[", counts)
                self._found.setdefault(table, number)
            elif key := _KEY.match(line):
                self._found.setdefault((*table, *_parts(key[1])), number)

    def position(self, path: Path, *, of_key: bool = False) -> tuple[int, int]:
        """Line and column of a key or, where that is not known, of the nearest table around it."""
        whole: Path = (*self._base, *path)
        while whole and whole not in self._found:
            whole = whole[:-1]
        return self._found.get(whole, 1), 1


def _parts(text: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


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
