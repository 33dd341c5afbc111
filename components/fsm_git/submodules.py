"""Submodules: their commits are fetched before the stop, into the places where git looks for them; nothing is later.

``git submodule update --no-fetch`` then needs no network, neither forward nor back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
from fsm_git.command import LONG, MANY, Git, ended_well, fetch_command
from fsm_git.repository import Places, empty_objects

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


def names(git: Git, commit: str, own: Path) -> Iterator[str]:
    """The files of a commit's submodules, and of theirs, as paths of its checkout.

    Args:
        git: a repository that has the commit.
        commit: of which.
        own: where that repository keeps those of its submodules. What cannot be read there has no files.
    """
    try:
        modules = of(git, commit)
    except CommandFailed:
        return
    for module in modules:
        place = own / "modules" / module.name
        inner = replace(git, directory=place)
        told = inner.ask("ls-tree", "-r", "-z", "--name-only", module.commit, timeout=LONG)
        below = [os.fsdecode(name) for name in told.out.split(b"\0") if name] if told.code == 0 else []
        yield from (f"{module.path}/{name}" for name in (*below, *names(inner, module.commit, place)))


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


class Fetched(NamedTuple):
    """A submodule whose commit was fetched.

    Attributes:
        place: of its repository, below the ``modules`` of the outermost one.
        url: where from.
        commit: that it is to be at.
    """

    place: str
    url: str
    commit: str


@dataclass
class Fetching:
    """What holds for all submodules of a commit.

    Attributes:
        source: of the commit.
        hosts: that they may come from beside the source's own.
        ctx: the step's.
        own: whether the repositories are the updater's, who may read more of this host than the component's user.
        done: what was fetched so far; outer ones stand before inner ones.
    """

    source: GitSpec
    hosts: tuple[str, ...]
    ctx: StepContext
    own: bool = False
    done: list[Fetched] = field(default_factory=list)

    def why_not(self, module: Submodule, url: str, depth: int) -> str:
        """Why a submodule is not fetched; empty if it may be."""
        hosts = (*self.hosts, remote_host(self.source.url))
        return limits.why_no_submodule(module.name, url, hosts, depth, self.source.url if self.own else None)


def fetch(git: Git, commit: str, modules: Path, fetching: Fetching) -> Failed | RetryLater | None:
    """Fetch the commits of all submodules of a commit, and of theirs.

    Args:
        git: a repository that has the commit.
        commit: of which.
        modules: where their repositories belong.
        fetching: what holds for all.
    """
    return _fetch(git, commit, fetching.source.url, modules, PurePosixPath(), fetching)


def _fetch(
    git: Git, commit: str, base: str, modules: Path, above: PurePosixPath, fetching: Fetching
) -> Failed | RetryLater | None:
    try:
        modules_there = of(git, commit)
    except CommandFailed as error:
        return Failed(why=error.cause, todo=error.todo)
    for module in modules_there:
        url, place = _absolute(base, module.url), above / module.name
        why = fetching.why_not(module, url, above.parts.count("modules"))
        if why:
            return Failed(
                why=f"the submodule {module.path} comes from {masked(url)}: {why}",
                todo="if that is intended, add its host to submodule_hosts, or set submodules = false",
            )
        inner = replace(git, directory=modules / place, runner=fetching.ctx, secrets=remote_settings(fetching.source))
        failed: Failed | RetryLater | None = _fetch_one(inner, module, url)
        if failed is None:
            fetching.done.append(Fetched(str(place), url, module.commit))
            failed = _fetch(inner, module.commit, url, modules, place / "modules", fetching)
        if failed is not None:
            return failed
    return None


def _fetch_one(inner: Git, module: Submodule, url: str) -> RetryLater | None:
    if not inner.directory.is_dir():
        make(inner, url)
    for path in empty_objects(inner.directory / "objects"):
        path.unlink(missing_ok=True)
    if inner.has_all(module.commit):
        return None
    result = inner.run(*fetch_command(), "--", url, module.commit)
    if not inner.has_all(module.commit):
        _fetch_branches(inner, url)
    faults.point("git.submodule.fetched")
    if inner.has_all(module.commit):
        return None
    return RetryLater(why=f"cannot fetch the submodule {module.path} from {masked(url)}: {complaint(result.tail)}")


def _fetch_branches(inner: Git, url: str) -> None:
    """Fetch all branches: a server that speaks only git's protocol 0 gives a commit by its name if a ref ends there.

    The branches are named, since a pattern would want refs here to write to. What no branch can be called is none: a
    server that says such a name wants to write to a ref, too.
    """
    listed = inner.ask("ls-remote", "--heads", "--", url, timeout=LONG).out.splitlines()
    told = [os.fsdecode(line).partition("\t")[2] for line in listed]
    names = [name for name in told if not set(name) & set(":*")]
    for at in range(0, len(names), MANY):
        inner.run(*fetch_command(), "--", url, *names[at : at + MANY])


def make(inner: Git, url: str) -> None:
    """An empty repository where ``git submodule update`` looks before it clones."""
    fresh = inner.directory.with_name(f"{inner.directory.name}{_UNFINISHED}")
    files.remove_tree(fresh)
    for directory in reversed([fresh, *_missing(fresh.parent)]):
        inner.hand_over(directory)
    made = replace(inner, directory=fresh, secrets={})
    made.must("make a submodule's repository", "init", "--quiet")
    made.must("set up a submodule's repository", "config", "core.bare", "false")
    made.must("set up a submodule's repository", "config", "remote.origin.url", url)
    fetching = "+refs/heads/*:refs/remotes/origin/*"
    made.must("set up a submodule's repository", "config", "remote.origin.fetch", fetching)
    made.run("config", "--unset-all", "core.worktree")
    files.sync_filesystem(fresh)
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


_DEPTH: Final = 3
"""Levels of submodules in submodules of which a first checkout may have been cut short."""


def _disconnect(git: Git) -> bool:
    """Take submodules apart whose first checkout was cut short: git takes them for checked out, at no commit.

    Returns:
        Whether there was any.
    """
    found = False
    for path in {module.path for module in of(git, "HEAD")}:
        pointer = git.work / path / ".git"
        if not pointer.is_file() or pointer.is_symlink():
            continue
        inner = replace(git, directory=pointer, work=git.work / path)
        if inner.commit("HEAD") is None:
            pointer.unlink()
            found = True
        else:
            found |= _disconnect(inner)
    return found


def _settings(git: Git) -> str:
    """The user's own settings, as far as they can be read, and that what git writes is whole after a power cut."""
    home = git.owner.home if git.owner else os.environ.get("HOME", "")
    own = os.environ.get("XDG_CONFIG_HOME", "") if git.owner is None else ""
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    usual = [f"{own or f'{home}/.config'}/git/config", f"{home}/.gitconfig"] if home else []
    known = [path for path in ([named] if named else usual) if os.path.isfile(path) and os.access(path, os.R_OK)]
    quoted = (path.replace("\\", "\\\\").replace('"', '\\"') for path in known)
    return "".join(f'[include]\n\tpath = "{path}"\n' for path in quoted) + "[core]\n\tfsync = all\n"


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


def check_out(git: Git, settings: Path) -> None:
    """Have every submodule at the commit that HEAD says, without a network.

    Args:
        git: on the checkout.
        settings: a file of ours to write, for the gits that this one calls.

    Raises:
        CommandFailed: one cannot be checked out.
    """
    files.write_atomic(settings, _settings(git).encode())
    told = replace(git, for_children=settings)
    update = ("submodule", "update", "--init", "--recursive", "--force", "--no-fetch", "--quiet")
    result = told.run(*update)
    for _ in range(_DEPTH):  # each takes one level apart; what fails for another reason fails again
        if result.code == 0 or not _disconnect(git):
            break
        faults.point("git.submodule.disconnected")
        result = told.run(*update)
    ended_well("check out the submodules", update[0], result)
    faults.point("git.submodule.checked_out")
