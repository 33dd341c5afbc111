"""What a release may not widen: a commit brings no manifest, and its submodules come from hosts that are named."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from fsm.adapter import Target
from fsm.errors import ConfigError, PlanError
from fsm.formats.releases import Release
from fsm.sources import GitSpec, SourceSpec
from fsm.sources.remotes import remote_host, why_no_remote

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


def why_no_submodule(name: str, url: str, hosts: tuple[str, ...], depth: int) -> str:
    """Why a submodule is not fetched; empty if it may be. A commit may name any URL, and nest them without end.

    Args:
        name: by which git makes its repository.
        url: absolute.
        hosts: that the configuration names.
        depth: in how many submodules it is.
    """
    why = why_no_remote(url) or ""
    if not why and (_NAME.fullmatch(name) is None or ".." in name):
        why = "its name leads out of the repository"
    if not why and remote_host(url) not in hosts:
        why = f"submodule_hosts does not name {remote_host(url) or 'a directory of this host'}"
    if not why and depth >= _DEEPEST:
        why = f"submodules are nested more than {_DEEPEST} deep"
    return why
