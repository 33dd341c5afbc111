"""Patterns that name files below a root: what an update preserves.

They look like those of a ``.gitignore``, and are simpler:

=============  =========================================================================================
``.env``       the entry of that name in the root itself; nowhere else
``config/``    the directory of that name in the root, with everything below it; not a file of that name
``a/b``        ``b`` in ``a`` in the root
``*.db``       ``*`` stands for any characters within one segment, also none, also a leading dot
``log?``       ``?`` stands for one character
``v[0-9]``     one character of a set or range; ``[!0-9]`` one that is not in it; ``[*]`` the character itself
``**/.env``    ``**`` as a whole segment stands for any number of directories, also none
``data/**``    everything below ``data``
=============  =========================================================================================

A pattern always begins at the root: there is no "anywhere" without ``**/``, because a search for ``.env`` should not
walk a whole tree, and should not find the ``.env`` of a package's test suite. What lies below a matching directory
matches too. Links are entries, never followed. Case matters. Refused with a ValueError that says what to write:
absolute patterns, ``..``, ``.`` and empty segments, a backslash, a leading ``!``, ``**`` beside other characters.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

_ANY_DEPTH: Final = None
_Segment = re.Pattern[str] | None


class _Pattern(NamedTuple):
    segments: tuple[_Segment, ...]
    only_dirs: bool


_State = tuple[int, int]
"""A pattern's number, and how many of its segments have matched the directories so far."""


class Patterns:
    """A set of patterns; see the module for what they mean.

    Args:
        texts: the patterns.
        links: whether ``data/`` also names a link of that name, which stands for a directory on another disk.

    Raises:
        ValueError: one of them is refused; the text says why and what to write.
    """

    def __init__(self, texts: Iterable[str], *, links: bool = False) -> None:
        self.texts: Final = tuple(texts)
        self._links: Final = links
        self._patterns: Final = tuple(_compile(text) for text in self.texts)
        self._start: Final = self._settle((number, 0) for number in range(len(self._patterns)))

    def match(self, rel: PurePosixPath, is_dir: bool) -> bool:
        """Whether an entry is named, by itself or by a directory above it.

        Args:
            rel: its path relative to the root.
            is_dir: whether it is a directory; a link to one is none, unless `links` says so.
        """
        states, last = self._start, len(rel.parts) - 1
        for position, name in enumerate(rel.parts):
            states, matched = self._step(states, name, is_dir or position < last)
            if matched:
                return True
        return False

    def find(self, root: Path) -> Iterator[PurePosixPath]:
        """The matching files, links and empty directories below `root`, in the order of their names.

        Only directories that a pattern can lead into are opened, so that ``.env`` or ``config/`` cost one directory
        whatever the size of the tree. What disappears meanwhile is left out.

        Raises:
            OSError: a directory cannot be read.
        """
        for path, is_dir in self.tops(root):
            yield from _everything(root / path, path) if is_dir else (path,)

    def tops(self, root: Path) -> Iterator[tuple[PurePosixPath, bool]]:
        """What is named itself, and not only by a directory above it, and whether it is a directory; as `find`."""
        yield from self._find(root, PurePosixPath(), self._start)

    def _find(
        self, directory: Path, rel: PurePosixPath, states: frozenset[_State]
    ) -> Iterator[tuple[PurePosixPath, bool]]:
        for name, is_dir, is_link in _entries(directory):
            below, matched = self._step(states, name, is_dir or (is_link and self._links))
            path = rel / name
            if matched:
                yield path, is_dir
            elif is_dir and below:
                yield from self._find(directory / name, path, below)

    def _step(self, states: frozenset[_State], name: str, is_dir: bool) -> tuple[frozenset[_State], bool]:
        """Where the patterns are after one more segment, and whether one of them ended with it."""
        advanced = set()
        for number, position in states:
            segment = self._patterns[number].segments[position]
            if segment is _ANY_DEPTH:
                advanced.add((number, position))
            elif segment.match(name):
                advanced.add((number, position + 1))
        after = self._settle(advanced)
        return frozenset(state for state in after if not self._ended(state)), any(
            self._ended(state) and (is_dir or not self._patterns[state[0]].only_dirs) for state in after
        )

    def _settle(self, states: Iterable[_State]) -> frozenset[_State]:
        """The states with those that follow because ``**`` may stand for no directory at all."""
        settled = set()
        for number, position in states:
            settled.add((number, position))
            segments = self._patterns[number].segments
            for following in range(position, len(segments)):
                if segments[following] is not _ANY_DEPTH:
                    break
                settled.add((number, following + 1))
        return frozenset(settled)

    def _ended(self, state: _State) -> bool:
        return state[1] == len(self._patterns[state[0]].segments)


def _entries(directory: Path) -> list[tuple[str, bool, bool]]:
    """What is in a directory by name, and whether it is a directory or a link."""
    try:
        with os.scandir(directory) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _everything(directory: Path, rel: PurePosixPath) -> Iterator[PurePosixPath]:
    entries = _entries(directory)
    if not entries:
        yield rel
    for name, is_dir, _ in entries:
        yield from _everything(directory / name, rel / name) if is_dir else (rel / name,)


def _compile(text: str) -> _Pattern:
    _refuse(text)
    names = text.rstrip("/").split("/")
    segments = []
    for name in names:
        if name in {"", ".", ".."}:
            raise _refused(text, f"has the segment {name!r}", "a path below the root, as in config/app.toml")
        if "**" in name and name != "**":
            raise _refused(text, "has ** beside other characters", "** as a whole segment, or a single *")
        segments.append(_ANY_DEPTH if name == "**" else re.compile(fnmatch.translate(name)))
    # A last `**` stands for at least one entry: `data/**` is what is below `data`, not `data` itself.
    if segments[-1] is _ANY_DEPTH:
        segments.append(re.compile(".", re.DOTALL))
    return _Pattern(tuple(segments), text.endswith("/"))


def _refuse(text: str) -> None:
    if not text.strip("/"):
        raise _refused(text, "names the root itself", "** for everything below it")
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        raise _refused(text, "is absolute", "a path relative to the root")
    if "\\" in text or "\0" in text:
        raise _refused(text, "has a backslash or a NUL", "/ between segments, and [*] for a literal *")
    if text.startswith("!"):
        raise _refused(
            text, "begins with !, and there are no exceptions here", "?name for a name that itself begins so"
        )


def _refused(text: str, why: str, instead: str) -> ValueError:
    return ValueError(f"pattern {text!r} {why}; write {instead}")
