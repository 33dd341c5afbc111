"""`update-manifest.yaml`: what a release declares about itself. No IO here: bytes in, bytes out.

data = path.read_bytes()
manifest = parse(data, where=str(path))
check_updater_version(manifest, current)
artifact = pick_artifact(manifest.artifacts, current_platform())
"""

from __future__ import annotations

from fsm.formats.manifest.canonical import canonical
from fsm.formats.manifest.claims import Claim
from fsm.formats.manifest.jsonschema import json_schema
from fsm.formats.manifest.reading import check_updater_version, parse
from fsm.formats.manifest.schema import Manifest
from fsm.formats.manifest.steps import ManifestStep

__all__ = [
    "Claim",
    "Manifest",
    "ManifestStep",
    "canonical",
    "check_updater_version",
    "json_schema",
    "parse",
]
