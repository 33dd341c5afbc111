"""Files that git was told not to look at, by ``git update-index --assume-unchanged`` or ``--skip-worktree``.

People keep their own version of a tracked file that way. Git neither shows their changes nor minds to overwrite them,
or it refuses to reset; so their changes are looked for here, and the flags are taken away for the reset and set again
after it. A sparse checkout flags what it leaves out in the same way: those files are not there, and none of this is
about them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from fsm_git.blobs import GITLINK, is_blob
from fsm_git.command import MANY, Git

_FLAGS: Final = {"--assume-unchanged": "hs", "--skip-worktree": "Ss"}
"""The letters of ``git ls-files -v`` that stand for a flag (https://git-scm.com/docs/git-ls-files): small ones are
assumed to be unchanged, an S is left out."""

_LETTERS: Final = frozenset().union(*_FLAGS.values())

Flags = Mapping[str, tuple[str, str]]
"""Flagged files by path: the letter, and the digest of the blob that git has."""


def find(git: Git) -> Flags:
    """The flagged files that are there."""
    found = {}
    for entry in git.entries("look for flagged files", "ls-files", "-v", "-s", "-z"):
        about, _, path = entry.partition("\t")
        letter, mode, digest, _ = about.split(" ")
        if letter in _LETTERS and mode != GITLINK and os.path.lexists(git.work / path):
            found[path] = letter, digest
    return found


def changed(git: Git, flags: Flags) -> list[str]:
    """Those that are not what git has."""
    had = {path: digest for path, (_, digest) in flags.items()}
    now = _digests(git, [path for path in had if _is_file(git.work / path) and "\n" not in path])
    others = (path for path in had.keys() - now.keys() if not is_blob(git.work / path, had[path]))
    return sorted([*(path for path, digest in now.items() if digest != had[path]), *others])


def clear(git: Git, letters: Mapping[str, str]) -> None:
    """Take the flags away, so that a reset does to these files what it does to others."""
    for option, meant in _FLAGS.items():
        _flag(git, f"--no-{option.removeprefix('--')}", (path for path, letter in letters.items() if letter in meant))


def restore(git: Git, letters: Mapping[str, str]) -> None:
    """Set the flags again, on those that git still has."""
    for option, meant in _FLAGS.items():
        _flag(git, option, (path for path, letter in letters.items() if letter in meant))


def _flag(git: Git, option: str, paths: Iterable[str]) -> None:
    wanted = list(paths)
    if not wanted:
        return
    known = set(git.entries("look for flagged files", "ls-files", "-z"))
    for some in _portions([path for path in wanted if path in known]):
        git.must("flag files", "update-index", option, "--", *some)


def _digests(git: Git, paths: list[str]) -> dict[str, str]:
    """What git would call these files; its filters decide, which may change line ends."""
    found: dict[str, str] = {}
    for some in _portions(paths):
        answer = git.answer("compare flagged files", "hash-object", "--", *some)
        found.update(zip(some, answer.decode().split(), strict=True))
    return found


def _portions(paths: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(paths), MANY):
        yield paths[start : start + MANY]


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
