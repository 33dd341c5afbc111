"""`update-manifest.yaml`, as it comes from a source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fsm.formats.manifest import Manifest, canonical, check_updater_version, parse
from fsm.formats.picking import pick_artifact
from fsm.formats.platforms import current_platform
from fsm.model import Version
from fsm.version import __version__
from tests.fuzz.words import words_of

DOCUMENTS: Final = Path(__file__).resolve().parents[2] / "unit" / "manifest" / "documents"

WORDS = words_of(Manifest.model_json_schema())
LONGEST = 4096


def run(data: bytes) -> None:
    """Read it, ask what admission asks, and write it again."""
    manifest = parse(data, where="update-manifest.yaml")
    for told in (manifest.services, manifest.paths, manifest.images, manifest.hosts, manifest.asks, manifest.remarks):
        told()
    written = canonical(manifest)
    assert parse(written, where="canonical") == manifest, "the canonical form says something else"
    check_updater_version(manifest, Version(__version__))
    pick_artifact(manifest.artifacts, current_platform())


def seeds() -> Iterator[bytes]:
    """The documents of the issue that began this project, and one with all the rest."""
    for path in sorted(DOCUMENTS.glob("*.yaml")):
        yield path.read_bytes()
    whole = Manifest.model_validate(
        {
            "version": "1.2.0",
            "component": "web",
            "sequence": 1700000000,
            "released_at": "2026-06-01T00:00:00Z",
            "expires_at": "2027-06-01T00:00:00Z",
            "platform": "linux-x86_64",
            "min_updater_version": "0.1",
            "notes": "# New\n\nö \U0001f600",
            "artifacts": [{"name": "a.tar.gz", "url": "a.tar.gz", "sha256": f"sha256:{'0' * 64}", "size": 3}],
        },
        strict=False,
    )
    yield canonical(whole)
    yield b"version: 1.2\nnotes: |\n  a\n  b\nartifacts: [{name: 'a', \"url\": b}]\n"
