"""What lies in the directories of submodules.

``git submodule update --force`` writes over what is there, known to git or not, and a diff of the checkout says
nothing of it. So what it will do is worked out here, as changes of the checkout's own paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from fsm.errors import CommandFailed
from fsm.system import faults, files
from fsm.system.digest import Check
from fsm_git import changes, submodules
from fsm_git.assume_unchanged import Flags
from fsm_git.blobs import GITLINK
from fsm_git.changes import Change, is_checked_out
from fsm_git.command import Git
from fsm_git.repository import places

_GIT: Final = ".git"

Ours = Callable[[str], bool]
"""Whether a path is preserved, and so not git's business."""


def with_submodules(git: Git, differing: list[Change]) -> list[Change]:
    """The changes of a checkout, and those of all its submodules that are checked out and go to another commit.

    A submodule that is not checked out counts as added where something lies in its directory.

    Raises:
        CommandFailed: one of them has not got the commit that it is to go to.
    """
    found = list(differing)
    for change in differing:
        if GITLINK not in (change.old_mode, change.new_mode) or not is_checked_out(git.work / change.path):
            continue
        inner = _inner(git, change.path)
        if change.status == "T" and change.old_mode == GITLINK:
            found += [Change("D", "", "", "", f"{change.path}/{name}") for name in _known(inner)]
        elif change.new_mode == GITLINK:
            if not inner.has(change.digest):
                raise CommandFailed(
                    f"cannot check out {change.digest[:12]} in {files.shown(change.path)}",
                    "the repository there is not the one that is fetched into",
                    "`git submodule absorbgitdirs` makes an old one that; move any other away",
                )
            below = changes.between(inner, inner.commit("HEAD"), change.digest)
            found += _within(change.path, with_submodules(inner, below))
    moving = {change.path: change for change in differing}
    stay = {path: Change("", GITLINK, GITLINK, commit, path) for path, commit in _linked(git).items()}
    links = [change for change in {**stay, **moving}.values() if change.new_mode == GITLINK]
    return found + [change._replace(status="A") for change in links if _is_occupied(git.work / change.path)]


def _is_occupied(directory: Path) -> bool:
    return changes.is_directory(directory) and not is_checked_out(directory) and any(directory.iterdir())


def _linked(git: Git) -> dict[str, str]:
    """See `in_index`; one question less where there are none."""
    return in_index(git) if (git.work / ".gitmodules").exists() else {}


class Here(NamedTuple):
    """What a host has of the submodules that a commit brings or keeps, and of theirs.

    Attributes:
        heads: the commits of those that are checked out.
        absent: those that are not.
    """

    heads: dict[str, str]
    absent: list[str]


def here(git: Git, differing: Iterable[Change]) -> Here:
    """What checking out the submodules will find.

    Args:
        git: the repository, with the old commit checked out.
        differing: from that to the new one.
    """
    return _here(git, [*_linked(git), *(change.path for change in differing if change.new_mode == GITLINK)])


def _here(git: Git, links: Iterable[str]) -> Here:
    found = Here({}, [])
    for path in dict.fromkeys(links):
        head = _head(git, path)
        if head is None:
            found.absent.append(path)
            continue
        inner = _inner(git, path)
        below = _here(inner, in_index(inner))
        found.heads.update({path: head}, **{f"{path}/{name}": commit for name, commit in below.heads.items()})
        found.absent.extend(f"{path}/{name}" for name in below.absent)
    return found


def going_back(git: Git, heads: dict[str, str]) -> list[Change]:
    """What distinguishes submodules as they are from what they were."""
    found: list[Change] = []
    for path, commit in heads.items():
        now = _head(git, path)
        if now not in (None, commit):
            found += _within(path, changes.between(_inner(git, path), now, commit))
    return found


def go_back(git: Git, heads: dict[str, str], settings: Path) -> None:
    """Have submodules at the commits where they were, which need not be those that the checkout's commit names.

    `settings`: see `submodules.check_out`.
    """
    if not all(is_checked_out(git.work / path) for path in heads):
        submodules.check_out(git, settings)
    for path, commit in heads.items():
        inner = _inner(git, path)
        _lead_back(inner)
        if inner.commit("HEAD") != commit or changes.local_changes(inner, "HEAD", submodules=False):
            inner.must(f"reset {files.shown(path)} to {commit[:12]}", "reset", "--hard", "--quiet", commit, "--")
            faults.point("git.submodule.undone")


def _lead_back(inner: Git) -> None:
    """A submodule that went to another place took its repository along, which says where its files are."""
    found = places(inner.directory)
    if found is None or inner.directory.is_dir():
        return
    here = os.path.relpath(inner.work.resolve(), found.own)
    if inner.ask("config", "--get", "core.worktree").out.decode(errors="replace").rstrip("\n") != here:
        inner.must("say where the files of a submodule are", "config", "core.worktree", here)


def local_changes(git: Git, commit: str, ours: Ours, *, submodules: bool, flags: Flags | None = None) -> list[str]:
    """See `changes.local_changes`; without the submodules in which nothing differs but preserved files."""
    found = changes.local_changes(git, commit, submodules=submodules, flags=flags)
    if not found or not submodules:
        return found
    links = in_index(git)
    return [path for path in found if path not in links or _head(git, path) != links[path] or dirty(git, [path], ours)]


def dirty(git: Git, paths: Iterable[str], ours: Ours) -> list[str]:
    """Those of some submodules in which tracked files were changed that are not preserved."""
    found = []
    for path in sorted(paths):
        mine = _below(path, ours)
        if is_checked_out(git.work / path):
            changed = local_changes(_inner(git, path), "HEAD", mine, submodules=True)
            found += [path] if any(not mine(name) for name in changed) else []
    return found


def in_index(git: Git) -> dict[str, str]:
    """The submodules that git's index has, with the commits that they are to be at."""
    entries = git.entries("list the submodules", "ls-files", "-s", "-z")
    told = (entry.partition("\t") for entry in entries)
    return {path: about.split(" ")[1] for about, _, path in told if about.startswith(GITLINK)}


def changed(git: Git, new: Iterable[str]) -> Iterator[str]:
    """Files in submodules, and in theirs, that are not as their commits have them.

    Args:
        git: the repository.
        new: submodules of which also what git does not know is wanted.
    """
    every = set(new)
    for path in in_index(git):
        if not is_checked_out(git.work / path):
            continue
        inner = _inner(git, path)
        found = changes.local_changes(inner, "HEAD", submodules=False)
        if path in every:
            found += _unknown(inner)
        beneath = (name.removeprefix(f"{path}/") for name in every if name.startswith(f"{path}/"))
        found += changed(inner, in_index(inner) if path in every else beneath)
        yield from (f"{path}/{name}" for name in found)


def _known(git: Git) -> Iterator[str]:
    links = in_index(git)
    for name in git.entries("list the files", "ls-files", "-z"):
        if name in links and is_checked_out(git.work / name):
            yield from (f"{name}/{inner}" for inner in _known(_inner(git, name)))
        else:
            yield name


def _unknown(git: Git) -> list[str]:
    """Files that git does not know, ignored or not; of a repository in there, all."""
    found: list[str] = []
    for name in git.entries("look for other files", "ls-files", "--others", "-z"):
        below = os.walk(git.work / name) if name.endswith("/") else ()
        found += [str(Path(root, leaf).relative_to(git.work)) for root, _, leaves in below for leaf in leaves]
        found += [] if name.endswith("/") else [name]
    return found


def _below(path: str, ours: Ours) -> Ours:
    return lambda name: ours(f"{path}/{name}")


def _within(path: str, differing: Iterable[Change]) -> list[Change]:
    """Changes of a submodule as those of the checkout that it is in."""
    return [change._replace(path=f"{path}/{change.path}") for change in differing]


def _head(git: Git, path: str) -> str | None:
    """The commit that a submodule is at; None if it is not checked out."""
    return _inner(git, path).commit("HEAD") if is_checked_out(git.work / path) else None


def _inner(git: Git, path: str) -> Git:
    return replace(git, directory=git.work / path / _GIT, work=git.work / path)


def remove(directory: Path, check: Check) -> None:
    """Remove a submodule's checkout; what tells that it is one goes last, so that this can be done again."""
    for entry in sorted(directory.iterdir()):
        if entry.name != _GIT:
            files.remove_tree(entry, check)
    files.remove_tree(directory / _GIT, check)
