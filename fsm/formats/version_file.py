"""The version file of a component: plain text, or JSON with ``full_version`` (or ``version``)."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from fsm.formats.foreign import json_of
from fsm.system import regular
from fsm.versions import Version

MAX_SIZE: Final = 64 * 1024
"""Bytes; a version file that is larger is something else."""

_SHOWN: Final = 80
"""Characters of what is no version that a message has."""


class VersionFile(NamedTuple):
    """Where a component tells its version.

    Attributes:
        root: the component's directory; without it nothing is installed.
        name: the file in it.
    """

    root: Path
    name: str


def ask(where: VersionFile) -> tuple[Version | None, str]:
    """The version that a component tells and, if that is unknown, why."""
    if not where.root.is_dir():
        return None, f"nothing is installed at {where.root}"
    return understood(*read(where.root / where.name))


def understood(text: str, why: str) -> tuple[Version | None, str]:
    """The version that a text says and, if it says none, why.

    Args:
        text: whatever was found.
        why: why nothing was found.
    """
    version = Version.parse(text)
    more = "..." if len(text) > _SHOWN else ""
    return version, why if version or why else f"{text[:_SHOWN] + more!r} is not a version"


def read(path: Path) -> tuple[str, str]:
    """The text of a version file and, where there is none, why."""
    try:
        text = regular.read_text(path, MAX_SIZE, "utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        return "", f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
    if not text.startswith("{"):
        return text.splitlines()[0].strip() if text else "", "" if text else f"{path} is empty"
    try:
        data = json_of(text)
    except ValueError as error:
        return "", f"{path} is neither a version nor JSON: {error}"
    for key in ("full_version", "version"):
        if isinstance(data.get(key), str):
            return data[key], ""
    return "", f"{path} has no text under full_version or version"
