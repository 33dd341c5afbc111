"""Which repository a checkout has, and what is checked out: read, never changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from fsm.adapter import Installed, Target
from fsm.errors import ConfigError, FsmError, PlanError
from fsm.model import Version
from fsm.sources import GitSpec, SourceSpec
from fsm.sources.git import commit_version, tag_version
from fsm_git.command import Git, owner_of
from fsm_git.spec import GitCheckoutSpec


class GitInstalled(Installed):
    """What is installed.

    Attributes:
        commit: what HEAD is, None where there is none yet.
    """

    commit: str | None = None


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
    """Where the repository behind a ``.git`` is; None where there is none, or it leads nowhere.

    Format: https://git-scm.com/docs/gitrepository-layout
    """
    try:
        own = dot_git if dot_git.is_dir() else _follow(dot_git)
        if not (own / "HEAD").exists():
            return None
        pointer = own / "commondir"
        common = (own / pointer.read_text(encoding="utf-8").strip()).resolve() if pointer.exists() else own
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
    word, _, path = dot_git.read_text(encoding="utf-8").partition(":")
    if word.strip() != "gitdir":
        raise ValueError(f"{dot_git} is no gitdir file")
    return Path(dot_git.parent, path.strip()).resolve()


def open_checkout(path: Path) -> Git:
    """Git on a checkout that has a repository, for questions.

    Raises:
        PlanError: it belongs to a user whom this one cannot become.
    """
    found = places(path / ".git")
    return Git(path / ".git", path, owner_of(found.common if found else path))


def why_unusable(path: Path) -> str:
    """Why a ``.git`` that is there is no repository; empty where it looks like one, or where there is none."""
    dot_git = path / ".git"
    if not dot_git.is_symlink() and not dot_git.exists():
        return ""
    if places(dot_git) is not None:
        return ""
    if dot_git.is_file():
        try:
            return f"{dot_git} leads to {_follow(dot_git)}, where there is no repository"
        except (OSError, ValueError) as error:
            return f"{dot_git} is no repository: {error}"
    return f"{dot_git} is no repository: HEAD or objects are missing"


def read(target: Target, spec: GitCheckoutSpec) -> GitInstalled:
    """What is checked out; unknown stays unknown and says why."""
    if not spec.path.is_dir():
        return GitInstalled(present=False, why_unknown=f"nothing is installed at {spec.path}")
    if not (spec.path / ".git").exists():
        return GitInstalled(why_unknown=f"{spec.path} is no git checkout yet")
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


def source_of(target: Target) -> GitSpec:
    """The component's source, which has to be of type ``git``.

    Raises:
        ConfigError: it is another one, or none.
    """
    values: Any = target.source
    if values.get("type") != "git":
        raise ConfigError(
            f"cannot use {target.name}",
            f"a component of type git needs a source of type git, and has {values.get('type') or 'none'}",
            f'write [components.{target.name}.source] with type = "git", url and branch (or tags)',
        )
    spec: GitSpec = TypeAdapter[Any](SourceSpec).validate_json(json.dumps(values))
    return spec


def refuse_unusable(target: Target, spec: GitCheckoutSpec) -> None:
    """Refuse what no update of ours can go on from.

    Raises:
        PlanError: with what is there instead.
    """
    what = f"cannot update {target.name}"
    if spec.path.is_symlink():
        raise PlanError(what, f"{spec.path} is a symbolic link to {spec.path.resolve()}", "name that path instead")
    if spec.path.exists() and not spec.path.is_dir():
        raise PlanError(what, f"{spec.path} is no directory", "correct `path`")
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
    """Why git cannot use what looks like a repository; empty where it can."""
    asked = git.ask("rev-parse", "--git-dir")
    return "" if asked.code == 0 else f"git cannot use {git.directory}: {asked.complaint}"


def _unusable(target: Target, why: str) -> PlanError:
    todo = "put the repository back, or move .git away: a new one is fetched then, files are kept"
    return PlanError(f"cannot update {target.name}", why, todo)
