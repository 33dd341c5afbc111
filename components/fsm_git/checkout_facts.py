"""Peculiarities of a checkout or a commit that people should hear about."""

from __future__ import annotations

from typing import Final

from fsm_git.command import LONG, Git

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
