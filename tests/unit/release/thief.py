"""A package that reads, when it is built, what every process above it was started with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.unit.release.conftest import PLAIN, Repository

_BACKEND: Final = """
import os, pathlib
found, pid = [], os.getpid()
while pid > 1:
    try:
        found.append(pathlib.Path(f"/proc/{{pid}}/environ").read_bytes())
    except PermissionError:
        break  # a process of somebody else, whose secrets are safe from it
    pid = int(pathlib.Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[1])
pathlib.Path({loot!r}).write_bytes(b"".join(found))

def prepare_metadata_for_build_wheel(place, settings=None):
    info = pathlib.Path(place, "thief-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: thief\\nVersion: 1.0\\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return info.name
"""

_PROJECT: Final = b"""
[project]
name = "thief"
dynamic = ["version", "dependencies"]
[build-system]
requires = []
build-backend = "thief"
backend-path = ["."]
"""


def with_thief(repository: Repository) -> Path:
    """Make its release require such a package; the file that it writes."""
    loot = repository.root / "loot"
    backend = _BACKEND.format(loot=str(loot)).encode()
    package = {"thief-1.0__thief.py": backend, "thief-1.0__pyproject.toml": _PROJECT}
    source = repository.archive("made.tar.gz", **package).read_bytes()
    app = {"requirements.txt": b"./thief-1.0.tar.gz\n", "thief-1.0.tar.gz": source}
    repository.archive("dist/web-1.2.0.tar.gz", **app)
    repository.describe(PLAIN + "    requirements: requirements.txt\n")
    return loot
