"""Submodules: their commits are fetched before the stop, into the places where git looks for them; nothing is later.

``git submodule update --no-fetch`` then needs no network, neither forward nor back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import urljoin

from fsm.adapter import Failed, RetryLater, StepContext
from fsm.errors import CommandFailed
from fsm.sources import GitSpec
from fsm.sources.git import complaint, remote_settings
from fsm.sources.remotes import masked, remote_host
from fsm.system import faults, files
from fsm_git import limits
from fsm_git.blobs import GITLINK
from fsm_git.command import Git
from fsm_git.repository import Places

_SECTION: Final = "submodule."
_UNFINISHED: Final = ".fsm-new"


class Submodule(NamedTuple):
    """One submodule of a commit."""

    name: str
    path: str
    url: str
    commit: str


def of(git: Git, commit: str) -> list[Submodule]:
    """The submodules that a commit has, each with every place that its ``.gitmodules`` names for it.

    All that the commit's tree has are looked for there, not the other way round: git clones what we have overlooked.

    Raises:
        CommandFailed: the file cannot be read, or says nothing of one of them.
    """
    if not git.ok("cat-file", "-e", f"{commit}:.gitmodules"):
        return []
    told = _told(git, commit)
    found = []
    for entry in git.entries("list the submodules", "ls-tree", "-r", "-z", commit):
        about, _, path = entry.partition("\t")
        mode, _, link = about.split(" ")
        if mode != GITLINK:
            continue
        here = [Submodule(name, path, keys["url"], link) for name, keys in told.items() if _is_of(keys, path)]
        if not here:
            raise _unreadable(commit, f"it says no url of the submodule {files.shown(path)}")
        found += here
    return found


def _told(git: Git, commit: str) -> dict[str, dict[str, str]]:
    """What ``.gitmodules`` says, by the submodules' names. Values may hold anything, also what looks like a key."""
    listed = git.ask("config", "-z", "--blob", f"{commit}:.gitmodules", "--list")
    if listed.code != 0:
        raise _unreadable(commit, listed.complaint)
    told: dict[str, dict[str, str]] = {}
    for entry in filter(None, listed.out.split(b"\0")):
        name, _, value = os.fsdecode(entry).partition("\n")
        section, _, key = name.rpartition(".")
        if section.startswith(_SECTION):
            told.setdefault(section.removeprefix(_SECTION), {})[key] = value
    return told


def _is_of(keys: dict[str, str], path: str) -> bool:
    return keys.get("path") == path and bool(keys.get("url"))


def _unreadable(commit: str, why: str) -> CommandFailed:
    return CommandFailed(
        f"cannot tell where the submodules of {commit[:12]} come from",
        f".gitmodules: {masked(why)}",
        "correct that file upstream, or set submodules = false",
    )


def fetch(
    git: Git, source: GitSpec, commit: str, hosts: tuple[str, ...], found: Places, ctx: StepContext
) -> Failed | RetryLater | None:
    """Fetch the commits of all submodules of a commit, and of theirs."""
    return _fetch(git, source, commit, source.url, found.own / "modules", (*hosts, remote_host(source.url)), ctx, 0)


def _fetch(
    git: Git,
    source: GitSpec,
    commit: str,
    base: str,
    modules: Path,
    hosts: tuple[str, ...],
    ctx: StepContext,
    depth: int,
) -> Failed | RetryLater | None:
    try:
        modules_there = of(git, commit)
    except CommandFailed as error:
        return Failed(why=error.cause, todo=error.todo)
    for module in modules_there:
        url = _absolute(base, module.url)
        refused = _refused(module, url, hosts, depth)
        if refused:
            return refused
        inner = Git(modules / module.name, git.work, git.owner, ctx, remote_settings(source))
        if not inner.directory.is_dir():
            _make(inner, url)
        if not inner.has(module.commit):
            result = inner.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", url, module.commit)
            if result.code != 0 or not inner.has(module.commit):
                heads = "+refs/heads/*:refs/remotes/origin/*"
                result = inner.run("fetch", "--quiet", "--no-write-fetch-head", "--", url, heads)
            faults.point("git.submodule.fetched")
            if not inner.has(module.commit):
                return RetryLater(
                    why=f"cannot fetch the submodule {module.path} from {masked(url)}: {complaint(result.tail)}"
                )
        below = inner.directory / "modules"
        failed = _fetch(inner, source, module.commit, url, below, hosts, ctx, depth + 1)
        if failed:
            return failed
    return None


def _make(inner: Git, url: str) -> None:
    """An empty repository where ``git submodule update`` looks before it clones."""
    fresh = inner.directory.with_name(f"{inner.directory.name}{_UNFINISHED}")
    for directory in reversed([fresh, *_missing(fresh.parent)]):
        inner.hand_over(directory)
    made = Git(fresh, inner.work, inner.owner, inner.runner)
    made.must("make a submodule's repository", "init", "--quiet")
    made.must("set up a submodule's repository", "config", "core.bare", "false")
    made.must("set up a submodule's repository", "config", "remote.origin.url", url)
    fetching = "+refs/heads/*:refs/remotes/origin/*"
    made.must("set up a submodule's repository", "config", "remote.origin.fetch", fetching)
    made.run("config", "--unset-all", "core.worktree")
    fresh.rename(inner.directory)
    faults.point("git.submodule.made")


def sweep(found: Places) -> None:
    """Remove what a killed updater left of repositories that it was making."""
    for root, directories, _ in os.walk(found.own / "modules"):
        unfinished = [name for name in directories if name.endswith(_UNFINISHED)]
        for name in unfinished:
            files.remove_tree(Path(root, name))
        inner = ["modules"] if "objects" in directories else directories
        directories[:] = [name for name in directories if name in inner and name not in unfinished]


def _missing(directory: Path) -> Iterator[Path]:
    while not directory.exists():
        yield directory
        directory = directory.parent


def _absolute(base: str, url: str) -> str:
    """What a relative URL of ``.gitmodules`` means (https://git-scm.com/docs/git-submodule)."""
    if not url.startswith(("./", "../")):
        return url
    if "://" in base:
        return urljoin(base.rstrip("/") + "/", url)
    head, colon, path = base.rpartition(":")
    parts = list(PurePosixPath(path).parts)
    for part in PurePosixPath(url).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return head + colon + str(PurePosixPath(*parts))


def _refused(module: Submodule, url: str, hosts: tuple[str, ...], depth: int) -> Failed | None:
    why = limits.why_no_submodule(module.name, url, hosts, depth)
    if not why:
        return None
    return Failed(
        why=f"the submodule {module.path} comes from {masked(url)}: {why}",
        todo="if that is intended, add its host to submodule_hosts, or set submodules = false",
    )


def write(git: Git, commit: str, found: Places, scratch: Path) -> None:
    """Write the files of a commit's submodules, and of theirs, into a worktree, where they have no repository.

    Args:
        git: on that worktree.
        commit: the one that is checked out there.
        found: the repository whose submodules were fetched.
        scratch: a directory of git's user, for an index that nobody keeps.

    Raises:
        CommandFailed: one cannot be written.
    """
    for module in {module.path: module for module in of(git, commit)}.values():
        own = found.own / "modules" / module.name
        inner = replace(git, directory=own, work=git.work / module.path, index=scratch / "index")
        inner.must("read a submodule", "read-tree", module.commit)
        inner.must("write a submodule's files", "checkout-index", "--all", "--force", "--quiet")
        faults.point("git.submodule.written")
        write(replace(inner, index=None), module.commit, Places(own, own), scratch)


def check_out(git: Git) -> None:
    """Have every submodule at the commit that HEAD says, without a network.

    Raises:
        CommandFailed: one cannot be checked out.
    """
    options = ("--init", "--recursive", "--force", "--no-fetch", "--quiet")
    git.must("check out the submodules", "submodule", "update", *options)
    faults.point("git.submodule.checked_out")
