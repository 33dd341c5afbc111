"""Which repository a checkout has, and where it keeps things: read, never changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fsm.system import regular
from fsm_git.command import Git, owner_of

_LIMIT: Final = 16 << 10
"""Bytes of a file with nothing but a path in it."""


@dataclass(frozen=True)
class Places:
    """Where a repository keeps things.

    Attributes:
        own: what belongs to this checkout: HEAD, the index.
        common: what all worktrees of the repository share: objects and refs.
    """

    own: Path
    common: Path


def places(dot_git: Path) -> Places | None:
    """Where the repository behind a ``.git`` is; None if there is none, or it leads nowhere.

    Format: https://git-scm.com/docs/gitrepository-layout
    """
    try:
        own = dot_git if dot_git.is_dir() else _follow(dot_git)
        if not (own / "HEAD").is_file():  # git would wait for a pipe
            return None
        pointer = own / "commondir"
        common = (own / _line(pointer)).resolve() if pointer.exists() else own
    except (OSError, ValueError):
        return None
    return Places(own, common) if (common / "objects").is_dir() else None


def modules(found: Places) -> Iterator[Path]:
    """The repositories of submodules, and of theirs, that were made so far, whole or not."""
    for root, directories, _ in os.walk(found.own / "modules"):
        if "objects" not in directories:
            continue
        yield Path(root)
        directories[:] = ["modules"] if "modules" in directories else []


def _follow(dot_git: Path) -> Path:
    """A ``.git`` that is a file holds ``gitdir: <path>``: a linked worktree, a submodule, ``--separate-git-dir``."""
    word, _, path = _line(dot_git).partition(":")
    if word.strip() != "gitdir":
        raise ValueError(f"{dot_git} is not a gitdir file")
    return Path(dot_git.parent, path.strip()).resolve()


def _line(path: Path) -> str:
    """What one of the small files says that lead from one directory to another."""
    return regular.read_text(path, _LIMIT).strip()


def open_checkout(path: Path) -> Git:
    """Git on a checkout that has a repository, for questions.

    Raises:
        PlanError: it belongs to a user whom this one cannot become.
    """
    found = places(path / ".git")
    return Git(path / ".git", path, owner_of(found.common if found else path))


def why_unusable(path: Path) -> str:
    """Why a ``.git`` that is there is no repository; empty if it looks like one, or where there is none."""
    dot_git = path / ".git"
    if not dot_git.is_symlink() and not dot_git.exists():
        return ""
    if places(dot_git) is not None:
        return ""
    if not dot_git.is_dir():
        try:
            return f"{dot_git} leads to {_follow(dot_git)}, where there is no repository"
        except (OSError, ValueError) as error:
            return f"{dot_git} is not a repository: {getattr(error, 'strerror', None) or error}"
    return f"{dot_git} is not a repository: HEAD or objects are missing"
