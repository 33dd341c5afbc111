"""Peculiarities of a checkout or a commit that people should hear about."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fsm_git.command import LONG, Git
from fsm_git.repository import empty_objects, modules, places

POINTER: Final = "^version https://git-lfs.github.com/spec/v1"
"""How an LFS pointer begins (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""


def notes(git: Git, commit: str) -> tuple[str, ...]:
    """What is special about a commit, one sentence each."""
    if not uses_lfs(git, commit):
        return ()
    pointers = git.ask("grep", "--name-only", "-I", "-e", POINTER, commit, timeout=LONG).out.count(b"\n")
    if not pointers:
        return ()
    if has_lfs(git):
        return (f"git-lfs brings the content of {pointers} files",)
    return (f"{pointers} files are LFS pointers and stay so: git-lfs is not set up for this user (`git lfs install`)",)


def uses_lfs(git: Git, commit: str) -> bool:
    """Whether the commit says that some of its files are kept by git-lfs."""
    return git.ok("grep", "--quiet", "-e", "filter=lfs", commit, "--", ".gitattributes", "**/.gitattributes")


def has_lfs(git: Git) -> bool:
    """Whether git, for the user as whom it runs, knows what to do with LFS pointers."""
    return git.ok("config", "--get-regexp", r"^filter\.lfs\.(process|smudge)$")


def is_shallow(git: Git) -> bool:
    """Whether the repository lacks older commits on purpose."""
    return git.ask("rev-parse", "--is-shallow-repository").out.strip() == b"true"


def is_detached(git: Git) -> bool:
    """Whether HEAD is a commit and no branch."""
    return not git.ok("symbolic-ref", "--quiet", "HEAD")


def is_whole(git: Git) -> bool:
    """Whether a repository has everything that leads to its HEAD, as far as a quick look can tell."""
    found = places(git.directory)
    if found is None or empty_objects(found.common / "objects") or is_shallow(git):
        return False
    lacking = git.ok("config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$")
    head = git.commit("HEAD")
    return not lacking and head is not None and git.has(head)


def modules_at(git: Git) -> dict[str, str]:
    """The commits that submodules are at whose repositories are whole, by the places below ``modules``."""
    found, commits = places(git.directory), dict[str, str]()
    if found is None:
        return commits
    for place in modules(found):
        inner = replace(git, directory=place)
        commit = inner.commit("HEAD")
        if commit is not None and is_whole(inner):
            commits[str(place.relative_to(found.own / "modules"))] = commit
    return commits
