"""What is checked out: asked of the repository, never remembered; and what no update can go on from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fsm.adapter import Installed, Model, Target
from fsm.errors import FsmError, PlanError
from fsm.model import Version
from fsm.sources.git import commit_version, tag_version
from fsm_git.command import Git
from fsm_git.repository import open_checkout, why_unusable
from fsm_git.spec import GitCheckoutSpec

Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
"""All digits of a commit's name."""


class Facts(Model):
    """What a plan has to know beside the commit; `fsm_git.look` finds it out.

    Attributes:
        had_repository: whether there is a repository.
        present: whether the checkout's directory is there.
        preserved: bytes of the preserved files.
        tag_is_new: whether the tag of the release is not there yet.
        lfs: whether git-lfs keeps some files of the installed commit.
        whole: whether the repository has everything that leads to the installed commit.
        modules: what is checked out of submodules whose repositories are whole, by their names; inner ones behind the
            outer ones', as in ``lib/modules/inner``.
        kept: the commits of the versions that are kept, by the paths of their backups.
        notes: costs and peculiarities, one sentence each.
    """

    had_repository: bool
    present: bool
    preserved: Annotated[int, Field(ge=0)] = 0
    tag_is_new: bool = False
    lfs: bool = False
    whole: bool = False
    modules: dict[str, Commit] = {}
    kept: dict[str, Commit] = {}
    notes: tuple[str, ...] = ()


class GitInstalled(Installed):
    """What is installed.

    Attributes:
        commit: what HEAD is, None if there is none yet.
        facts: what a plan has to know beside that; None where nobody has looked.
    """

    commit: Commit | None = None
    facts: Facts | None = None


def read(target: Target, spec: GitCheckoutSpec) -> GitInstalled:
    """What is checked out; unknown stays unknown and says why."""
    if not spec.path.is_dir():
        return GitInstalled(present=False, why_unknown=f"nothing is installed at {spec.path}")
    if not (spec.path / ".git").exists():
        return GitInstalled(why_unknown=f"{spec.path} is not a git checkout yet")
    broken = why_unusable(spec.path)
    if broken:
        return GitInstalled(why_unknown=broken)
    try:
        git = open_checkout(spec.path)
        commit = git.commit("HEAD")
        if commit is None:
            return GitInstalled(why_unknown=_in_the_words_of(git) or f"{spec.path} has no commit yet")
        version, why = _version(target, git, commit)
    except (FsmError, OSError) as error:
        return GitInstalled(why_unknown=str(error))
    return GitInstalled(version=version, why_unknown=why, commit=commit)


def _version(target: Target, git: Git, commit: str) -> tuple[Version | None, str]:
    """A commit is its own version, unless the component goes by tags."""
    pattern = target.source.get("tags")
    if pattern is None:
        return commit_version(commit), ""
    asked = git.ask("for-each-ref", "--points-at=HEAD", "--format=%(refname:strip=2)", "refs/tags/")
    names = asked.out.decode("utf-8", "replace").split() if asked.code == 0 else []
    found = [version for name in names if (version := tag_version(pattern, name))]
    if found:
        return max(found), ""
    return None, f"{commit[:12]} is checked out, which has no tag of the form {pattern}"


def refuse_unusable(target: Target, spec: GitCheckoutSpec) -> None:
    """Refuse what no update of ours can go on from.

    Raises:
        PlanError: with what is there instead.
    """
    what = f"cannot update {target.name}"
    if spec.path.is_symlink():
        raise PlanError(what, f"{spec.path} is a symbolic link to {spec.path.resolve()}", "name that path instead")
    if spec.path.exists() and not spec.path.is_dir():
        raise PlanError(what, f"{spec.path} is not a directory", "correct `path`")
    broken = why_unusable(spec.path)
    if broken:
        raise _unusable(target, broken)


def refuse_without_commit(target: Target, git: Git) -> None:
    """Refuse a repository in which no commit was found because git cannot use it.

    Raises:
        PlanError: in the words of git.
    """
    broken = _in_the_words_of(git)
    if broken:
        raise _unusable(target, broken)


def _in_the_words_of(git: Git) -> str:
    """Why git cannot use what looks like a repository; empty if it can."""
    asked = git.ask("rev-parse", "--git-dir")
    return "" if asked.code == 0 else f"git cannot use {git.directory}: {asked.complaint}"


def _unusable(target: Target, why: str) -> PlanError:
    todo = "put the repository back, or move .git away to have a new one fetched; files are kept"
    return PlanError(f"cannot update {target.name}", why, todo)
