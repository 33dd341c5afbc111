"""What a release may not widen: a commit brings no manifest, and its submodules come from hosts that are named."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import TypeAdapter

from fsm.adapter import Target
from fsm.errors import ConfigError, PlanError
from fsm.sources import GitSpec, SourceSpec
from fsm.sources.remotes import remote_host, why_no_remote
from fsm_git.spec import GitCheckoutSpec

if TYPE_CHECKING:
    from fsm.formats.releases import Release

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/ +-]*")
_DEEPEST: Final = 8


class Announced(NamedTuple):
    """The commit that a release is.

    Attributes:
        commit: all of its digits.
        ref: the full name of the branch or tag that led to it.
    """

    commit: str
    ref: str


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


def commit_of(target: Target, release: Release) -> Announced:
    """The commit that a release is.

    Raises:
        PlanError: it is none.
    """
    if release.commit is None or release.ref is None:
        raise PlanError(
            f"cannot update {target.name}", f"{release.version} is not a commit", "use a source of type git"
        )
    return Announced(release.commit, release.ref)


def refuse_engine(target: Target, spec: GitCheckoutSpec) -> None:
    """Refuse to have the Docker engine, which acts as root, build what a user's tree says.

    What it starts for a service is looked at for every component type alike (`fsm.host.trusting`).

    Raises:
        PlanError: with the remedies.
    """
    if target.user is not None and spec.build is not None and spec.build.compose:
        raise PlanError(
            f"cannot update {target.name}",
            f"the Docker engine acts as root, and {spec.path} belongs to {target.user.name}",
            f'`chown` it to root, or set run_as = "root" if {target.user.name} is trusted like root',
        )


def why_no_submodule(name: str, url: str, hosts: tuple[str, ...], depth: int, beside: str | None = None) -> str:
    """Why a submodule is not fetched; empty if it may be. A commit may name any URL, and nest them without end.

    Args:
        name: by which git makes its repository.
        url: absolute.
        hosts: that the configuration names.
        depth: in how many submodules it is.
        beside: the repository in whose directory one of this host has to lie: who fetches may read more of it than
            whom it is fetched for.
    """
    why = why_no_remote(url) or ""
    if not why and (_NAME.fullmatch(name) is None or ".." in name):
        why = "its name leads out of the repository"
    if not why and remote_host(url) not in hosts:
        why = f"submodule_hosts does not name {remote_host(url) or 'a directory of this host'}"
    if not why and beside is not None and not remote_host(url) and not _is_beside(url, beside):
        why = "only repositories beside the component's own are taken from directories of this host"
    if not why and depth >= _DEEPEST:
        why = f"submodules are nested more than {_DEEPEST} deep"
    return why


def _is_beside(url: str, other: str) -> bool:
    """Whether a directory of this host lies in the same one as another, or deeper."""
    place, ours = (PurePosixPath(posixpath.normpath(text.removeprefix("file://"))) for text in (url, other))
    return place.is_relative_to(ours.parent)
