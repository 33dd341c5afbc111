"""Which repository a checkout has, and where it keeps things: read, never changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fsm.adapter import User
from fsm.errors import PlanError
from fsm.system import regular, trusted
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


def empty_objects(objects: Path) -> list[Path]:
    """Loose objects without a byte: the file's name was durable before a power cut, its content was not."""
    found = []
    with os.scandir(objects) as entries:
        loose = [entry.path for entry in entries if len(entry.name) == 2 and entry.is_dir(follow_symlinks=False)]
    for directory in loose:
        with os.scandir(directory) as entries:
            found += [Path(entry.path) for entry in entries if _is_empty(entry)]
    return found


def _is_empty(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size == 0


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
    return Git(path / ".git", path, owner_of_repository(path / ".git", path))


def owner_of_repository(dot_git: Path, work: Path) -> User | None:
    """The user as whom git runs on a repository; None: as the updater's.

    Git does what a repository's settings say. So nobody else may have a hand in one on which it runs as root, wherever
    ``.git`` leads.

    Args:
        dot_git: the repository.
        work: the checkout; where nothing is yet, that decides.

    Raises:
        PlanError: it belongs to a user whom this one cannot become, or to several.
    """
    found = places(dot_git)
    if found is None:
        return owner_of(work if work.exists() else work.parent)
    owner = owner_of(found.common)
    if owner is None and os.geteuid() == 0:
        _refuse_shared(found)
    return owner


def _refuse_shared(found: Places) -> None:
    for place in (found.own, found.common, found.common / "config", found.common / "objects", found.own / "modules"):
        doubt = trusted.doubt(place)
        if doubt is None and place.is_dir() and place.stat().st_mode & stat.S_IWOTH:
            doubt = trusted.Doubt(place, f"every user may write to {place}", f"`chmod o-w {place}`")
        if doubt is not None:
            why = f"{doubt.why}, and git would do as root what they write there"
            raise PlanError(f"cannot use the repository {found.own}", why, f"{doubt.todo}, or give all to one user")


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
