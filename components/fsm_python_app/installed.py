"""The list of the files that the installed release brought; a release that the updater did not install has none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fsm.formats.foreign import json_of
from fsm.system import regular
from fsm_python_app.layout import Layout

_LIMIT: Final = 256 << 20
"""Bytes of a record, which names files: as many as a million names have."""


def read(path: Path) -> bytes | None:
    """What a record of ours says; None if there is none."""
    try:
        return regular.read_beneath(path.parent, path.name, _LIMIT)
    except FileNotFoundError:
        return None


def files(path: Path) -> tuple[str, list[str]]:
    """Version and files that a record names; empty where it is none."""
    try:
        record = json_of(read(path) or b"")
        return str(record["version"]), list(record["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", []


def known(layout: Layout) -> set[str]:
    """The files of the installed release."""
    return set(files(layout.installed)[1])
