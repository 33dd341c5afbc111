"""The list of what the installed release brought; a release that the updater did not install has none.

A path alone does not tell: where the release had a directory, somebody may have put a link to another disk. So the list
has kinds, and the targets of links.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from fsm.formats.foreign import json_of
from fsm.system import inventory, regular
from fsm_python_app.layout import Layout

_LIMIT: Final = 256 << 20
"""Bytes of a record, which names files: as many as a million names have."""

Brought = Mapping[str, str | None]
"""What each path is, as `kind_of` says; None where the record does not tell."""


def kind_of(entry: inventory.Entry) -> str:
    """What an entry is, and for a link, where it leads."""
    return f"symlink:{entry.target}" if entry.kind == "symlink" else entry.kind


def listed(entries: Iterable[inventory.Entry]) -> Brought:
    """What a release brings."""
    return {entry.path: kind_of(entry) for entry in entries}


def encode(version: str, brought: Brought) -> bytes:
    """The record. Most paths are files, so `kinds` has the others; null is what is not known."""
    kinds = {path: kind for path, kind in brought.items() if kind != "file"}
    return json.dumps({"version": version, "files": list(brought), "kinds": kinds}).encode()


def read(path: Path) -> bytes | None:
    """What a record of ours says; None if there is none."""
    try:
        return regular.read_beneath(path.parent, path.name, _LIMIT)
    except FileNotFoundError:
        return None


def brought(path: Path) -> Brought:
    """What a record names; empty where it is none."""
    try:
        record = json_of(read(path) or b"")
        files, kinds = list(record["files"]), record.get("kinds")
        if kinds is None:
            # A former version of the updater wrote paths only. What has something below it was a directory.
            above = {os.fspath(each) for name in files for each in PurePosixPath(name).parents}
            return {name: "dir" if name in above else None for name in files}
        return {name: kinds.get(name, "file") for name in files}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def explains(brought: Brought, entry: inventory.Entry) -> bool:
    """Whether an entry is what the release brought: the same kind of thing, and a link leads where its link led."""
    return entry.path in brought and brought[entry.path] in (None, kind_of(entry))


def is_by_hand(layout: Layout, link: str) -> bool:
    """Whether what lies in the environment's place is somebody's own, and not a link to an environment of ours."""
    path = layout.live / link
    try:
        target = os.readlink(path)
    except OSError:
        return os.path.lexists(path)
    return os.path.dirname(os.path.normpath(layout.live / target)) != os.fspath(layout.envs)
