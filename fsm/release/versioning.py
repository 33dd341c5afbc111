"""Which version a release has: its tag says it, and what the repository says must agree."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from fsm.formats.foreign import json_of, toml_of
from fsm.model import Version
from fsm.release.description import Source
from fsm.release.problems import ReleaseError, Spot


class Decided(NamedTuple):
    """A version, and whom it is for.

    Attributes:
        version: of the release.
        tag: that names it; empty if there is none.
        component: the only component that the tag is for; None means all of them.
    """

    version: Version
    tag: str = ""
    component: str | None = None


def decide(
    source: Source, *, version: str | None = None, tag: str | None = None, default: Version | None = None
) -> Decided:
    """The version of a release.

    Args:
        source: the description.
        version: as a person gave it.
        tag: as a person gave it; else that of ``GITHUB_REF``. ``v1.2.3``, ``web/v1.2.3`` and ``web-v1.2.3`` are
            understood, where ``web`` is a component of the description.
        default: where nothing says it; None means that this is an error.

    Raises:
        ReleaseError: nothing says which version it is, or two places say different ones.
    """
    reference = os.environ.get("GITHUB_REF", "")
    tag = tag or (reference.removeprefix("refs/tags/") if reference.startswith("refs/tags/") else "")
    component, tagged = _of_tag(source, tag) if tag else (None, None)
    given = _parsed(version, "--version") if version else None
    said = [("the tag", tagged)] if tagged else []
    said += [("--version", given)] if given else []
    said += _in_files(source.root)
    if not said and default is not None:
        return Decided(default)
    if not said:
        why = "the version is unknown"
        raise ReleaseError(Spot(str(source.path)), why, "give --version or --tag, or write a VERSION file")
    (first, found), *others = said
    for where, other in others:
        if other != found:
            why = f"{first} says {found}, {where} says {other}"
            raise ReleaseError(
                Spot(where if where in _FILES else str(source.path)), why, "make them agree, then tag again"
            )
    return Decided(found, tag, component)


def _of_tag(source: Source, tag: str) -> tuple[str | None, Version]:
    for name in sorted(source.names(), key=len, reverse=True):
        for mark in "/-":
            rest = tag.removeprefix(f"{name}{mark}")
            found = _plain(rest) if rest != tag else None
            if found:
                return name, found
    found = _plain(tag)
    if found is None:
        todo = "tag it like v1.2.3, or COMPONENT/v1.2.3"
        raise ReleaseError(Spot(str(source.path)), f"the tag {tag!r} does not name a version", todo)
    return None, found


def _plain(text: str) -> Version | None:
    """The version of a tag, without the ``v`` that tags have and manifests have not."""
    return Version.parse(re.sub(r"^v(?=\d)", "", text))


def _parsed(text: str, where: str) -> Version:
    found = Version.parse(text)
    if found is None:
        raise ReleaseError(Spot(where), f"{text!r} is not a version", "write it like 1.4.0 or 2.0.0rc1")
    return found


def _in_files(root: Path) -> list[tuple[str, Version]]:
    """The versions that the files of a repository say."""
    found = []
    for name, reader in _FILES.items():
        path = root / name
        try:
            text = reader(path.read_text(encoding="utf-8-sig")) if path.is_file() else None
        except (OSError, ValueError, AttributeError) as error:
            raise ReleaseError(Spot(str(path)), f"its version cannot be read: {error}", "correct the file") from error
        if isinstance(text, str):
            found.append((name, _parsed(text, str(path))))
    return found


_FILES: Final[dict[str, Callable[[str], Any]]] = {
    "pyproject.toml": lambda text: toml_of(text).get("project", {}).get("version"),
    "package.json": lambda text: json_of(text).get("version"),
    "VERSION": lambda text: text.strip() or None,
}
"""Where a repository says its version, and how it is read there."""
