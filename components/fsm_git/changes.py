"""What distinguishes two commits, and what this host has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from fsm.errors import CommandFailed
from fsm.system import files
from fsm.system.exit_codes import exited
from fsm_git import assume_unchanged
from fsm_git.assume_unchanged import Flags
from fsm_git.blobs import GITLINK, is_blob
from fsm_git.command import LONG, Git
from fsm_git.repository import places

SHOWN: Final = 5
"""Names in a message; the rest is counted."""


class Change(NamedTuple):
    """One path that differs between two commits.

    Attributes:
        status: ``A`` added, ``D`` deleted, ``M`` modified, ``T`` of another kind.
        old_mode, new_mode: octal digits; zeros where there is nothing.
        digest: of the new blob.
        path: relative to the checkout.
    """

    status: str
    old_mode: str
    new_mode: str
    digest: str
    path: str


def between(git: Git, old: str | None, new: str) -> list[Change]:
    """The paths that differ; all of `new` where there is no old commit."""
    before = old or _empty_tree(git)
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
    entries = git.entries("compare the commits", "diff-tree", *options, before, new)
    found = []
    for about, path in zip(entries[::2], entries[1::2], strict=True):
        old_mode, new_mode, _, digest, status = about.removeprefix(":").split(" ")
        found.append(Change(status[0], old_mode, new_mode, digest, path))
    return found


def _empty_tree(git: Git) -> str:
    """The name of the tree without entries, which every repository knows."""
    return git.answer("name the empty tree", "hash-object", "-t", "tree", "/dev/null").decode().strip()


def local_changes(git: Git, commit: str, *, submodules: bool, flags: Flags | None = None) -> list[str]:
    """Tracked files that differ from a commit, in the index or in the checkout; also if git does not look at them.

    Args:
        git: the repository.
        commit: the one that is to be checked out.
        submodules: whether another commit of a submodule counts.
        flags: the files that git does not look at, where they were looked for a moment ago.
    """
    depth = "untracked" if submodules else "all"
    options = ("-z", "--name-only", "--no-renames", "--no-ext-diff", f"--ignore-submodules={depth}")
    seen = git.entries("look for local changes", "diff", *options, commit)
    return list(
        dict.fromkeys([*seen, *assume_unchanged.changed(git, assume_unchanged.find(git) if flags is None else flags)])
    )


def ours(preserve: Iterable[str], live: Path, path: str) -> bool:
    """Whether a path is preserved, and so not git's business.

    A name may stand for a directory here and for a file in a commit; what is preserved is the directory, and also what
    has preserved files in it. Where a file or a link stands here instead of a directory, it is what can be preserved.

    Args:
        preserve: the patterns.
        live: the checkout as it is now.
        path: relative to it.
    """
    patterns = files.Patterns(preserve)
    instead = standing(live, path)
    if instead is not None:
        return patterns.match(PurePosixPath(instead), is_dir=False)
    is_dir = is_directory(live / path)
    if patterns.match(PurePosixPath(path), is_dir=is_dir):
        return True
    return is_dir and any(found.is_relative_to(path) for found in patterns.find(live))


def is_checked_out(directory: Path) -> bool:
    """Whether a directory has a repository of its own; a ``.git`` that leads to none any more, git makes anew."""
    return is_directory(directory) and places(directory / ".git") is not None


def standing(live: Path, path: str) -> str | None:
    """The file or link that is here where git has a directory above a path; None if none is."""
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        there = live / parent
        if os.path.lexists(there) and not is_directory(there):
            return str(parent)
    return None


def is_below(live: Path, path: str) -> bool:
    """Whether a path of git's is really below the checkout: a link on the way leads to what is not git's."""
    parents = PurePosixPath(path).parents[:-1]
    return ".." not in PurePosixPath(path).parts and not any((live / parent).is_symlink() for parent in parents)


def is_directory(path: Path) -> bool:
    """Whether this is a directory, and not just a link to one."""
    return path.is_dir() and not path.is_symlink()


def has_directory(live: Path, path: str) -> bool:
    """Whether a path of git's is really a directory below the checkout."""
    return is_below(live, path) and is_directory(live / path)


def in_the_way(
    work: Path, changes: Iterable[Change], ours: Callable[[str], bool], local: Iterable[str] = ()
) -> list[str]:
    """What is not in git and would be overwritten: names below `work`.

    Args:
        work: the checkout.
        changes: from the commit that is checked out to the new one.
        ours: paths that are kept in another way.
        local: tracked paths that are changed here, without `ours` and submodules; a reset writes them as well.
    """
    changes = list(changes)
    tracked = {change.path for change in changes if change.status != "A"}
    found: list[str] = []
    for change in changes:
        if change.status == "A" and not ours(change.path):
            found += _blocking(work, change, tracked, ours)
        elif change.old_mode == GITLINK and change.status == "T" and is_checked_out(work / change.path):
            # Git removes the directory with everything in it.
            found += [name for name in _instead(work, change.path, tracked, ours) or () if not _is_link(work, name)]
    changed = set(local)
    for path in changed:
        found += _instead(work, path, tracked | changed, ours) or ()
    return sorted(set(found))


def is_file(path: Path) -> bool:
    """Whether this is a file, or a link to whatever: something that can be copied."""
    return path.is_symlink() or path.is_file()


def _blocking(work: Path, change: Change, tracked: set[str], ours: Callable[[str], bool]) -> list[str]:
    there = work / change.path
    if change.new_mode == GITLINK and is_directory(there) and (not any(there.iterdir()) or is_checked_out(there)):
        return []
    instead = _instead(work, change.path, tracked, ours)
    if instead is not None or not os.path.lexists(there):
        return instead or []
    return [] if is_blob(there, change.digest) else [change.path]


def _is_link(work: Path, name: str) -> bool:
    """Whether this is the file by which a submodule knows its repository, which is elsewhere."""
    return PurePosixPath(name).name == ".git" and (work / name).is_file()


def _instead(work: Path, path: str, tracked: set[str], ours: Callable[[str], bool]) -> list[str] | None:
    """What git does not know of what stands where a file of git's belongs; None if nothing else stands there."""
    instead = standing(work, path)
    if instead is not None:
        return [] if instead in tracked else [instead]
    there = work / path
    if not is_directory(there):
        return None
    inside = (str(found.relative_to(work)) for found in there.rglob("*") if found.is_symlink() or not found.is_dir())
    return [name for name in inside if name not in tracked and not ours(name)]


def for_people(live: Path, paths: Iterable[str]) -> list[str]:
    """Paths for people: where something else stands instead of a directory, that is what they have to name."""
    return list(dict.fromkeys(standing(live, path) or path for path in paths))


def named(paths: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(files.shown(path) for path in paths[:SHOWN]) + more


def prove(git: Git, old: str | None, new: str) -> None:
    """See to it that everything that an update and its undo need of the repository can be read.

    Every file that differs is read on both sides: an empty or damaged object shows now, not between stop and start.

    Raises:
        CommandFailed: something cannot be read.
    """
    before = old or _empty_tree(git)
    options = ("--binary", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all")
    asked = git.ask("diff", *options, "--output=/dev/null", before, new, timeout=LONG)
    if asked.code != 0:
        raise CommandFailed(
            "cannot read all of the two commits",
            f"git diff {exited(asked.code)}: {asked.complaint or 'it said nothing'}",
            "`git fsck` names what is damaged; fetch it again, or make a new clone",
        )
